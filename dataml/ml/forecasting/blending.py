"""The blend of the forecasts of several members: their weighted mean, or at each step their median."""

import numpy as np


def blend(weights: np.ndarray, forecasts: np.ndarray, *, is_median: bool) -> np.ndarray:
    """Return the blended forecasts (..., series, steps) of `forecasts` (members, ..., series, steps).

    A member without a weight is ignored, NaN included; the blend is NaN where no member has a forecast.

    Args:
        weights: (series, members); those of a series sum to 1.
        forecasts: What is blended.
        is_median: Whether it is the median of the members that have a weight, of any size.
    """
    shares = blend_shares(weights, forecasts, is_median=is_median)
    blended = np.where(shares > 0, forecasts * shares, 0.0).sum(axis=0)
    return np.where(np.isfinite(forecasts).any(axis=0), blended, np.nan)


def blend_shares(weights: np.ndarray, forecasts: np.ndarray, *, is_median: bool) -> np.ndarray:
    """Return the share of each member in each value of the blend, in the shape of `forecasts`; see `blend`.

    That of a median is 1 of the middle member, or a half of each of the two middle ones.
    """
    given = weights.T.reshape(len(forecasts), *([1] * (forecasts.ndim - 3)), len(weights), 1)
    given = np.broadcast_to(given, forecasts.shape)
    if not is_median:
        return given
    is_used = (given > 0) & np.isfinite(forecasts)
    order = np.argsort(np.where(is_used, forecasts, np.inf), axis=0, kind="stable")
    rank = np.argsort(order, axis=0, kind="stable")
    count = is_used.sum(axis=0)
    # Both are the same member where the number is odd.
    middle = ((rank == (count - 1) // 2).astype(np.float64) + (rank == count // 2)) / 2
    return np.where(is_used, middle, 0.0)
