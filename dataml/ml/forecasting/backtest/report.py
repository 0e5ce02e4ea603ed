"""The evaluation of a backtest: scores, coverage of the intervals, and charts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.intervals import fit_intervals, measure_coverage
from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.scores import confidence_by_step, score_forecasts
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.panel.panel import Panel

LEVELS: Final = (0.8, 0.95)
_MAIN_LEVEL: Final = 0.95
_SERIES_FOLDS: Final = 5


@dataclass(frozen=True)
class BacktestReport:
    """The evaluation of a backtest.

    `metrics` are by name; `confidence` (horizon,) is the accuracy by the step ahead; `report` is the rest, as JSON.
    """

    metrics: dict[str, float | None]
    confidence: tuple[float, ...]
    report: dict[str, Any]


def evaluate_backtest(
    panel: Panel,
    splits: BacktestSplits,
    truth: np.ndarray,
    forecast: np.ndarray,
    naive: np.ndarray,
    scale: NaiveErrors,
    clip: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> BacktestReport:
    """Score the forecasts of a backtest, and measure the coverage of intervals.

    Arrays are (windows, series, horizon), NaN where a series has no such window; `clip` cuts them at the bounds of the
    target. The coverage of a window is that of intervals learned from the other windows, or, where there is a single
    window, from other series.
    """
    bounds = {
        level: (clip(lower), clip(upper))
        for level, (lower, upper) in _held_out_bounds(truth, forecast, scale.absolute).items()
    }
    main = bounds[_MAIN_LEVEL]
    scores = score_forecasts(truth, forecast, scale, naive, panel.ids, bounds=main, seed=seed)
    report = scores.to_json()
    metrics = report.pop("metrics")
    coverage = {str(level): measure_coverage(_inside(truth, *ends)) for level, ends in bounds.items()}
    drawn = {
        "backtest": charts.backtest_chart(panel, splits, truth, forecast, main, scores),
        "by_horizon": charts.score_chart(report["by_horizon"]),
        "coverage_by_horizon": charts.coverage_chart(report["by_horizon"], _MAIN_LEVEL),
    }
    report |= {
        "windows": splits.n_windows,
        "horizon": splits.horizon,
        "coverage": coverage,
        "charts": {name: chart for name, chart in drawn.items() if chart is not None},
    }
    return BacktestReport(metrics, tuple(confidence_by_step(truth, forecast)), report)


def _held_out_bounds(
    truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Return by level the bounds of intervals that were fitted on other values, NaN where there are none."""
    errors = truth - forecast
    bounds = {level: (np.full(truth.shape, np.nan), np.full(truth.shape, np.nan)) for level in LEVELS}
    for is_held_out in _folds(errors):
        others = np.where(is_held_out[..., None], np.nan, errors)
        if not np.isfinite(others).any():
            continue
        intervals = fit_intervals(others, scale)
        windows, series = np.nonzero(is_held_out & np.isfinite(errors).any(axis=2))
        for level, (lower, upper) in bounds.items():
            own = intervals.bounds(series, forecast[windows, series], level)
            lower[windows, series], upper[windows, series] = own
    return bounds


def _folds(errors: np.ndarray) -> Iterator[np.ndarray]:
    """Yield masks (windows, series): each window, or parts of the series where there is a single window."""
    windows, series, _ = errors.shape
    if windows > 1:
        for window in range(windows):
            mask = np.zeros((windows, series), bool)
            mask[window] = True
            yield mask
    elif series >= 2 * _SERIES_FOLDS:
        for part in range(_SERIES_FOLDS):
            yield (np.arange(series) % _SERIES_FOLDS == part)[None]


def _inside(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    inside = ((truth >= lower) & (truth <= upper)).astype(np.float64)
    return np.where(np.isfinite(truth) & np.isfinite(lower), inside, np.nan)
