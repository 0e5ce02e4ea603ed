"""Scores of prediction intervals as a whole distribution: the pinball loss and the CRPS."""

from collections.abc import Callable
from typing import Final

import numpy as np

Bounds = tuple[np.ndarray, np.ndarray]
"""The lower and the upper ends of intervals, in the shape of the truth."""
_MIN_LEVEL: Final = 0.5
_LEVELS: Final = tuple(round((2 * step + 1) / 20, 2) for step in range(10))
"""The levels 5%, 15%, ..., 95% of the intervals whose ends are the quantiles 2.5%, 7.5%, ..., 97.5%."""


def pinball_loss(truth: np.ndarray, quantile: np.ndarray, probability: float) -> np.ndarray:
    """Return the pinball loss of each value (Koenker and Bassett 1978), which is smallest for the true quantile."""
    surplus = truth - quantile
    return np.maximum(probability * surplus, (probability - 1) * surplus)


def interval_loss(truth: np.ndarray, bounds: Bounds, level: float) -> np.ndarray:
    """Return the mean pinball loss of the two ends of intervals of a level, of each value."""
    lower, upper = bounds
    tail = (1 - level) / 2
    return (pinball_loss(truth, lower, tail) + pinball_loss(truth, upper, 1 - tail)) / 2


def estimate_crps(truth: np.ndarray, forecast: np.ndarray, bounds: Callable[[float], Bounds]) -> np.ndarray:
    """Return the continuous ranked probability score of each value, in its unit.

    It is twice the integral of the pinball loss over all quantiles (Gneiting and Ranjan 2011), here by the midpoint
    rule over 20 of them. The forecast is the median. Between it and the ends of the 50% interval quantiles are
    interpolated, as there are no narrower intervals. The score of an interval without width is the absolute error.

    Args:
        truth: Of any shape.
        forecast: As `truth`.
        bounds: Returns the ends of the intervals of a level from 0.5, each as `truth`.
    """
    total = np.zeros(truth.shape)
    inner = bounds(_MIN_LEVEL)
    for level in _LEVELS:
        if level < _MIN_LEVEL:
            share = level / _MIN_LEVEL
            ends = forecast + share * (inner[0] - forecast), forecast + share * (inner[1] - forecast)
        else:
            ends = bounds(level)
        total = total + interval_loss(truth, ends, level)
    return 2 * total / len(_LEVELS)
