"""How good a forecast is, by its backtest: scores, the coverage of its intervals, and what a report shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.intervals import coverage, fit_intervals
from dataml.ml.forecasting.backtest.scores import confidence_by_step, score
from dataml.ml.forecasting.backtest.splits import Plan
from dataml.ml.forecasting.panel.panel import Panel

LEVELS: Final = (0.8, 0.95)
_MAIN: Final = 0.95
_PARTS: Final = 5


@dataclass(frozen=True)
class Judgement:
    """`metrics` by name; `confidence` (horizon,) is the accuracy so many steps ahead; `report` is the rest, as JSON."""

    metrics: dict[str, float | None]
    confidence: tuple[float, ...]
    report: dict[str, Any]


def judged(
    panel: Panel,
    origins: Plan,
    truth: np.ndarray,
    forecast: np.ndarray,
    naive: np.ndarray,
    scale: np.ndarray,
    seed: int,
) -> Judgement:
    """Arrays are (windows, series, horizon), NaN where a series has no such window; `scale` (series,).

    The intervals that are measured come from other windows than the one they are measured on, or, where there is a
    single window, from other series.
    """
    bounds = _held_out(truth, forecast, scale)
    main = bounds[_MAIN]
    scores = score(truth, forecast, scale, naive, panel.ids, bounds=main, seed=seed)
    found = scores.to_json()
    metrics = found.pop("metrics")
    measured = {str(level): coverage(_inside(truth, *ends)) for level, ends in bounds.items()}
    drawn = {
        "backtest": charts.backtest(panel, origins, truth, forecast, main, scores),
        "by_horizon": charts.by_horizon(found["by_horizon"]),
        "coverage_by_horizon": charts.coverage_by_horizon(found["by_horizon"], _MAIN),
    }
    report = found | {
        "windows": origins.windows,
        "horizon": origins.horizon,
        "coverage": measured,
        "charts": {name: chart for name, chart in drawn.items() if chart is not None},
    }
    return Judgement(metrics, tuple(confidence_by_step(truth, forecast)), report)


def _held_out(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """By level, the ends of intervals for what they were not calibrated on, NaN where there is nothing else."""
    errors = truth - forecast
    found = {level: (np.full(truth.shape, np.nan), np.full(truth.shape, np.nan)) for level in LEVELS}
    for held in _folds(errors):
        others = np.where(held[..., None], np.nan, errors)
        if not np.isfinite(others).any():
            continue
        intervals = fit_intervals(others, scale)
        windows, series = np.nonzero(held & np.isfinite(errors).any(axis=2))
        for level, (lower, upper) in found.items():
            ends = intervals.bounds(series, forecast[windows, series], level)
            lower[windows, series], upper[windows, series] = ends
    return found


def _folds(errors: np.ndarray) -> Iterator[np.ndarray]:
    """Masks (windows, series): a window each, or parts of the series of a single one."""
    windows, series, _ = errors.shape
    if windows > 1:
        for window in range(windows):
            mask = np.zeros((windows, series), bool)
            mask[window] = True
            yield mask
    elif series >= 2 * _PARTS:
        for part in range(_PARTS):
            yield (np.arange(series) % _PARTS == part)[None]


def _inside(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    inside = ((truth >= lower) & (truth <= upper)).astype(np.float64)
    return np.where(np.isfinite(truth) & np.isfinite(lower), inside, np.nan)
