"""Coverage of the intervals of `auto` forecasts, and of their sums: `python -m benchmarks.intervals [COLLECTION ...]`.

The collections and the cutoffs are those of `benchmarks.forecasts`: `auto` learns from the values before each of four
cutoffs, a horizon apart, and forecasts those after it, as the model's own steps and in coarser frequencies. The
coverage is the share of the held-out values in their intervals, the mean over series and cutoffs. Sums are those of
whole weeks, quarters and so on within the horizon; their width is relative to the sum of the widths of their steps. The
last column is the mean width of the 95% intervals over that of the seasonal naive, whose intervals are made likewise.

With `--series N` it takes the first N series of each collection.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.collections import COLLECTIONS, Collection
from benchmarks.forecasts import hold_out, to_table, train_forecaster
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.panel.reading import read_panel
from dataml.ml.forecasting.series_forecast import Buckets

_LEVELS = (50.0, 80.0, 90.0, 95.0, 99.0)
_MAIN_LEVEL = 95.0
_COARSER = {
    "quarter": ("Year",),
    "month": ("Quarter", "Year"),
    "week": ("4 weeks",),
    "day": ("Week", "14 days"),
    "minute": ("3 hours", "Day"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of the table for each collection, or for those named, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", metavar="COLLECTION")
    parser.add_argument("--series", type=int, help="Take the first so many series of each collection.")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    print("| collection | " + " | ".join(f"{level:.0f}%" for level in _LEVELS) + " | CRPS / MASE | sums | width |")
    print("|---|" + "---|" * (len(_LEVELS) + 3))
    coverages, widths = [], []
    for collection in COLLECTIONS:
        if not options.collections or collection.name in options.collections:
            coverage, width = _measure(collection, options.series)
            coverages.append(coverage)
            widths.append(width)
    means = np.mean(coverages, axis=0)
    print("| mean | " + " | ".join(f"{value:.1%}" for value in means) + f" | | | {np.mean(widths):.2f} |")


def _measure(collection: Collection, count: int | None) -> tuple[list[float], float]:
    """Print the row of a collection, and return its coverage at each level, and the width over that of the naive."""
    frame = collection.load().sort_values(["id", "time"], ignore_index=True)
    frame = frame[frame["id"].isin(frame["id"].unique()[:count])].reset_index(drop=True)
    frequency = read_panel(to_table(frame, collection), target="y", time="time", series="id").panel.frequency
    inside: dict[float, list[float]] = {level: [] for level in _LEVELS}
    sums: dict[str, list[tuple[float, float]]] = {}
    ratios, widths, naive_widths = [], [], []
    for past, ahead in hold_out(frame, frequency.default_horizon):
        with tempfile.TemporaryDirectory() as folder:
            forecaster, metrics = train_forecaster(collection, past, frequency.default_horizon, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            naive, _ = train_forecaster(collection, past, frequency.default_horizon, Path(folder), "SeasonalNaive")
        # A single window of few series leaves no others to learn intervals from.
        if metrics["scaled_crps"] is not None:
            ratios.append(metrics["scaled_crps"] / metrics["mase"])
        future = to_table(ahead, collection).drop_columns(["y"]) if collection.exogenous else None
        for level in _LEVELS:
            for series in forecaster.forecast(ForecastParameters(frequency.default_horizon, level=level), future):
                truth = ahead.loc[ahead["id"] == series.unique_id, "y"].to_numpy()
                inside[level].append(float(((series.lower <= truth) & (truth <= series.upper)).mean()))
        for model, found in ((forecaster, widths), (naive, naive_widths)):
            parameters = ForecastParameters(frequency.default_horizon, level=_MAIN_LEVEL)
            found.append([(series.upper - series.lower).mean() for series in model.forecast(parameters, future)])
        for coarser in _COARSER[frequency.unit]:
            sums.setdefault(coarser, []).extend(_measure_sums(forecaster, ahead, coarser, future))
    coverage = [float(np.mean(inside[level])) for level in _LEVELS]
    cells = [
        f"{name} {np.mean([share for share, _ in pairs]):.1%}, width {np.mean([width for _, width in pairs]):.2f}"
        for name, pairs in sums.items()
        if pairs
    ]
    # Series are of any size, and each counts as much as another.
    width = float(np.nanmean(np.array(widths) / np.where(np.array(naive_widths) > 0, naive_widths, np.nan)))
    shown = " | ".join(f"{value:.1%}" for value in coverage)
    print(
        f"| {collection.name} | {shown} | {np.mean(ratios or [np.nan]):.2f} | {'; '.join(cells)} | {width:.2f} |",
        flush=True,
    )
    return coverage, width


def _measure_sums(
    forecaster: Forecaster, ahead: pd.DataFrame, coarser: str, future: pa.Table | None
) -> list[tuple[float, float]]:
    """Return for each series the coverage of its sums, and their width over the sum of the widths of their steps."""
    horizon, found = forecaster.config.horizon, []
    for fine in forecaster.forecast(ForecastParameters(horizon, level=_MAIN_LEVEL), future):
        names = (fine.unique_id or "",)
        count = 0
        while _last_step(forecaster, names, coarser, count + 1) <= horizon:
            count += 1
        if count == 0:
            continue
        parameters = ForecastParameters(count, coarser, names, _MAIN_LEVEL)
        plan = forecaster.plan_steps(parameters)
        (whole,) = forecaster.forecast(parameters, future)
        used = slice(int(plan.skipped[0]), int(plan.steps[0]))
        truth = ahead.loc[ahead["id"] == fine.unique_id, "y"].to_numpy()[used]
        times = plan.frequency.convert_times(fine.times[used], forecaster.frequency)
        sums = Buckets.group(times, plan.frequency).sum(truth)
        is_inside = (whole.lower <= sums) & (sums <= whole.upper)
        width = (fine.upper - fine.lower)[used].sum()
        found.append((float(is_inside.mean()), float((whole.upper - whole.lower).sum() / width) if width > 0 else 1.0))
    return found


def _last_step(forecaster: Forecaster, names: tuple[str, ...], coarser: str, count: int) -> int:
    return int(forecaster.plan_steps(ForecastParameters(count, coarser, names)).steps.max())


if __name__ == "__main__":
    main()
