"""Update of a forecaster with new observations, and its scores on them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.warnings import DataWarning
from dataml.ml.bundle.manifest import REPORT_FILE, read_file, read_manifest
from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.quantile_scores import Bounds, estimate_crps
from dataml.ml.forecasting.backtest.scores import ForecastScores, confidence_by_step, score_forecasts
from dataml.ml.forecasting.forecaster import MAX_STEPS, Forecaster
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from dataml.ml.forecasting.panel.observations import RevisedPolicy

_LEVEL: Final = 0.95
_MAX_WINDOWS: Final = 20
NOT_COMPARED: Final = {"metric": "wape", "before": None, "after": None, "rows": 0, "windows": 0, "is_promoted": True}


@dataclass(frozen=True)
class ForecasterUpdate:
    """An updated forecaster.

    Attributes:
        forecaster: the new version; its confidence counts the new observations in.
        comparison: the error of the version before, which knows none of the observations, and of the new one, which
            knows those before each window, on the same windows.
        scores: those of the new version; None where nothing is new.
        added: number of values that are new.
        warnings: what a user should know of the observations.
    """

    forecaster: Forecaster
    comparison: dict[str, Any]
    scores: ForecastScores | None
    added: int
    warnings: tuple[DataWarning, ...]

    def report(self, parent: Path) -> dict[str, Any]:
        """Return the report of the parent's bundle, whose backtest still holds, with the scores on the observations."""
        manifest = read_manifest(parent)
        report = json.loads(read_file(parent, manifest, REPORT_FILE)) if REPORT_FILE in manifest.files else {}
        scores = {} if self.scores is None else {"scores": self.scores.to_json()}
        return report | {"new_observations": self.comparison | scores}


def update_forecaster(
    before: Forecaster, table: pa.Table, revised: RevisedPolicy = "refuse", backtest_values: int = 0
) -> ForecasterUpdate:
    """Append new observations to the series of a forecaster, and score it on them; nothing is fitted again.

    The new values are cut into windows of the horizon, one behind the other. Each is forecast from the values before it
    (a rolling origin, Tashman 2000).

    Args:
        before: the version that is continued.
        table: the observations, which may repeat what is known.
        revised: as in `Forecaster.update`.
        backtest_values: how many values per step the confidence of `before` was measured on: its weight.

    Raises:
        Invalid: what `Forecaster.update` refuses.
    """
    after, warnings = before.update_with_warnings(table, revised)
    added = after.series.lengths - before.series.lengths
    if not added.any():
        return ForecasterUpdate(after, NOT_COMPARED, None, 0, warnings)
    windows = _Windows.cut(before, after, added)
    points = windows.forecast_new()
    scores = _score(windows, points)
    old = _score(windows, windows.forecast_old())
    comparison = NOT_COMPARED | {
        "before": old.metrics["wape"],
        "after": scores.metrics["wape"],
        "rows": scores.values,
        "windows": windows.count,
        "coverage": scores.metrics["coverage"],
    }
    confidence = _merge_confidence(before.config.confidence, windows.truth, points.values, backtest_values)
    after = replace(after, config=replace(after.config, confidence=confidence))
    return ForecasterUpdate(after, comparison, scores, int(added.sum()), warnings)


@dataclass(frozen=True)
class _Points:
    """Forecasts (windows, series, horizon), the ends of their intervals, and the scores of these (`estimate_crps`)."""

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    crps: np.ndarray


_POINTS: Final = tuple(field.name for field in fields(_Points))


@dataclass(frozen=True)
class _Windows:
    """The new values of the series with these `numbers`, in windows of the horizon; `truth` is NaN behind the last.

    `truth` is (windows, series, horizon), and `first` the number of windows at the beginning that are left out.
    """

    before: Forecaster
    after: Forecaster
    numbers: np.ndarray
    added: np.ndarray
    truth: np.ndarray
    first: int

    @classmethod
    def cut(cls, before: Forecaster, after: Forecaster, added: np.ndarray) -> "_Windows":
        """Cut the values that `after` has more than `before`: at most the last `_MAX_WINDOWS` windows of them."""
        horizon = before.config.horizon
        numbers = np.flatnonzero(added > 0)
        count = int(-(-added.max() // horizon))
        first = max(0, count - _MAX_WINDOWS)
        steps = np.arange(first * horizon, count * horizon).reshape(count - first, 1, horizon)
        places = (after.series.starts[:-1] + before.series.lengths)[numbers][None, :, None] + steps
        is_present = steps < added[numbers][None, :, None]
        truth = np.where(is_present, after.series.y[np.minimum(places, len(after.series.y) - 1)], np.nan)
        return cls(before, after, numbers, added[numbers], truth, first)

    @property
    def count(self) -> int:
        """The number of windows."""
        return len(self.truth)

    @property
    def ids(self) -> Sequence[str]:
        """The names of the series."""
        return [self.after.ids[number] for number in self.numbers]

    def forecast_new(self) -> _Points:
        """Forecast each window from the values before it."""
        return self._stack([self._forecast(self._state(window), window) for window in range(self.count)])

    def forecast_old(self) -> _Points:
        """Forecast all windows from the end of the version before; NaN beyond MAX_STEPS."""
        horizon = self.before.config.horizon
        steps = min((self.first + self.count) * horizon, MAX_STEPS)
        times = self.before.frequency.times_after(self.before.last_times[self.numbers], steps)
        points = self.before.predict_points(self.numbers, times, self._known(self.before.series.lengths, steps))
        padded = np.full((len(self.numbers), (self.first + self.count) * horizon), np.nan)
        padded[:, :steps] = points
        cut = padded[:, self.first * horizon :].reshape(len(self.numbers), self.count, horizon).transpose(1, 0, 2)
        unknown = np.full_like(cut, np.nan)
        return _Points(cut, unknown, unknown, unknown)

    def naive(self) -> np.ndarray:
        """Return the forecasts of the seasonal naive, (windows, series, horizon)."""
        season, horizon = self.after.config.season, self.after.config.horizon
        forecasts = np.full(self.truth.shape, np.nan)
        for window in range(self.count):
            state = self._state(window).series
            for row, number in enumerate(self.numbers):
                y = state.y[state.starts[number] : state.starts[number + 1]]
                last = y[-season:] if len(y) >= season else y[-1:]
                forecasts[window, row] = np.resize(last, horizon)
        return forecasts

    def _state(self, window: int) -> Forecaster:
        """Return the new version as it was before a window."""
        lengths = self.before.series.lengths.copy()
        lengths[self.numbers] += np.minimum((self.first + window) * self.before.config.horizon, self.added)
        return replace(self.after, series=_shorten(self.after.series, lengths))

    def _forecast(self, state: Forecaster, window: int) -> _Points:
        horizon = state.config.horizon
        times = state.frequency.times_after(state.last_times[self.numbers], horizon)
        points = state.predict_points(self.numbers, times, self._known(state.series.lengths, horizon))

        def bounds(level: float) -> Bounds:
            lower, upper = state.intervals.bounds(self.numbers, points, level)
            return state.clip(self.numbers, lower), state.clip(self.numbers, upper)

        return _Points(points, *bounds(_LEVEL), estimate_crps(self.truth[window], points, bounds))

    def _known(self, lengths: np.ndarray, steps: int) -> np.ndarray:
        """Return what was known of the steps behind these lengths; of steps behind the last value, the last."""
        series = self.after.series
        places = (series.starts[:-1] + lengths)[self.numbers][:, None] + np.arange(steps)
        return series.known[np.minimum(places, (series.starts[1:] - 1)[self.numbers][:, None])]

    @staticmethod
    def _stack(points: Sequence[_Points]) -> _Points:
        return _Points(*(np.stack([getattr(each, name) for each in points]) for name in _POINTS))


def _score(windows: _Windows, points: _Points) -> ForecastScores:
    series = windows.before.series
    scale = _naive_errors(series, windows.before.config.season, windows.numbers)
    bounds = (points.lower, points.upper)
    return score_forecasts(
        windows.truth, points.values, scale, windows.naive(), windows.ids, bounds=bounds, crps=points.crps
    )


def _naive_errors(series: GroupedSeries, season: int, numbers: np.ndarray) -> NaiveErrors:
    """Return the in-sample errors of the seasonal naive in the history that the version before has kept."""
    absolute, squared = np.zeros(len(numbers)), np.zeros(len(numbers))
    for row, number in enumerate(numbers):
        y = series.y[series.starts[number] : series.starts[number + 1]]
        lag = season if len(y) > season else 1
        if len(y) > lag:
            change = np.abs(y[lag:] - y[:-lag])
            absolute[row], squared[row] = np.nanmean(change), np.nanmean(np.square(change))
    return NaiveErrors(absolute, squared)


def _shorten(series: GroupedSeries, lengths: np.ndarray) -> GroupedSeries:
    """Return the series with their first values, this number of each."""
    kept = series.position < lengths[series.series_index]
    starts = np.concatenate(([0], np.cumsum(np.minimum(series.lengths, lengths)))).astype(np.int64)
    return GroupedSeries(
        starts, series.times[kept], series.y[kept], series.known[kept], series.static, series.past[kept]
    )


def _merge_confidence(
    before: Sequence[float], truth: np.ndarray, forecast: np.ndarray, backtest_values: int
) -> tuple[float, ...]:
    """Return the confidence by step, measured on the values of the backtest and on the new ones together."""
    counts = np.isfinite(truth).sum(axis=(0, 1))
    measured = np.array(confidence_by_step(truth, forecast))
    merged = (backtest_values * np.array(before) + counts * measured) / np.maximum(backtest_values + counts, 1)
    return tuple(np.where(counts > 0, merged, before).tolist())
