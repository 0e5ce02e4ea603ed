"""The evaluation of a backtest: scores, coverage of the intervals, and charts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.error_trend import ErrorTrend
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals, fit_intervals, measure_coverage
from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.quantile_scores import Bounds, estimate_crps, interval_loss
from dataml.ml.forecasting.backtest.scores import confidence_by_step, score_forecasts
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.json_numbers import finite_or_none

LEVELS: Final = (0.5, 0.8, 0.9, 0.95, 0.99)
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
    earlier_errors: np.ndarray,
    trend: ErrorTrend,
    seed: int,
) -> BacktestReport:
    """Score the forecasts of a backtest, and measure the coverage of intervals.

    Arrays are (windows, series, horizon), NaN where a series has no such window; `clip` cuts them at the bounds of the
    target. `earlier_errors` are those of windows before the backtest, and `trend` is that of all windows. The coverage
    of a window is that of intervals learned from these and from the other windows, or, where there is a single window,
    from other series.
    """
    folds = _fit_folds(truth - forecast, earlier_errors, scale.absolute, trend)

    def bounds(level: float) -> Bounds:
        lower, upper = _held_out_bounds(folds, forecast, level)
        return clip(lower), clip(upper)

    main = bounds(_MAIN_LEVEL)
    crps = estimate_crps(truth, forecast, bounds)
    scores = score_forecasts(truth, forecast, scale, naive, panel.ids, bounds=main, crps=crps, seed=seed)
    report = scores.to_json()
    metrics = report.pop("metrics")
    coverage = {str(level): _score_level(truth, bounds(level), level, scale.absolute) for level in LEVELS}
    drawn = {
        "backtest": charts.backtest_chart(panel, splits, truth, forecast, main, scores),
        "by_horizon": charts.score_chart(report["by_horizon"]),
        "coverage_by_horizon": charts.coverage_chart(report["by_horizon"], _MAIN_LEVEL),
    }
    report |= {
        "windows": splits.n_windows,
        "earlier_windows": len(earlier_errors),
        "horizon": splits.horizon,
        "coverage": coverage,
        "charts": {name: chart for name, chart in drawn.items() if chart is not None},
    }
    return BacktestReport(metrics, tuple(confidence_by_step(truth, forecast)), report)


Fold = tuple[np.ndarray, PredictionIntervals]
"""The values that are held out, a mask (windows, series), and intervals that were fitted on others."""


def _fit_folds(errors: np.ndarray, earlier: np.ndarray, scale: np.ndarray, trend: ErrorTrend) -> list[Fold]:
    """Return intervals for each part of the errors (windows, series, horizon), fitted on the other and earlier ones."""
    has_error = np.isfinite(errors).any(axis=2)
    folds = []
    for is_held_out in _folds(errors, has_others=bool(np.isfinite(earlier).any())):
        others = np.concatenate((earlier, np.where(is_held_out[..., None], np.nan, errors)))
        if np.isfinite(others).any():
            # A fold is of one window.
            window = len(earlier) + int(np.flatnonzero(is_held_out.any(axis=1))[0])
            folds.append((is_held_out & has_error, fit_intervals(trend.rescale(others, window), scale)))
    return folds


def _held_out_bounds(folds: Sequence[Fold], forecast: np.ndarray, level: float) -> Bounds:
    """Return the bounds of intervals that were fitted on other values, NaN where there are none."""
    lower, upper = np.full(forecast.shape, np.nan), np.full(forecast.shape, np.nan)
    for is_held_out, intervals in folds:
        windows, series = np.nonzero(is_held_out)
        own = intervals.bounds(series, forecast[windows, series], level)
        lower[windows, series], upper[windows, series] = own
    return lower, upper


def _score_level(truth: np.ndarray, bounds: Bounds, level: float, scale: np.ndarray) -> dict[str, Any]:
    """Return the coverage, the mean width over the mean size of truths, and the mean pinball loss over the scale."""
    lower, upper = bounds
    is_known = np.isfinite(truth) & np.isfinite(lower)
    size = np.abs(truth[is_known]).sum()
    has_scale = is_known & (np.isfinite(scale) & (scale > 0))[:, None]
    loss = (interval_loss(truth, bounds, level) / np.where(scale > 0, scale, np.nan)[:, None])[has_scale]
    return measure_coverage(_inside(truth, lower, upper)) | {
        "width": finite_or_none(float((upper - lower)[is_known].sum() / size)) if size > 0 else None,
        "pinball": finite_or_none(float(loss.mean())) if len(loss) else None,
    }


def _folds(errors: np.ndarray, *, has_others: bool) -> Iterator[np.ndarray]:
    """Yield masks (windows, series): each window, or parts of the series where it is the only one."""
    windows, series, _ = errors.shape
    if windows > 1 or has_others:
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
