"""The rows a lagged model learns from, all series at once: the lag transforms of mlforecast, made relative.

mlforecast computes its lags and rolling statistics by coreforecast, which is called here without the data frames
around it: a million rows take a quarter of a second instead of two, and a worker does not import what it never uses.
A test holds the columns against `MLForecast.preprocess`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dataml.ml.forecasting.models.calendar_features import calendar_features
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.panel.covariates import Series

LIMIT = 1e6
"""Relative values beyond it say no more than it does, and float32 holds it."""

_TARGET_LIMIT = 100.0
"""Squared error would spend the model on one value that is a hundred times as far from its level as is usual."""


@dataclass(frozen=True)
class Rows:
    """`x` float32 (rows, width) and the relative target `y` float64 (rows,) of some rows: of `series`, with `position`
    values of it before them."""

    spec: LagSpec
    x: np.ndarray
    y: np.ndarray
    series: np.ndarray
    position: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: np.ndarray) -> "Rows":
        """Those rows: a mask or numbers."""
        fields = {name: getattr(self, name)[chosen] for name in ("x", "y", "series", "position")}
        return replace(self, **fields)

    def before(self, cuts: np.ndarray) -> "Rows":
        """The rows of the first `cuts` (series,) values of each series."""
        return self.take(self.position < cuts[self.series])


def scales(y: np.ndarray, starts: np.ndarray, cuts: np.ndarray, season: int) -> np.ndarray:
    """What a usual change of each series is, float64 (series,), seen in its first `cuts` (series,) values only.

    The root mean square of seasonal differences, as a single burst among zeros would have no bound under their mean
    absolute value; of first differences where no season has passed twice; the mean absolute value of a series that
    never changes, and 1 for one of zeros. It is never 0.
    """
    position = np.arange(len(y)) - np.repeat(starts[:-1], np.diff(starts))
    series = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    is_seen = (position < cuts[series]) & np.isfinite(y)
    size = _mean(np.abs(y), series, is_seen, len(cuts))
    found = np.zeros(len(cuts))
    for lag in dict.fromkeys((season, 1)):
        change = np.full(len(y), np.nan)
        change[lag:] = y[lag:] - y[:-lag] if lag < len(y) else np.nan
        compared = is_seen & (position >= lag) & np.isfinite(change)
        moved = np.sqrt(_mean(np.square(change), series, compared, len(cuts)))
        found = np.where(found > 0, found, moved)
    # A change that float64 can hardly hold beside the size is no change.
    return np.where(found > 1e-9 * size, found, np.where(size > 0, size, 1.0))


def _mean(values: np.ndarray, series: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Of the chosen values by series; 0 where there is none."""
    total = np.bincount(series[chosen], weights=values[chosen], minlength=count)
    return total / np.maximum(np.bincount(series[chosen], minlength=count), 1)


def training_rows(spec: LagSpec, data: Series, scale: np.ndarray) -> Rows:
    """A row for every value that has enough behind it: half of what the spec reaches back, or half of its series where
    that is shorter; what lies further back is NaN.

    A row is made of what was before it and of `scale` (series,), which has to come from what was before the first cut
    that the rows will be judged beyond.
    """
    level, history = _history(spec, data)
    warm = np.minimum(spec.reach, (data.lengths + 1) // 2)[data.of_row]
    chosen = np.flatnonzero(np.isfinite(data.y) & np.isfinite(level) & (data.position >= np.maximum(warm, 1)))
    series = data.of_row[chosen]
    c, s = level[chosen], scale[series]
    x = np.empty((len(chosen), spec.width), dtype=np.float32)
    for i, (values, is_level) in enumerate(history):
        found = values[chosen]
        x[:, i] = np.clip((found - c if is_level else found) / s, -LIMIT, LIMIT)
    x[:, spec.history_width :] = np.concatenate(
        (
            calendar_features(spec.calendar, data.times[chosen]),
            data.known[chosen],
            data.static[series],
            _delayed(spec, data)[chosen],
        ),
        axis=1,
    )
    y = np.clip((data.y[chosen] - c) / s, -_TARGET_LIMIT, _TARGET_LIMIT)
    return Rows(spec, x, y, series, data.position[chosen])


def _history(spec: LagSpec, data: Series) -> tuple[np.ndarray, Iterator[tuple[np.ndarray, bool]]]:
    """The level of every row of the data, and the columns of history before they are made relative, each with whether
    it is a level itself (or else a difference)."""
    from coreforecast import lag_transforms as lagged
    from coreforecast.grouped_array import GroupedArray

    grouped = GroupedArray(data.y, data.starts.astype(np.int32))

    def mean(lag: int, window: int) -> np.ndarray:
        return lagged.RollingMean(lag, window, 1, skipna=True).transform(grouped)

    def columns() -> Iterator[tuple[np.ndarray, bool]]:
        for lag in spec.lags:
            yield lagged.Lag(lag).transform(grouped), True
        deviations = [
            lagged.RollingStd(1, window, least_of(window), skipna=True).transform(grouped) for window in spec.windows
        ]
        for window, deviation in zip(spec.windows, deviations, strict=True):
            # Among gaps only the deviation counts how many values of a window are there.
            yield np.where(np.isnan(deviation), np.nan, mean(1, window)), True
        yield from ((deviation, False) for deviation in deviations)
        for season, count in spec.means:
            yield lagged.SeasonalRollingMean(season, season, count, 1, skipna=True).transform(grouped), True
        for lag in spec.swings:
            yield lagged.Lag(lag).transform(grouped) - mean(lag + 1, spec.level), False

    return mean(1, spec.level), columns()


def least_of(window: int) -> int:
    """How many values of a window must be there to speak for it."""
    return max(2, (window + 1) // 2)


def _delayed(spec: LagSpec, data: Series) -> np.ndarray:
    """`past` as it was `horizon` steps before each row: what is known of it for every step of a forecast."""
    delayed = np.full(data.past.shape, np.nan, dtype=np.float32)
    has_one = data.position >= spec.horizon
    delayed[has_one] = data.past[np.flatnonzero(has_one) - spec.horizon]
    return delayed
