"""Series of small counts and intermittent series: those whose median is far from their mean."""

from typing import Final

import numpy as np

_MAX_DEMAND_INTERVAL: Final = 1.32
"""Mean steps between values other than 0 beyond which a series is intermittent (Syntetos, Boylan and Croston 2005)."""
_MAX_MEAN: Final = 10.0
"""Mean of whole numbers below which they are small.

The median of a Poisson distribution is up to a third of a unit below its mean (Choi 1994): less than 4% of it from
here on.
"""


def find_small_counts(y: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return which series are intermittent or small counts, bool (series,).

    The forecast of such a series with the smallest absolute error is its median, often 0 at every step, whatever the
    sum of the steps is (Kolassa 2016). Series with negative values are none.

    Args:
        y: The values of all series, one behind the other, (rows,), without NaN.
        starts: Where each series begins, and the end, int64 (series + 1,).
    """
    first, lengths = starts[:-1], np.diff(starts)
    is_negative = np.minimum.reduceat(y, first) < 0
    is_whole = np.logical_and.reduceat(y == np.rint(y), first)
    demands = np.add.reduceat((y != 0).astype(np.int64), first)
    mean = np.add.reduceat(y, first) / lengths
    is_intermittent = lengths > _MAX_DEMAND_INTERVAL * demands
    return ~is_negative & (is_intermittent | (is_whole & (mean < _MAX_MEAN)))
