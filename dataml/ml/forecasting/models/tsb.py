"""The method of Teunter, Syntetos and Babai (2011), for intermittent series whose demand may fade away.

The mean of a step is the probability of a demand (a value other than 0) times its mean size, each an exponentially
weighted mean. The probability is updated at every step, and so falls while there is no demand.
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
    """Return a description such as TSB(0.05), and the smoothing constant; season and x are not used."""
    alpha = choose_smoothing(y, lambda alpha: np.concatenate(([np.nan], _rates(y, alpha)[:-1])))
    return f"TSB({alpha:g})", {"alpha": alpha}


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,)."""
    return np.full(steps, _rates(y, parameters["alpha"])[-1])


def _rates(y: np.ndarray, alpha: float) -> np.ndarray:
    """Return the estimated mean of a step after each value of y, (n,); 0 before the first demand."""
    is_demand = y != 0
    if not is_demand.any():
        return np.zeros(len(y))
    sizes = np.concatenate(([0.0], weighted_means(y[is_demand], alpha)))
    return weighted_means(is_demand.astype(np.float64), alpha) * sizes[np.cumsum(is_demand)]
