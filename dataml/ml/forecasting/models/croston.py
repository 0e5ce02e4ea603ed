"""Croston's method with the correction of its bias by Syntetos and Boylan (2005), for intermittent series.

The mean of a step is the mean size of a demand (a value other than 0) over the mean interval between demands, each an
exponentially weighted mean (Croston 1972). The ratio is too high on average, and is multiplied by 1 - alpha / 2.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from dataml.ml.forecasting.models.deseasonalize import MAX_SEASON as _LONGEST_SEASON
from dataml.ml.forecasting.models.weighted_mean import choose_smoothing, weighted_means

MIN_VALUES: Final = 4
MAX_SEASON: Final = _LONGEST_SEASON
"""No season is removed before the fit."""


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """Return a description such as CrostonSBA(0.1), and the smoothing constant; season and x are not used."""
    alpha = choose_smoothing(y, lambda alpha: np.concatenate(([np.nan], _rates(y, alpha)[:-1])))
    return f"CrostonSBA({alpha:g})", {"alpha": alpha}


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,)."""
    return np.full(steps, _rates(y, parameters["alpha"])[-1])


def _rates(y: np.ndarray, alpha: float) -> np.ndarray:
    """Return the estimated mean of a step after each value of y, (n,); 0 before the first demand."""
    demands = np.flatnonzero(y)
    if not len(demands):
        return np.zeros(len(y))
    sizes = weighted_means(y[demands], alpha)
    intervals = weighted_means(np.diff(demands, prepend=-1).astype(np.float64), alpha)
    rates = np.concatenate(([0.0], (1 - alpha / 2) * sizes / intervals))
    return rates[np.cumsum(y != 0)]
