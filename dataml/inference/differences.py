"""Differences of means and shares, with an interval that says what chance alone can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

LEVEL: Final = 0.95
"""The share of such intervals that hold the true difference."""

_TAIL: Final = 0.5 + LEVEL / 2


@dataclass(frozen=True)
class Difference:
    """A difference, and the bounds of its interval. Where both have one sign, chance hardly explains it."""

    value: float
    low: float
    high: float


def difference_of_means(values: Sequence[float], baseline: Sequence[float]) -> Difference | None:
    """Return the mean of `values` minus that of other rows, by Welch's interval; None with fewer than two of each."""
    if min(len(values), len(baseline)) < 2:
        return None
    value = float(np.mean(values) - np.mean(baseline))
    parts = [float(np.var(each, ddof=1)) / len(each) for each in (values, baseline)]
    if not sum(parts):
        return Difference(value, value, value)
    sizes = (len(values), len(baseline))
    freedom = sum(parts) ** 2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    return _around(value, sqrt(sum(parts)), freedom)


def mean_of_differences(differences: Sequence[float]) -> Difference | None:
    """Return the mean of differences on the same rows, by Student's interval; None with fewer than two."""
    if len(differences) < 2:
        return None
    value, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    return _around(value, deviation / sqrt(len(differences)), len(differences) - 1)


def difference_of_shares(count: int, total: int, base_count: int, base_total: int) -> Difference | None:
    """Return a share minus that of other rows; None where there are no rows of one.

    The interval is Newcombe's, of the Wilson scores of both (Statistics in Medicine 17, 1998, method 10): it also holds
    for shares near 0 and 1 and for few rows.
    """
    if not total or not base_total:
        return None
    share, base = count / total, base_count / base_total
    low, high = _wilson(count, total)
    base_low, base_high = _wilson(base_count, base_total)
    value = share - base
    return Difference(
        value,
        value - sqrt((share - low) ** 2 + (base_high - base) ** 2),
        value + sqrt((high - share) ** 2 + (base - base_low) ** 2),
    )


def _wilson(count: int, total: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf(_TAIL)
    share = count / total
    center = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return max(center - half, 0.0), min(center + half, 1.0)


def _around(value: float, standard_error: float, freedom: float) -> Difference:
    # Of SciPy only this: the API does not need the rest.
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, _TAIL)) * standard_error
    return Difference(value, value - half, value + half)
