"""How far off the forecasts of each series are, and how that grows with the step: what intervals are made of.

|error| of a series at a step = scale of the series x growth at the step x a score that all have in common.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

_ROUNDS: Final = 3
_PRIOR_WITHIN: Final = 0.25
_PRIOR_WINDOWS: Final = 4
"""The log of the mean error of one window has about this variance for a random walk, whose steps are worth some two
independent errors. It counts as much as so many windows, lest two that happen to agree pass for certainty."""
_PRIOR_POWER: Final = 0.25
_PRIOR_POWER_PATHS: Final = 5
_SMOOTH_PATHS: Final = 30
_SMALLEST: Final = 1e-3
_MIN_DEGREES: Final = 2.0


@dataclass(frozen=True)
class Spread:
    """`scales` (series,), in the unit of the series, and `growth` (horizon,), which never shrinks and is 1 on average.

    `effective` is how many independent errors the pooled scores are worth, `degrees` the degrees of freedom of the
    error of a new window over its scale and growth."""

    scales: np.ndarray
    growth: np.ndarray
    effective: float
    degrees: float

    def standardised(self, errors: np.ndarray) -> np.ndarray:
        """Of (windows, series, horizon), signed; NaN where the scale is 0."""
        unit = self.scales[:, None] * self.growth
        return np.divide(errors, unit, out=np.full(errors.shape, np.nan), where=unit > 0)


def fit_spread(errors: np.ndarray, naive: np.ndarray) -> Spread:
    """Of `errors` (windows, series, horizon), NaN where there is none, and the `naive` scale (series,).

    A scale is the mean error of the series shrunk, as a log, towards the typical multiple of its naive scale: the more,
    the fewer windows it has, the more windows of a series differ and the less series do (empirical Bayes, Efron and
    Morris 1973). Of a single window nothing tells these apart, and the scale is the multiple. Growth is the isotonic
    regression of the mean score by step, and the fewer windows there are the more a power of the step.
    """
    base = _base(errors, naive)
    relative = np.abs(errors) / np.where(base > 0, base, np.nan)[:, None]
    growth = np.ones(errors.shape[2])
    for _ in range(_ROUNDS - 1):
        levels = _Levels.of(relative / growth)
        growth = _growth(relative / np.exp(levels.shrunk)[:, None], levels.within / levels.pooled)
    levels = _Levels.of(relative / growth)
    shrunk = np.exp(levels.shrunk)
    return Spread(base * shrunk, growth, 1 / (2 * levels.pooled), levels.degrees)


def _base(errors: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """The naive scale, or of a series without one its own mean error, or that of the others."""
    known = np.isfinite(errors)
    counts = known.sum(axis=(0, 2))
    own = np.where(known, np.abs(errors), 0).sum(axis=(0, 2)) / np.maximum(counts, 1)
    base = np.where(np.isfinite(naive) & (naive > 0), naive, own)
    others = np.median(base[base > 0]) if (base > 0).any() else 0.0
    return np.where((counts == 0) & ~(naive > 0), others, base)


@dataclass(frozen=True)
class _Levels:
    """Of logs of mean errors by series: each one `shrunk` towards the typical one, the variance `within` a series from
    window to window and that of the level `pooled` over all."""

    shrunk: np.ndarray
    within: float
    pooled: float
    degrees: float

    @classmethod
    def of(cls, relative: np.ndarray) -> "_Levels":
        known = np.isfinite(relative)
        steps = known.sum(axis=2)
        sums = np.where(known, relative, 0).sum(axis=2)
        floor = _SMALLEST * sums.sum() / max(steps.sum(), 1)
        windows = (steps > 0).sum(axis=0)
        seen = windows > 0
        by_window = np.where(steps > 0, np.log(np.maximum(sums / np.maximum(steps, 1), floor)), np.nan)[:, seen]
        by_series = np.log(np.maximum(sums.sum(axis=0)[seen] / steps.sum(axis=0)[seen], floor))
        apart = by_window - np.nanmean(by_window, axis=0)
        spare = int((windows[seen] - 1).sum())
        within = (np.nansum(apart**2) + _PRIOR_WINDOWS * _PRIOR_WITHIN) / (spare + _PRIOR_WINDOWS)
        noise = within / windows[seen]
        between = max(0.0, by_series.var(ddof=1) - noise.mean()) if len(by_series) > 1 and spare else 0.0
        weights = between / (between + noise)
        typical = float(np.average(by_series, weights=1 / (between + noise)))
        shrunk = np.full(relative.shape[1], typical)
        shrunk[seen] += weights * (by_series - typical)
        common = _common(apart, within)
        pooled = common / max(windows.max(), 1) + within / windows.sum()
        unknown = float((weights * noise).mean()) + pooled + common
        return cls(shrunk, within, pooled, max(_MIN_DEGREES, 1 / (2 * unknown)))


def _common(apart: np.ndarray, within: float) -> float:
    """The variance of what all series share in a window, beyond what chance would leave of their mean: a hard month for
    one is one for all, and a thousand series are then no thousand witnesses."""
    if apart.shape[1] < 2:
        return 0.0
    known = np.isfinite(apart)
    counts = known.sum(axis=1)
    shared = np.where(known, apart, 0).sum(axis=1)[counts > 0] / counts[counts > 0]
    chance = within * float(np.mean(1 / counts[counts > 0]))
    return max(0.0, float((shared**2).sum()) / max(len(shared) - 1, 1) - 2 * chance)


def _growth(scores: np.ndarray, paths: float) -> np.ndarray:
    """(horizon,) of scores (windows, series, horizon) that are worth `paths` independent windows."""
    from sklearn.isotonic import isotonic_regression

    known = np.isfinite(scores)
    counts = known.sum(axis=(0, 1))
    steps = np.arange(1, len(counts) + 1)
    at = counts > 0
    means = np.where(known, scores, 0).sum(axis=(0, 1))[at] / counts[at]
    overall = np.average(means, weights=counts[at])
    means = np.maximum(means / overall, _SMALLEST)
    power = _power(np.log(steps[at]), np.log(means), counts[at], paths)
    share = paths / (paths + _SMOOTH_PATHS)
    isotonic = np.interp(steps, steps[at], isotonic_regression(means, sample_weight=counts[at]))
    smooth = steps**power
    growth = share * isotonic + (1 - share) * smooth / np.average(smooth[at], weights=counts[at])
    return growth / np.average(growth[at], weights=counts[at])


def _power(steps: np.ndarray, means: np.ndarray, counts: np.ndarray, paths: float) -> float:
    """The slope of log mean scores over log steps: 0 for errors that do not grow, 0.5 for a random walk."""
    if len(steps) < 2:
        return 0.5
    about = steps - np.average(steps, weights=counts)
    slope = float((counts * about * means).sum() / (counts * about**2).sum())
    slope = min(1.0, max(0.0, slope))
    return (paths * slope + _PRIOR_POWER_PATHS * _PRIOR_POWER) / (paths + _PRIOR_POWER_PATHS)
