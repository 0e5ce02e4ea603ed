"""The size that errors are expected to have in each window: it changes with the level of a series, and lasts in part.

A series that has doubled has larger errors than it had in its first windows. Errors of early windows are therefore
multiplied by the growth of the level since then, raised to a power that is estimated from them. And windows that were
hard to forecast follow each other, as large changes do in all series whose variance changes (Engle 1982): a part of
how unusual the window before was is expected to last.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

_PRIOR_POWER: Final = 1.0
"""Power of the level that errors grow with where little is known: errors in proportion to it."""
_PRIOR_SQUARES: Final = 1.0
"""Sum of squares of the log of levels, about its mean, that the prior power counts as."""
_PERSISTENCE: Final = 0.3
"""Part of the log of the size of a window's errors that is expected in the next one.

The correlation of neighbouring windows is 0 to 0.3 in collections of real series.
"""


@dataclass(frozen=True)
class ErrorTrend:
    """The relative size of errors that is expected, (windows + 1, series): in each window, and after the last one."""

    expected: np.ndarray

    @classmethod
    def estimate(cls, errors: np.ndarray, levels: np.ndarray, naive: np.ndarray) -> Self:
        """Estimate the sizes from `errors` (windows, series, horizon), NaN where there is none.

        Args:
            errors: Truth minus forecast.
            levels: (windows + 1, series), the mean size of the values before each window and at the end.
            naive: (series,), the in-sample mean absolute error of the seasonal naive, 0 or NaN where a series has none.
                It is added to the level, so that a level near 0 does not make errors without bound.
        """
        logs = _log_sizes(errors)
        base = np.log(np.maximum(levels + np.nan_to_num(naive), np.finfo(np.float64).tiny))
        base = np.where(np.isfinite(base) & (levels > 0), base, np.nan)
        relative = np.nan_to_num(base - _means(np.where(np.isfinite(logs), base[:-1], np.nan)))
        squares = np.where(np.isfinite(logs), relative[:-1], 0.0)
        slope = float((squares * np.nan_to_num(logs - _means(logs))).sum())
        power = (slope + _PRIOR_SQUARES * _PRIOR_POWER) / (float(np.square(squares).sum()) + _PRIOR_SQUARES)
        growth = min(_PRIOR_POWER, max(0.0, power)) * relative
        unusual = logs - growth[:-1]
        lasting = _PERSISTENCE * np.nan_to_num(unusual - _means(unusual)).mean(axis=1)
        return cls(np.exp(growth + np.concatenate(([0.0], lasting))[:, None]))

    def rescale(self, errors: np.ndarray, window: int = -1) -> np.ndarray:
        """Return errors (windows, series, horizon) as large as they would be in a window; by default the next one."""
        return errors * (self.expected[window] / self.expected[:-1])[..., None]


def mean_levels(y: np.ndarray, starts: np.ndarray, ends: np.ndarray, span: int) -> np.ndarray:
    """Return the mean size of the last `span` values of each series before each of `ends`, (cutoffs, series).

    Args:
        y: The values of all series, one after the other, NaN where there is a gap.
        starts: (series + 1,), where each series begins in `y`.
        ends: (cutoffs, series), numbers of values of the series; NaN is returned for those below 1.
        span: The number of values.
    """
    last = starts[:-1] + np.maximum(ends, 0)
    first = np.maximum(last - span, starts[:-1])
    # Each sum is made of its own values: as differences of running sums, small series behind large ones would be lost.
    pairs = np.stack((first, np.maximum(last, first)), axis=-1).ravel()
    known = np.append(np.isfinite(y), False)
    sums, counts = (
        np.add.reduceat(values, pairs)[::2].reshape(ends.shape)
        for values in (np.where(known, np.abs(np.append(y, 0.0)), 0.0), known.astype(np.int64))
    )
    return np.where((last > first) & (counts > 0), sums / np.maximum(counts, 1), np.nan)


def _log_sizes(errors: np.ndarray) -> np.ndarray:
    """Return the log of the mean absolute error of each window and series, NaN where there is none or it is 0."""
    known = np.isfinite(errors)
    sizes = np.where(known, np.abs(errors), 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    return np.log(np.where(sizes > 0, sizes, np.nan))


def _means(values: np.ndarray) -> np.ndarray:
    """Return the mean of the known values of each series (windows, series), 0 where there is none."""
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
