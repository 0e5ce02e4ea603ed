"""The row that comes next: what `rows` computes for whole series, for the end of many series and in NumPy alone."""

import numpy as np

from dataml.ml.forecasting.models.lag_features import LIMIT, least_of
from dataml.ml.forecasting.models.lag_spec import LagSpec

_CELLS = 8_000_000
"""Gathered values (float64) that are in memory at a time."""


class NextRow:
    """The columns of history of the next row of each series. All means are taken of one gathered array, as a series
    alone costs as much as its calls to NumPy; each series is summed by itself and in one order, so it gets the same
    numbers to the bit alone and among others."""

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
        self._least = np.array([1, *(least_of(window) for window in spec.windows), *([1] * few)])
        windows = slice(1, 1 + len(spec.windows))
        self._windows, self._means = windows, slice(windows.stop, windows.stop + len(spec.means))
        self._in_windows = slice(spec.level, spec.level + sum(spec.windows))
        self._window_of = np.repeat(np.arange(len(spec.windows)), spec.windows)
        self._window_begins = self._begins[windows] - spec.level

    def features(self, tails: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From the last `reach` values, float64 (series, reach) with NaN where there is none: float64 (series,
        history_width), and the level (series,)."""
        parts = 1 + len(tails) * len(self._members) // _CELLS
        if parts == 1:
            return self._features(tails, scale)
        pairs = zip(np.array_split(tails, parts), np.array_split(scale, parts), strict=True)
        columns, levels = zip(*(self._features(*pair) for pair in pairs), strict=True)
        return np.concatenate(columns), np.concatenate(levels)

    def _features(self, tails: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = tails[:, self._members]
        is_there = ~np.isnan(values)
        has_gaps = not is_there.all()
        if has_gaps:
            counts = np.add.reduceat(is_there, self._begins, axis=1, dtype=np.int64)
            total = np.add.reduceat(np.where(is_there, values, 0), self._begins, axis=1)
            means = np.where(counts >= self._least, total / np.maximum(counts, 1), np.nan)
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
    """Where a gap fills the whole window all that is known stands in, so that a forecast is a number."""
    if not np.isnan(level).any():
        return level
    is_there = ~np.isnan(tails)
    mean = np.where(is_there, tails, 0).sum(axis=1) / np.maximum(is_there.sum(axis=1), 1)
    return np.where(np.isnan(level), mean, level)
