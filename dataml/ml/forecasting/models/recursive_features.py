"""Features of the next step of many series, in NumPy alone: the columns that `lag_features` makes for whole series."""

import numpy as np

from dataml.ml.forecasting.models.lag_features import LIMIT, min_window_values
from dataml.ml.forecasting.models.lag_spec import LagSpec

_MAX_CELLS = 8_000_000
"""Gathered values (float64) that are in memory at a time."""


class RecursiveFeatures:
    """The columns of history of the next row of each series, for the recursion of a forecast.

    All means are computed from one gathered array, as the time for few series is that of the calls to NumPy. Each
    series is summed by itself and in one order, so it gets the same numbers to the bit alone and among others.
    """

    def __init__(self, spec: LagSpec) -> None:
        reach = spec.reach
        groups = [np.arange(reach - size, reach) for size in (spec.level, *spec.windows)]
        groups += [reach - season * np.arange(count, 0, -1) for season, count in spec.means]
        groups += [np.arange(reach - lag - spec.level, reach - lag) for lag in spec.swings]
        sizes = np.array([len(group) for group in groups])
        few = len(groups) - 1 - len(spec.windows)
        self._lags = reach - np.array(spec.lags, dtype=np.int64)
        self._swings = reach - np.array(spec.swings, dtype=np.int64)
        self._members, self._sizes = np.concatenate(groups), sizes
        self._begins = np.cumsum(sizes) - sizes
        self._min_counts = np.array([1, *(min_window_values(window) for window in spec.windows), *([1] * few)])
        windows = slice(1, 1 + len(spec.windows))
        self._windows, self._means = windows, slice(windows.stop, windows.stop + len(spec.means))
        self._in_windows = slice(spec.level, spec.level + sum(spec.windows))
        self._window_of = np.repeat(np.arange(len(spec.windows)), spec.windows)
        self._window_begins = self._begins[windows] - spec.level

    def compute(self, tails: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns, float64 (series, history_width), and the level (series,) of the next row.

        `tails` are the last `reach` values, float64 (series, reach), NaN where there is none.
        """
        parts = 1 + len(tails) * len(self._members) // _MAX_CELLS
        if parts == 1:
            return self._compute(tails, scale)
        pairs = zip(np.array_split(tails, parts), np.array_split(scale, parts), strict=True)
        columns, levels = zip(*(self._compute(*pair) for pair in pairs), strict=True)
        return np.concatenate(columns), np.concatenate(levels)

    def _compute(self, tails: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = tails[:, self._members]
        is_present = ~np.isnan(values)
        has_gaps = not is_present.all()
        if has_gaps:
            counts = np.add.reduceat(is_present, self._begins, axis=1, dtype=np.int64)
            total = np.add.reduceat(np.where(is_present, values, 0), self._begins, axis=1)
            means = np.where(counts >= self._min_counts, total / np.maximum(counts, 1), np.nan)
            means[:, 0] = _level(means[:, 0], tails)
        else:
            counts = self._sizes
            means = np.add.reduceat(values, self._begins, axis=1) / counts
        level = means[:, :1]
        columns = np.concatenate(
            (
                tails[:, self._lags] - level,
                means[:, self._windows] - level,
                self._deviations(values, means[:, self._windows], counts[..., self._windows], has_gaps),
                means[:, self._means] - level,
                tails[:, self._swings] - means[:, self._means.stop :],
            ),
            axis=1,
        )
        columns /= scale[:, None]
        return np.clip(columns, -LIMIT, LIMIT, out=columns), means[:, 0]

    def _deviations(self, values: np.ndarray, means: np.ndarray, counts: np.ndarray, has_gaps: bool) -> np.ndarray:
        if not means.shape[1]:
            return means
        squared = np.square(values[:, self._in_windows] - means[:, self._window_of])
        if not has_gaps:
            return np.sqrt(np.add.reduceat(squared, self._window_begins, axis=1) / (counts - 1))
        total = np.add.reduceat(np.nan_to_num(squared), self._window_begins, axis=1)
        return np.where(np.isnan(means), np.nan, np.sqrt(total / np.maximum(counts - 1, 1)))


def _level(level: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Return the level, or the mean of all known values where a gap fills the whole window.

    So a forecast is always a number.
    """
    if not np.isnan(level).any():
        return level
    is_present = ~np.isnan(tails)
    mean = np.where(is_present, tails, 0).sum(axis=1) / np.maximum(is_present.sum(axis=1), 1)
    return np.where(np.isnan(level), mean, level)
