"""Long seasons, which the models cannot have as states of their own: taken off before a fit, and continued after it."""

from typing import Final

import numpy as np

LONGEST_SEASON: Final = 2_000
_WINDOW: Final = 11
"""Of the loess over the seasons: that of R's forecast::mstl and of statsforecast.mstl for one season."""


def seasonal(y: np.ndarray, season: int) -> np.ndarray:
    """(n,) seasonal component of y (n,), n >= 2 seasons; zeros for a season of 1.

    STL (Cleveland et al. 1990) with a local constant over 11 seasons, as in MSTL (Bandara, Hyndman and Bergmeir 2021).
    Loess is computed at each tenth of its window and interpolated between, as by R's stl: ten times as fast.
    """
    if season <= 1:
        return np.zeros(len(y))
    from statsmodels.tsa.seasonal import STL

    trend = _odd(1.5 * season / (1 - 1.5 / _WINDOW))
    low_pass = _odd(season)
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


def _odd(width: float) -> int:
    """The least odd number above width."""
    return int(width) + 1 + int(width) % 2


def _tenth(window: int) -> int:
    return -(-window // 10)
