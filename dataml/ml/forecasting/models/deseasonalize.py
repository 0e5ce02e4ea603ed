"""Seasonal components of series with long seasons: removed before a fit, and added to its forecast."""

from typing import Final

import numpy as np

MAX_SEASON: Final = 2_000
"""Longest season in steps that a model can have."""
_WINDOW: Final = 11
"""Window of the loess over the seasons: that of R's forecast::mstl and of statsforecast.mstl for one season."""


def seasonal_component(y: np.ndarray, season: int) -> np.ndarray:
    """Return the seasonal component (n,) of y (n,), n >= 2 seasons; zeros for a season of 1.

    STL (Cleveland et al. 1990) with a local constant over 11 seasons, as in MSTL (Bandara, Hyndman and Bergmeir 2021).
    Loess is computed at each tenth of its window and interpolated between, as by R's stl: ten times as fast.
    """
    if season <= 1:
        return np.zeros(len(y))
    from statsmodels.tsa.seasonal import STL

    trend = _next_odd(1.5 * season / (1 - 1.5 / _WINDOW))
    low_pass = _next_odd(season)
    return (
        STL(
            y,
            period=season,
            seasonal=_WINDOW,
            trend=trend,
            low_pass=low_pass,
            seasonal_deg=0,
            seasonal_jump=_tenth(_WINDOW),
            trend_jump=_tenth(trend),
            low_pass_jump=_tenth(low_pass),
        )
        .fit()
        .seasonal
    )


def _next_odd(width: float) -> int:
    """Return the smallest odd number above width."""
    return int(width) + 1 + int(width) % 2


def _tenth(window: int) -> int:
    return -(-window // 10)
