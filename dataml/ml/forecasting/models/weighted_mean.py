"""Exponentially weighted means, and the choice of how fast they forget."""

from collections.abc import Callable
from typing import Final

import numpy as np

SMOOTHING: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Smoothing constants that are tried.

The literature of intermittent demand recommends at most 0.3 (Syntetos and Boylan 2005): of few demands a faster mean
is mostly chance.
"""


def weighted_means(x: np.ndarray, alpha: float) -> np.ndarray:
    """Return the mean of x (n,) up to each value, with weights that shrink by 1 - alpha a step, (n,).

    Unlike simple exponential smoothing it does not begin at the first value, which with a small alpha would stay in the
    mean for long.
    """
    from scipy.signal import lfilter

    sums = lfilter([1.0], [1.0, alpha - 1.0], np.stack((x, np.ones(len(x)))))
    return sums[0] / sums[1]


def choose_smoothing(y: np.ndarray, one_step: Callable[[float], np.ndarray]) -> float:
    """Return the smoothing constant whose forecasts of each value (n,) have the smallest squared error.

    `one_step` makes them from the values before; those that are NaN do not count, and nor does the first tenth of y, in
    which every mean is one of few values.
    """
    first = len(y) // 10
    errors = [float(np.nansum(np.square(y[first:] - one_step(alpha)[first:]))) for alpha in SMOOTHING]
    return SMOOTHING[int(np.argmin(errors))]
