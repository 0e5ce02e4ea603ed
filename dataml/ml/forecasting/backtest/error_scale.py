"""The error scale: the size of the errors of each series, and how it grows with the step.

|error| of a series at a step = scale of the series x growth at the step x a score with one distribution for all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

_ITERATIONS: Final = 3
_PRIOR_WITHIN: Final = 0.25
"""Variance of the log of the mean error of one window.

It is about that of a random walk, whose steps are worth some two independent errors.
"""
_PRIOR_WINDOWS: Final = 4
"""Windows that the prior variance counts as, so that two windows that happen to agree are not taken for certainty."""
_PRIOR_COMMON: Final = 0.08
"""Variance of the log of the part of the errors of a window that all series share, as in collections of real series.

It counts as one window, and only where there are one or two: that two happen to agree does not show that the next one
will.
"""
_MIN_COMMON_DEGREES: Final = 2
_PRIOR_POWER: Final = 0.25
_PRIOR_POWER_WINDOWS: Final = 5
_SMOOTH_WINDOWS: Final = 30
_SMALLEST: Final = 1e-3
_MIN_DEGREES: Final = 2.0


@dataclass(frozen=True)
class ErrorScale:
    """The size of errors by series and by step.

    `scales` (series,) are in the unit of the series; `growth` (horizon,) never shrinks and is 1 on average. `effective`
    is how many independent errors the pooled scores are worth, `degrees` the degrees of freedom of the error of a new
    window over its scale and growth.
    """

    scales: np.ndarray
    growth: np.ndarray
    effective: float
    degrees: float

    def standardise(self, errors: np.ndarray) -> np.ndarray:
        """Return signed errors (windows, series, horizon) over their scale and growth; NaN where the scale is 0."""
        unit = self.scales[:, None] * self.growth
        return np.divide(errors, unit, out=np.full(errors.shape, np.nan), where=unit > 0)


def fit_error_scale(errors: np.ndarray, naive: np.ndarray) -> ErrorScale:
    """Estimate the error scale from `errors` (windows, series, horizon), NaN where there is none.

    A scale is the mean error of the series, shrunk on the log scale towards the typical multiple of its `naive` scale
    (series,) (empirical Bayes, Efron and Morris 1973). It is shrunk more with fewer windows, with larger differences
    between the windows of a series, and with smaller differences between series. With a single window these cannot be
    told apart, and the scale is the multiple. Growth is a blend of the isotonic regression of the mean score by step
    and of a power of the step, which has the more weight the fewer windows there are.
    """
    base = _base_scale(errors, naive)
    relative = np.abs(errors) / np.where(base > 0, base, np.nan)[:, None]
    growth = np.ones(errors.shape[2])
    for _ in range(_ITERATIONS - 1):
        levels = _SeriesLevels.estimate(relative / growth)
        growth = _growth(relative / np.exp(levels.shrunk)[:, None], levels.within / levels.pooled)
    levels = _SeriesLevels.estimate(relative / growth)
    shrunk = np.exp(levels.shrunk)
    return ErrorScale(base * shrunk, growth, 1 / (2 * levels.pooled), levels.degrees)


def _base_scale(errors: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """Return the naive scale, for a series without one its own mean error, or else the median of the others."""
    known = np.isfinite(errors)
    counts = known.sum(axis=(0, 2))
    own = np.where(known, np.abs(errors), 0).sum(axis=(0, 2)) / np.maximum(counts, 1)
    base = np.where(np.isfinite(naive) & (naive > 0), naive, own)
    others = np.median(base[base > 0]) if (base > 0).any() else 0.0
    return np.where((counts == 0) & ~(naive > 0), others, base)


@dataclass(frozen=True)
class _SeriesLevels:
    """Logs of mean errors by series, and their variances.

    `shrunk` are the levels, each shrunk towards the typical one; `within` is the variance of a series between windows,
    `pooled` that of the level over all series.
    """

    shrunk: np.ndarray
    within: float
    pooled: float
    degrees: float

    @classmethod
    def estimate(cls, relative: np.ndarray) -> "_SeriesLevels":
        known = np.isfinite(relative)
        steps = known.sum(axis=2)
        sums = np.where(known, relative, 0).sum(axis=2)
        floor = _SMALLEST * sums.sum() / max(steps.sum(), 1)
        windows = (steps > 0).sum(axis=0)
        has_windows = windows > 0
        by_window = np.where(steps > 0, np.log(np.maximum(sums / np.maximum(steps, 1), floor)), np.nan)[:, has_windows]
        by_series = np.log(np.maximum(sums.sum(axis=0)[has_windows] / steps.sum(axis=0)[has_windows], floor))
        deviations = by_window - np.nanmean(by_window, axis=0)
        degrees = int((windows[has_windows] - 1).sum())
        within = (np.nansum(deviations**2) + _PRIOR_WINDOWS * _PRIOR_WITHIN) / (degrees + _PRIOR_WINDOWS)
        noise = within / windows[has_windows]
        between = max(0.0, by_series.var(ddof=1) - noise.mean()) if len(by_series) > 1 and degrees else 0.0
        weights = between / (between + noise)
        typical = float(np.average(by_series, weights=1 / (between + noise)))
        shrunk = np.full(relative.shape[1], typical)
        shrunk[has_windows] += weights * (by_series - typical)
        common = _common_variance(deviations, within)
        pooled = common / max(windows.max(), 1) + within / windows.sum()
        unknown = float((weights * noise).mean()) + pooled + common
        return cls(shrunk, within, pooled, max(_MIN_DEGREES, 1 / (2 * unknown)))


def _common_variance(deviations: np.ndarray, within: float) -> float:
    """Return the variance of the part of errors that all series share in a window, beyond that of a mean by chance.

    A month may be hard to forecast for all series: then a thousand series are not a thousand independent errors.
    """
    if deviations.shape[1] < 2:
        return 0.0
    known = np.isfinite(deviations)
    counts = known.sum(axis=1)
    shared = np.where(known, deviations, 0).sum(axis=1)[counts > 0] / counts[counts > 0]
    chance = within * float(np.mean(1 / counts[counts > 0]))
    degrees = len(shared) - 1
    measured = float((shared**2).sum()) - 2 * chance * max(degrees, 1)
    if degrees < _MIN_COMMON_DEGREES:
        return max(0.0, (measured + _PRIOR_COMMON) / (degrees + 1))
    return max(0.0, measured / degrees)


def _growth(scores: np.ndarray, windows: float) -> np.ndarray:
    """Return the growth (horizon,) of scores (windows, series, horizon), worth so many independent `windows`."""
    from sklearn.isotonic import isotonic_regression

    known = np.isfinite(scores)
    counts = known.sum(axis=(0, 1))
    steps = np.arange(1, len(counts) + 1)
    is_known = counts > 0
    means = np.where(known, scores, 0).sum(axis=(0, 1))[is_known] / counts[is_known]
    overall = np.average(means, weights=counts[is_known])
    means = np.maximum(means / overall, _SMALLEST)
    power = _power(np.log(steps[is_known]), np.log(means), counts[is_known], windows)
    share = windows / (windows + _SMOOTH_WINDOWS)
    isotonic = np.interp(steps, steps[is_known], isotonic_regression(means, sample_weight=counts[is_known]))
    smooth = steps**power
    growth = share * isotonic + (1 - share) * smooth / np.average(smooth[is_known], weights=counts[is_known])
    return growth / np.average(growth[is_known], weights=counts[is_known])


def _power(steps: np.ndarray, means: np.ndarray, counts: np.ndarray, windows: float) -> float:
    """Return the slope of log mean scores over log steps: 0 for errors that do not grow, 0.5 for a random walk."""
    if len(steps) < 2:
        return 0.5
    centred = steps - np.average(steps, weights=counts)
    slope = float((counts * centred * means).sum() / (counts * centred**2).sum())
    slope = min(1.0, max(0.0, slope))
    return (windows * slope + _PRIOR_POWER_WINDOWS * _PRIOR_POWER) / (windows + _PRIOR_POWER_WINDOWS)
