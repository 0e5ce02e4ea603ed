"""The mean of the history: the best forecast of a series whose mean does not move."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from dataml.ml.forecasting.models.deseasonalize import MAX_SEASON as _LONGEST_SEASON

MIN_VALUES: Final = 2
MAX_SEASON: Final = _LONGEST_SEASON
"""No season is removed before the fit."""


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """Return the description, and no parameters; season and x are not used."""
    return "Mean", {}


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,)."""
    return np.full(steps, y.mean())
