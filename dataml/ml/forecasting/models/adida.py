"""ADIDA of Nikolopoulos et al. (2011), for intermittent series: sums of steps have fewer zeros than steps.

The series is summed up in blocks of the mean interval between demands (values other than 0), counted from its end. The
forecast of a block is an exponentially weighted mean of them, and each of its steps gets an equal share.
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
    """Return a description such as ADIDA(3, 0.1), the steps of a block and the smoothing constant.

    season and x are not used.
    """
    interval = max(1, round(len(y) / max(1, np.count_nonzero(y))))
    sums = _block_sums(y, interval)
    alpha = choose_smoothing(sums, lambda alpha: np.concatenate(([np.nan], weighted_means(sums, alpha)[:-1])))
    return f"ADIDA({interval}, {alpha:g})", {"interval": interval, "alpha": alpha}


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,)."""
    interval = parameters["interval"]
    return np.full(steps, weighted_means(_block_sums(y, interval), parameters["alpha"])[-1] / interval)


def _block_sums(y: np.ndarray, interval: int) -> np.ndarray:
    """Return the sums of blocks of so many values, the last of which ends with y; the first values may be left over."""
    count = max(1, len(y) // interval)
    return y[-count * interval :].reshape(count, -1).sum(axis=1)
