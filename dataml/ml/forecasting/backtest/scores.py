"""Scores of forecasts of a backtest, overall, by step and by series, and compared with the seasonal naive.

The metrics, each over all values that have a truth and a forecast:

- `mase` (Hyndman and Koehler 2006): mean of |error| over the in-sample error of the seasonal naive of its series.
  A series whose scale is 0, as one that repeats itself exactly has, is left out of it.
- `rmsse` (Makridakis, Spiliotis and Assimakopoulos 2022): root of the mean of squared errors over the in-sample mean
  squared error of the seasonal naive of their series; series without a scale are left out likewise.
- `smape`: mean of 200 |error| / (|truth| + |forecast|), which is from 0 to 200 (Makridakis 1993); 0 where both are 0.
- `rmse`, `mae`: in the unit of the target, all values alike.
- `wape`: sum of |error| over sum of |truth|.
- `bias`: sum of forecast minus truth over sum of |truth|: above 0, forecasts are too high.
- `coverage`: share of truths between the ends of their interval, `width`: mean distance of the ends over mean |truth|.
- `crps`: mean continuous ranked probability score of the intervals (see `quantile_scores`), in the unit of the target;
  `scaled_crps` is divided as MASE is.
- `naive_mase` and so on: of the seasonal naive, on those of the values for which it has a forecast as well.
- `relative_mase`, `relative_rmsse`: MASE or RMSSE over that of the seasonal naive; below 1 the model is the better one.
  Of small counts the RMSSE tells: forecasts of their median, often 0, have the smallest MASE.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.evaluation import bootstrap
from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.quantile_scores import Bounds
from dataml.ml.json_numbers import finite_or_none, to_json_numbers

LISTED_SERIES: Final = 10
_POOLED_ERRORS: Final = 20
# The numbers of sums of a forecast, in the order of `_forecast_cells`, and of an interval, of `_interval_cells` and
# `_crps_cells`.
_FORECAST_SUMS: Final = 9
_INTERVAL_SUMS: Final = 8


@dataclass(frozen=True)
class ForecastScores:
    """The scores of a backtest.

    - `metrics` by name, None where one is not defined.
    - `by_horizon`: `step` from 1, the number of `values` at it, and each metric as a list by step.
    - `confidence`: for each metric `low`, `high` and `level`, or None.
    - `best` and `worst`: at most ten series each, none in both, by MASE, or by WAPE where no series has a scale: `id`,
      `mase`, `naive_mase`, `rmsse`, `bias`, `wape`, `mae`, `values`.
    - `by_series`: the score that series are ranked by, in their order, None where a series has no value.
    - `without_scale`: the number of series that are left out of MASE; `values`: the number of truths with a forecast.
    """

    metrics: Mapping[str, float | None]
    by_horizon: Mapping[str, list[Any]]
    confidence: Mapping[str, Any]
    best: Sequence[Mapping[str, Any]]
    worst: Sequence[Mapping[str, Any]]
    by_series: Sequence[float | None]
    without_scale: int
    values: int

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for a report; `best` and `worst` are under `series`."""
        return {
            "metrics": dict(self.metrics),
            "by_horizon": dict(self.by_horizon),
            "confidence": dict(self.confidence),
            "series": {"best": list(self.best), "worst": list(self.worst)},
            "series_without_scale": self.without_scale,
            "values": self.values,
        }


def score_forecasts(
    truth: np.ndarray,
    forecast: np.ndarray,
    scale: NaiveErrors,
    naive: np.ndarray,
    ids: Sequence[str],
    *,
    bounds: Bounds | None = None,
    crps: np.ndarray | None = None,
    seed: int = 0,
) -> ForecastScores:
    """Score forecasts, and those of the seasonal naive, against the truth.

    The confidence is a percentile bootstrap (see `bootstrap`) that draws whole series, as the errors of one series
    depend on each other; where series rise and fall together it is too narrow. For a single series it draws windows:
    those are few and may depend on each other, so that the interval is a rough one and rather too narrow. For a single
    window of a single series there is none.

    Args:
        truth: (windows, series, horizon), NaN where there is no value.
        forecast: As `truth`.
        scale: The in-sample errors of the seasonal naive, 0 or NaN where a series has none.
        naive: The forecasts of the seasonal naive, as `truth`.
        ids: The names of the series.
        bounds: The lower and upper ends of intervals, as `truth`.
        crps: The continuous ranked probability scores of these intervals, as `truth`.
        seed: The seed of the bootstrap.
    """
    sums = _ErrorSums.build(_cells(truth, forecast, naive, scale, bounds, crps))
    with np.errstate(over="ignore", invalid="ignore"):
        overall = _scores(sums.by_step.sum(axis=0))
        by_step = _scores(sums.by_step)
        intervals = _bootstrap(sums.by_series if len(ids) > 1 else sums.by_window, seed)
    metrics = {name: finite_or_none(value) for name, value in overall.items()}
    of_series = _scores(sums.by_series)
    ranked = of_series["mase"] if np.isfinite(of_series["mase"]).any() else of_series["wape"]
    best, worst = _best_and_worst(ranked, of_series, sums.by_series[:, 0], ids)
    counts = sums.by_step[:, 0].astype(int)
    return ForecastScores(
        metrics,
        {"step": list(range(1, len(counts) + 1)), "values": counts.tolist()}
        | {name: to_json_numbers(values) for name, values in by_step.items()},
        {name: intervals.get(name) if value is not None else None for name, value in metrics.items()},
        best,
        worst,
        to_json_numbers(ranked),
        int(((sums.by_series[:, 0] > 0) & (sums.by_series[:, 7] == 0)).sum()),
        int(counts.sum()),
    )


def confidence_by_step(truth: np.ndarray, forecast: np.ndarray, steps: int | None = None) -> list[float]:
    """Return the confidence of each step up to `steps` (None: the horizon): 1 - WAPE of the step, clipped to 0..1.

    Both arrays are (windows, series, horizon). A step with fewer than 20 errors is pooled with as many neighbours as it
    takes: a WAPE of four errors is mostly chance. Values are as measured, and so may rise from a step to a later one.
    Where all truths are 0 the confidence is 1 if all forecasts are 0 too, and else 0; without any error it is 0. Past
    the horizon see `extend_confidence`.
    """
    known = np.isfinite(truth) & np.isfinite(forecast)
    counts = known.sum(axis=(0, 1))
    missed = np.where(known, np.abs(truth - forecast), 0).sum(axis=(0, 1))
    size = np.where(known, np.abs(truth), 0).sum(axis=(0, 1))
    shares = [_wape(missed[near].sum(), size[near].sum()) if counts.sum() else 1.0 for near in _neighbours(counts)]
    measured = [min(1.0, max(0.0, 1 - float(share))) for share in shares]
    return extend_confidence(measured, len(measured) if steps is None else steps)


def extend_confidence(measured: Sequence[float], steps: int) -> list[float]:
    """Return the confidence of any number of steps: as `measured` up to the horizon, and extrapolated from there on.

    Past the horizon the WAPE of its last step grows with the square root of the step, as intervals do: to repeat the
    last value would claim more than was measured.
    """
    horizon = len(measured)
    later = ((1 - measured[-1]) * math.sqrt(step / horizon) for step in range(horizon + 1, steps + 1))
    return [*measured[:steps], *(max(0.0, 1 - share) for share in later)]


def _wape(missed: float, size: float) -> float:
    return missed / size if size else float(missed > 0)


def _neighbours(counts: np.ndarray) -> Iterator[slice]:
    """Yield for each step the nearest steps that have enough errors together."""
    for step in range(len(counts)):
        reach = 0
        while counts[max(0, step - reach) : step + reach + 1].sum() < _POOLED_ERRORS and reach < len(counts):
            reach += 1
        yield slice(max(0, step - reach), step + reach + 1)


@dataclass(frozen=True)
class _ErrorSums:
    """Sums over all values of a series, a window and a step: (series, sums), (windows, sums), (horizon, sums)."""

    by_series: np.ndarray
    by_window: np.ndarray
    by_step: np.ndarray

    @classmethod
    def build(cls, cells: Iterator[np.ndarray]) -> "_ErrorSums":
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [(each.sum(axis=(0, 2)), each.sum(axis=(1, 2)), each.sum(axis=(0, 1))) for each in cells]
        return cls(*(np.stack(each, axis=1) for each in zip(*parts, strict=True)))


def _cells(
    truth: np.ndarray,
    forecast: np.ndarray,
    naive: np.ndarray,
    scale: NaiveErrors,
    bounds: Bounds | None,
    crps: np.ndarray | None,
) -> Iterator[np.ndarray]:
    """Yield the terms of the scores, (windows, series, horizon) each: one at a time, as they are large."""
    yield from _forecast_cells(truth, forecast, scale)
    yield from _forecast_cells(np.where(np.isfinite(forecast), truth, np.nan), naive, scale)
    if bounds is not None:
        yield from _interval_cells(truth, *bounds)
        yield from _crps_cells(np.full(truth.shape, np.nan) if crps is None else crps, scale)


def _forecast_cells(truth: np.ndarray, forecast: np.ndarray, scale: NaiveErrors) -> Iterator[np.ndarray]:
    known = np.isfinite(truth) & np.isfinite(forecast)
    true, predicted = np.where(known, truth, 0.0), np.where(known, forecast, 0.0)
    missed = np.abs(true - predicted)
    size = np.abs(true) + np.abs(predicted)
    has_scale, unit = _units(scale)
    squared_unit = np.where(has_scale, scale.squared, np.inf)[:, None]
    yield known.astype(np.float64)
    yield missed
    yield np.square(missed)
    yield predicted - true
    yield np.abs(true)
    yield np.divide(200 * missed, size, out=np.zeros(size.shape), where=size > 0)
    yield missed / unit
    yield (known & has_scale[:, None]).astype(np.float64)
    yield np.square(missed) / squared_unit


def _units(scale: NaiveErrors) -> tuple[np.ndarray, np.ndarray]:
    """Return which series have a scale (series,), and the scales (series, 1), infinite for the others."""
    has_scale = np.isfinite(scale.absolute) & (scale.absolute > 0)
    return has_scale, np.where(has_scale, scale.absolute, np.inf)[:, None]


def _interval_cells(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Iterator[np.ndarray]:
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    yield known.astype(np.float64)
    yield (known & (lower <= truth) & (truth <= upper)).astype(np.float64)
    yield np.where(known, upper - lower, 0.0)
    yield np.where(known, np.abs(truth), 0.0)


def _crps_cells(crps: np.ndarray, scale: NaiveErrors) -> Iterator[np.ndarray]:
    known = np.isfinite(crps)
    has_scale, unit = _units(scale)
    values = np.where(known, crps, 0.0)
    yield known.astype(np.float64)
    yield values
    yield (known & has_scale[:, None]).astype(np.float64)
    yield values / unit


def _scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores from sums (..., sums), NaN where they are not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _point_scores(sums[..., :_FORECAST_SUMS])
        naive = _point_scores(sums[..., _FORECAST_SUMS : 2 * _FORECAST_SUMS])
        relative = {f"relative_{name}": _over(scores[name], naive[name]) for name in ("mase", "rmsse")}
        scores |= _interval_scores(sums[..., 2 * _FORECAST_SUMS :])
    return scores | {f"naive_{name}": value for name, value in naive.items()} | relative


def _point_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    count, missed, squared, surplus, size, symmetric, scaled, with_scale, squared_scaled = np.moveaxis(sums, -1, 0)
    return {
        "mase": _over(scaled, with_scale),
        "rmsse": np.sqrt(_over(squared_scaled, with_scale)),
        "smape": _over(symmetric, count),
        "wape": _over(missed, size),
        "rmse": np.sqrt(_over(squared, count)),
        "mae": _over(missed, count),
        "bias": _over(surplus, size),
    }


def _interval_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return no scores where there are no intervals."""
    if sums.shape[-1] != _INTERVAL_SUMS:
        return {}
    count, inside, width, size, scored, crps, with_scale, scaled = np.moveaxis(sums, -1, 0)
    return {
        "coverage": _over(inside, count),
        "width": _over(width, size),
        "crps": _over(crps, scored),
        "scaled_crps": _over(scaled, with_scale),
    }


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / whole, np.nan)


def _bootstrap(units: np.ndarray, seed: int) -> dict[str, Any]:
    """Return confidence intervals from sums (units, sums) by the drawn unit; units without values are left out."""
    units = units[units[:, 0] > 0]
    if len(units) < 2:
        return {}
    drawn = bootstrap.resampling_units(len(units), units.shape[1], seed)
    return bootstrap.bootstrap_additive(
        np.stack([np.bincount(drawn, column) for column in units.T], axis=1), _scores, seed
    )


def _best_and_worst(
    ranked: np.ndarray, scores: Mapping[str, np.ndarray], counts: np.ndarray, ids: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    order = [int(at) for at in np.argsort(ranked, kind="stable") if np.isfinite(ranked[at])]
    best = order[: min(LISTED_SERIES, math.ceil(len(order) / 2))]
    worst = order[len(best) :][-LISTED_SERIES:][::-1]

    def record(at: int) -> dict[str, Any]:
        names = ("mase", "naive_mase", "rmsse", "bias", "wape", "mae")
        return (
            {"id": ids[at]} | {each: finite_or_none(scores[each][at]) for each in names} | {"values": int(counts[at])}
        )

    return [record(at) for at in best], [record(at) for at in worst]
