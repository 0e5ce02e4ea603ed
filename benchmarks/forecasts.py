"""Accuracy of `auto` forecasts compared with other methods: `python -m benchmarks.forecasts [COLLECTION ...]`.

The data are public collections of series that ship in Python packages. The last four horizons of each are held out, one
after the other: every method learns from the values before the cutoff, and forecasts those after it. The score is the
mean absolute scaled error (Hyndman and Koehler 2006, scaled by the seasonal naive's in-sample error), the mean over
series and the four cutoffs. The coverage is the share of the held-out values in the 95% intervals of `auto`.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.collections import COLLECTIONS, Collection
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import ForecastConfig, JobContext, TrainResult, TrainSpec
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.reading import read_panel
from dataml.storage.storage import Storage
from dataml.tasks import train

METHODS = ("auto", "SeasonalNaive", "AutoETS", "mlforecast")
_N_WINDOWS = 4


def main(names: list[str]) -> None:
    """Print a row of the table for each collection, or for those named, and the means."""
    warnings.filterwarnings("ignore")
    print(
        "| collection | series x values | horizon | "
        + " | ".join(METHODS)
        + " | 95% coverage | seconds of auto | rule |"
    )
    print("|---|---|---|" + "---|" * (len(METHODS) + 3))
    scores, coverages = [], []
    measured = [collection for collection in COLLECTIONS if not names or collection.name in names]
    for collection in measured:
        row = _measure(collection)
        scores.append(row["mase"])
        coverages.append(row["coverage"])
        best = min(row["mase"])
        cells = [f"**{value:.3f}**" if value == best else f"{value:.3f}" for value in row["mase"]]
        print(
            f"| {collection.name} | {row['size']} | {row['horizon']} | {' | '.join(cells)} "
            f"| {row['coverage']:.1%} | {row['seconds']:.1f} | {row['rule']} |",
            flush=True,
        )
    _print_means("mean", scores, coverages)
    for label, is_held_back in (("mean of those held back", True), ("mean of the others", False)):
        chosen = [number for number, collection in enumerate(measured) if collection.held_back == is_held_back]
        if 0 < len(chosen) < len(measured):
            _print_means(label, [scores[number] for number in chosen], [coverages[number] for number in chosen])


def _print_means(label: str, scores: list[list[float]], coverages: list[float]) -> None:
    means = np.mean(scores, axis=0)
    print(f"| {label} | | | {' | '.join(f'{value:.3f}' for value in means)} | {np.mean(coverages):.1%} | | |")


def _measure(collection: Collection) -> dict[str, Any]:
    frame = collection.load().sort_values(["id", "time"], ignore_index=True)
    frequency = read_panel(to_table(frame, collection), target="y", time="time", series="id").panel.frequency
    horizon, season = frequency.default_horizon, frequency.season_length
    errors: list[list[float]] = [[] for _ in METHODS]
    inside, seconds, rule = [], [], ""
    for past, ahead in hold_out(frame, horizon):
        scale = past.groupby("id")["y"].apply(lambda y: np.abs(y.to_numpy()[season:] - y.to_numpy()[:-season]).mean())
        truth = ahead["y"].to_numpy().reshape(-1, horizon)
        auto, lower, upper, elapsed, rule = _forecast_auto(collection, past, ahead, horizon)
        seconds.append(elapsed)
        inside.append(((truth >= lower) & (truth <= upper)).mean())
        forecasts = [auto, _forecast_naive(past, horizon, season), _forecast_ets(past, horizon, season)]
        forecasts.append(_forecast_mlforecast(past, ahead, collection, frequency, horizon, season))
        for method, points in enumerate(forecasts):
            errors[method].append(float((np.abs(points - truth).mean(axis=1) / scale.to_numpy()).mean()))
    return {
        "mase": [float(np.mean(each)) for each in errors],
        "coverage": float(np.mean(inside)),
        "seconds": float(np.mean(seconds)),
        "horizon": horizon,
        "size": f"{frame['id'].nunique()} x {int(frame.groupby('id').size().median())}",
        "rule": rule,
    }


def hold_out(frame: pd.DataFrame, horizon: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the rows before each of the cutoffs, the oldest first, and those of the horizon after it."""
    from_end = frame.groupby("id").cumcount(ascending=False)
    for window in range(_N_WINDOWS, 0, -1):
        is_ahead = (from_end < horizon * window) & (from_end >= horizon * (window - 1))
        yield frame[from_end >= horizon * window].reset_index(drop=True), frame[is_ahead].reset_index(drop=True)


def train_forecaster(
    collection: Collection, past: pd.DataFrame, horizon: int, folder: Path, algorithm: str = "auto"
) -> tuple[Forecaster, dict[str, Any]]:
    """Train an algorithm in a folder, and return the forecaster and the metrics of its backtest."""
    result = _train(collection, past, horizon, folder, algorithm)
    return load_forecaster(folder / result.bundle), dict(result.summary["metrics"])


def _train(
    collection: Collection, past: pd.DataFrame, horizon: int, folder: Path, algorithm: str = "auto"
) -> TrainResult:
    roles = {"id": "Id", "time": "Time", "y": "Target"} | dict.fromkeys(collection.exogenous, "Exogenous")
    pq.write_table(to_table(past, collection), folder / "rows.parquet")
    options = ForecastConfig(horizon=horizon)
    spec = TrainSpec(
        1, "rows.parquet", _contract(collection), "Forecast", algorithm, roles, threads=2, forecasting=options
    )
    return train.run(spec, JobContext(Storage(folder), "job"))


def _contract(collection: Collection) -> Contract:
    columns = [Column("id", DataType.STRING), Column("time", DataType.TIMESTAMP), Column("y", DataType.FLOAT)]
    return Contract.build([*columns, *(Column(name, DataType.FLOAT) for name in collection.exogenous)])


def to_table(frame: pd.DataFrame, collection: Collection) -> pa.Table:
    """Return the rows of a collection in the types of its contract."""
    contract = _contract(collection)
    columns = {name: frame[name] for name in contract.names if name != "time"}
    columns["time"] = frame["time"].dt.tz_localize("UTC")
    return pa.table({name: pa.Array.from_pandas(columns[name]) for name in contract.names}).cast(contract.schema)


def _forecast_auto(
    collection: Collection, past: pd.DataFrame, ahead: pd.DataFrame, horizon: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        result = _train(collection, past, horizon, root)
        elapsed = time.perf_counter() - started
        forecaster = load_forecaster(root / result.bundle)
        future = to_table(ahead, collection).drop_columns(["y"]) if collection.exogenous else None
        forecasts = forecaster.forecast(ForecastParameters(horizon), future)
    parts = [np.stack([getattr(series, name) for series in forecasts]) for name in ("values", "lower", "upper")]
    rule = f"{result.summary['forecast']['rule']}: {', '.join(result.summary['forecast']['models'])}"
    return parts[0], parts[1], parts[2], elapsed, rule


def _by_series(past: pd.DataFrame) -> list[np.ndarray]:
    return [group.to_numpy() for _, group in past.groupby("id")["y"]]


def _forecast_naive(past: pd.DataFrame, horizon: int, season: int) -> np.ndarray:
    return np.stack([np.resize(y[-season:], horizon) for y in _by_series(past)])


def _forecast_ets(past: pd.DataFrame, horizon: int, season: int) -> np.ndarray:
    """Forecast with AutoETS of statsforecast and its defaults; without a season where it is longer than 24."""
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=season if season <= 24 else 1)
    return np.stack([model.forecast(y, horizon)["mean"] for y in _by_series(past)])


def _forecast_mlforecast(
    past: pd.DataFrame, ahead: pd.DataFrame, collection: Collection, frequency: Frequency, horizon: int, season: int
) -> np.ndarray:
    """Forecast with mlforecast and LightGBM's defaults, on lags, a rolling mean and the calendar."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    aliases = {"quarter": "QS", "month": "MS", "day": "D", "minute": "30min", "hour": "h", "week": "W-MON"}
    calendar = {"quarter": ["quarter"], "month": ["month"], "day": ["dayofweek", "month"]}
    lags = sorted({1, 2, 3, 4, season, 2 * season} if season <= 12 else {1, 2, 3, season, 7 * season})
    model = MLForecast(
        models={"lgb": LGBMRegressor(verbosity=-1, random_state=0)},
        freq=aliases[frequency.unit],
        lags=lags,
        lag_transforms={1: [RollingMean(season, min_samples=1)]},
        date_features=calendar.get(frequency.unit, ["hour", "dayofweek"]),
    )
    columns = {"id_col": "id", "time_col": "time", "target_col": "y"}
    model.fit(past, static_features=[], **columns)
    future = ahead.drop(columns=["y"]) if collection.exogenous else None
    predictions = model.predict(horizon, X_df=future)
    return predictions.sort_values(["id", "time"])["lgb"].to_numpy().reshape(-1, horizon)


if __name__ == "__main__":
    main(sys.argv[1:])
