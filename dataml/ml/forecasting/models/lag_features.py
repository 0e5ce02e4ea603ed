"""Training rows of a lagged model for all series at once: the lag transforms of mlforecast, made relative.

mlforecast computes its lags and rolling statistics by coreforecast, which is called here without the data frames
around it: a million rows take a quarter of a second instead of two, and a worker does not import what it never uses.
A test compares the columns with `MLForecast.preprocess`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dataml.ml.forecasting.models.calendar_features import compute_calendar_features
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.panel.covariates import GroupedSeries

LIMIT = 1e6
"""Bound of relative values: float32 holds it, and larger values tell no more."""

_TARGET_LIMIT = 100.0
"""Bound of the relative target.

Squared error would spend the model on one value that is a hundred times as far from its level as is usual.
"""


_MAX_ROWS = 2_000_000
"""Rows that a model learns from; of more, a random part: more teach it little, and take memory and time."""


@dataclass(frozen=True)
class FeatureMatrix:
    """The features `x` float32 (rows, width) and the relative target `y` float64 (rows,) of training rows.

    `series` is the number of the series of each row, `position` the number of values of the series before it.
    """

    spec: LagSpec
    x: np.ndarray
    y: np.ndarray
    series: np.ndarray
    position: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    def take(self, selection: np.ndarray) -> "FeatureMatrix":
        """Return the rows of a mask or of numbers."""
        fields = {name: getattr(self, name)[selection] for name in ("x", "y", "series", "position")}
        return replace(self, **fields)

    def before(self, cutoffs: np.ndarray) -> "FeatureMatrix":
        """Return the rows of the first `cutoffs` (series,) values of each series."""
        return self.take(self.position < cutoffs[self.series])


def series_scales(y: np.ndarray, starts: np.ndarray, cutoffs: np.ndarray, season: int) -> np.ndarray:
    """Return the size of a usual change of each series, float64 (series,), from its first `cutoffs` (series,) values.

    It is the root mean square of seasonal differences: relative to their mean absolute value a single burst among zeros
    would have no bound. Where no season has passed twice it is that of first differences; for a series that never
    changes its mean absolute value, and 1 for one of zeros. It is never 0.
    """
    position = np.arange(len(y)) - np.repeat(starts[:-1], np.diff(starts))
    series = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    is_past = (position < cutoffs[series]) & np.isfinite(y)
    size = _mean_by_series(np.abs(y), series, is_past, len(cutoffs))
    scale = np.zeros(len(cutoffs))
    for lag in dict.fromkeys((season, 1)):
        change = np.full(len(y), np.nan)
        change[lag:] = y[lag:] - y[:-lag] if lag < len(y) else np.nan
        compared = is_past & (position >= lag) & np.isfinite(change)
        moved = np.sqrt(_mean_by_series(np.square(change), series, compared, len(cutoffs)))
        scale = np.where(scale > 0, scale, moved)
    # A change that float64 can hardly hold beside the size is rounding: its digits are 2e-16 of the size apart, and
    # rolling means add up some of them.
    return np.where(scale > 1e-13 * size, scale, np.where(size > 0, size, 1.0))


def _mean_by_series(values: np.ndarray, series: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of the chosen values by series; 0 where there is none."""
    total = np.bincount(series[chosen], weights=values[chosen], minlength=count)
    return total / np.maximum(np.bincount(series[chosen], minlength=count), 1)


def build_training_matrix(
    spec: LagSpec, data: GroupedSeries, scale: np.ndarray, cutoffs: np.ndarray | None = None
) -> FeatureMatrix:
    """Return a row for every value that has enough history, and its relative target; of millions, a random part.

    With `cutoffs` (series,) only the first so many values of each series have a row.

    Enough is half of the reach of the spec, or half of its series where that is shorter; features from further back
    are NaN. A row is made of the values before it and of `scale` (series,), which must come from values before the
    first cutoff that the model will be evaluated beyond.
    """
    level, history = _history_columns(spec, data)
    warm = np.minimum(spec.reach, (data.lengths + 1) // 2)[data.series_index]
    has_row = np.isfinite(data.y) & np.isfinite(level) & (data.position >= np.maximum(warm, 1))
    if cutoffs is not None:
        has_row &= data.position < cutoffs[data.series_index]
    chosen = np.flatnonzero(has_row)
    if len(chosen) > _MAX_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, _MAX_ROWS, replace=False))
    series = data.series_index[chosen]
    c, s = level[chosen], scale[series]
    x = np.empty((len(chosen), spec.width), dtype=np.float32)
    for i, (values, is_level) in enumerate(history):
        column = values[chosen]
        x[:, i] = np.clip((column - c if is_level else column) / s, -LIMIT, LIMIT)
    x[:, spec.history_width :] = np.concatenate(
        (
            compute_calendar_features(spec.calendar, data.times[chosen], spec.time_zone),
            data.known[chosen],
            data.static[series],
            _delayed_past(spec, data)[chosen],
        ),
        axis=1,
    )
    y = np.clip((data.y[chosen] - c) / s, -_TARGET_LIMIT, _TARGET_LIMIT)
    return FeatureMatrix(spec, x, y, series, data.position[chosen])


def _history_columns(spec: LagSpec, data: GroupedSeries) -> tuple[np.ndarray, Iterator[tuple[np.ndarray, bool]]]:
    """Return the level of every row of the data, and its columns of history before they are made relative.

    Each column comes with whether it is a level itself, or else a difference.
    """
    from coreforecast import lag_transforms as lagged
    from coreforecast.grouped_array import GroupedArray

    grouped = GroupedArray(data.y, data.starts.astype(np.int32))

    def mean(lag: int, window: int) -> np.ndarray:
        return lagged.RollingMean(lag, window, 1, skipna=True).transform(grouped)

    def columns() -> Iterator[tuple[np.ndarray, bool]]:
        for lag in spec.lags:
            yield lagged.Lag(lag).transform(grouped), True
        deviations = [
            lagged.RollingStd(1, window, min_window_values(window), skipna=True).transform(grouped)
            for window in spec.windows
        ]
        for window, deviation in zip(spec.windows, deviations, strict=True):
            # Only the deviation counts how many values of a window with gaps are present.
            yield np.where(np.isnan(deviation), np.nan, mean(1, window)), True
        yield from ((deviation, False) for deviation in deviations)
        for season, count in spec.means:
            yield lagged.SeasonalRollingMean(season, season, count, 1, skipna=True).transform(grouped), True
        for lag in spec.swings:
            yield lagged.Lag(lag).transform(grouped) - mean(lag + 1, spec.level), False

    return mean(1, spec.level), columns()


def min_window_values(window: int) -> int:
    """Return how many values of a window must be present."""
    return max(2, (window + 1) // 2)


def _delayed_past(spec: LagSpec, data: GroupedSeries) -> np.ndarray:
    """Return `past` of `horizon` steps before each row: what is known of it at every step of a forecast."""
    delayed = np.full(data.past.shape, np.nan, dtype=np.float32)
    has_one = data.position >= spec.horizon
    delayed[has_one] = data.past[np.flatnonzero(has_one) - spec.horizon]
    return delayed
