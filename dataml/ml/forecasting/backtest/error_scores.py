"""Standard scores of the errors of a backtest, and the widths of the intervals that hold them.

An error is modelled as scale of its series x growth at its step x a standard score, and the scores of all series,
windows and steps are pooled (`error_scale`). Each window is standardised by the scale and growth of the other windows,
as a future window will be. Where enough scores lie beyond it the width is their conformal quantile (Vovk et al. 2005;
Lei et al. 2018). A single series with four windows has too few scores for a rare quantile; there Student's t, with as
many degrees of freedom as the errors are worth, is used, and between the two the widths are blended. Errors of one
window depend on each other, so it is always the effective number of scores that counts, not the size of the array.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.error_scale import ErrorScale, fit_error_scale

Method = Literal["conformal", "blended", "student", "gaussian"]

LEVELS: Final = tuple(round(n / 100, 2) for n in range(50, 99)) + tuple(round(n / 1000, 3) for n in range(990, 1000))
"""Levels whose widths are kept; the widths of other levels are interpolated."""
MIN_LEVEL: Final = LEVELS[0]
MAX_LEVEL: Final = LEVELS[-1]
_MAX_STUDENT_BEYOND: Final = 1
_MIN_CONFORMAL_BEYOND: Final = 10
"""Effective scores beyond a quantile up to which Student's t, and from which the conformal quantile is used alone.

The quantile of a rare level needs more scores than that of a common one: 200 for 95%, 20 for 50%.
"""
_MAX_STUDENT_SCORES: Final = 10
_MIN_CONFORMAL_SCORES: Final = 20
"""Effective scores up to which there is no conformal quantile of any level, and from which there may be one."""
_METHOD_LEVEL: Final = 0.95
_MIN_SIGNED_SCORES: Final = 400
"""Effective scores from which errors above and below the forecast have widths of their own."""
_MIN_SCORES_BEYOND: Final = 5
"""Scores that must lie beyond a quantile; a rarer quantile is extrapolated from it as those of Student's t are."""
_MAX_FOLDS: Final = 10


@dataclass(frozen=True, eq=False)
class ErrorScores:
    """The standard scores of the errors of a backtest.

    `scores` (windows, series, horizon) are errors over scale and growth, both estimated without them, NaN where there
    is none; `scale` is estimated from all. `student` (levels,) are the widths of Student's t, in the unit of the
    scores. `count` is the number of errors, and `effective` how many independent ones they are worth.
    """

    scale: ErrorScale
    scores: np.ndarray
    student: np.ndarray
    count: int
    effective: float

    @classmethod
    def standardise(cls, errors: np.ndarray, naive: np.ndarray) -> Self:
        """Return the scores of errors (windows, series, horizon), at least one of which is not 0.

        `naive` (series,) are the in-sample errors of the seasonal naive, 0 or NaN where a series has none.
        """
        scale = fit_error_scale(errors, naive)
        count = int(np.isfinite(errors).sum())
        scores = _cross_validated_scores(errors, naive)
        return cls(scale, scores, _student_widths(errors, scale), count, float(min(scale.effective, count)))

    @property
    def method(self) -> Method:
        """How widths of 95% are made: as conformal quantiles, by Student's t, or as a blend of both."""
        share = _conformal_shares(self.effective)[LEVELS.index(_METHOD_LEVEL)]
        return "conformal" if share == 1 else "blended" if share else "student"

    def widths(self, scores: np.ndarray, fallback: np.ndarray, parts: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the widths (levels,) below and above a forecast that hold these scores.

        Args:
            scores: Of any shape, NaN where there is none: those of some steps, or of sums of steps.
            fallback: (levels,), the widths where there are too few scores for a quantile.
            parts: In how many such sets the scores of the backtest are divided.
        """
        shares = _conformal_shares(self.effective)
        if not shares.any():
            return fallback, fallback
        known = scores[np.isfinite(scores)]
        is_signed = self.effective >= _MIN_SIGNED_SCORES
        lower, upper = (
            fallback ** (1 - shares) * self._quantiles(tail, self.effective / parts, is_signed=is_signed) ** shares
            for tail in ((-known, known) if is_signed else (np.abs(known),) * 2)
        )
        # Where the share changes with the level, a wider level is never narrower.
        return np.maximum.accumulate(lower), np.maximum.accumulate(upper)

    def _quantiles(self, tail: np.ndarray, effective: float, *, is_signed: bool) -> np.ndarray:
        """Return conformal widths (levels,): the ceil((n + 1) p)-th of n scores, and never below 0.

        Absolute scores stay below the width with the probability of the level; of signed ones each tail has half of the
        rest.
        """
        from scipy.stats import t

        levels, degrees = np.array(LEVELS), self.scale.degrees
        probabilities = (1 + levels) / 2 if is_signed else levels
        rarest = 1 - _MIN_SCORES_BEYOND / effective
        supported = np.minimum(probabilities, rarest)
        shares = np.ceil(np.round((int(effective) + 1) * supported, 9)) / int(effective)
        ranks = np.ceil(np.round(np.minimum(shares, 1) * len(tail), 9)).astype(int)
        widths = np.maximum(np.sort(tail)[np.maximum(ranks, 1) - 1], 0.0)
        one_sided = (lambda p: t.ppf(p, degrees)) if is_signed else (lambda p: t.ppf((1 + p) / 2, degrees))
        return np.where(probabilities > rarest, widths * one_sided(probabilities) / one_sided(rarest), widths)


def widths_at(widths: np.ndarray, level: float) -> np.ndarray:
    """Return the widths at a level, from those at the two of `LEVELS` next to it, which are the last axis of `widths`.

    Raises:
        Invalid: `bad_level`: the level is not between 0.5 and 0.999.
    """
    if not MIN_LEVEL <= level <= MAX_LEVEL:
        raise Invalid(f"level is {level}; it must be between {MIN_LEVEL} and {MAX_LEVEL}.", code="bad_level")
    right = bisect_left(LEVELS, level)
    left = max(right - 1, 0)
    share = (level - LEVELS[left]) / (LEVELS[right] - LEVELS[left]) if right else 0.0
    return (1 - share) * widths[..., left] + share * widths[..., right]


def _conformal_shares(effective: float) -> np.ndarray:
    """Return the weight of conformal quantiles in widths, (levels,), from the effective number of scores."""
    beyond = effective * (1 - np.array(LEVELS))
    span = _MIN_CONFORMAL_SCORES - _MAX_STUDENT_SCORES
    share = min(1.0, max(0.0, (effective - _MAX_STUDENT_SCORES) / span))
    return share * np.clip((beyond - _MAX_STUDENT_BEYOND) / (_MIN_CONFORMAL_BEYOND - _MAX_STUDENT_BEYOND), 0.0, 1.0)


def has_errors(errors: np.ndarray) -> bool:
    """Return whether any error is known and not 0."""
    return bool((np.isfinite(errors) & (errors != 0)).any())


def _cross_validated_scores(errors: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """Return errors in units of a scale and growth that were estimated without them, NaN where there is no score."""
    scores = np.full(errors.shape, np.nan)
    for fold in _folds(errors):
        others = np.where(fold, np.nan, errors)
        # Where all other forecasts were exact, they say nothing of the size of these errors.
        error_scale = fit_error_scale(others if has_errors(others) else errors, naive)
        scores = np.where(fold, error_scale.standardise(errors), scores)
    return scores


def _folds(errors: np.ndarray) -> Iterator[np.ndarray]:
    """Yield masks that broadcast to the errors: groups of windows, or parts of the series of a single window."""
    windows, series, _ = errors.shape
    known = np.flatnonzero(np.isfinite(errors).any(axis=(1, 2)))
    if len(known) > 1:
        for group in np.array_split(known, min(len(known), _MAX_FOLDS)):
            yield np.isin(np.arange(windows), group)[:, None, None]
    else:
        parts = min(series, _MAX_FOLDS)
        for part in range(parts):
            yield (np.arange(series) % parts == part)[None, :, None]


def _student_widths(errors: np.ndarray, error_scale: ErrorScale) -> np.ndarray:
    """Return widths (levels,) of Student's t, scaled by the root mean square of the scores."""
    from scipy.stats import t

    squared = np.square(error_scale.standardise(errors))
    return t.ppf((1 + np.array(LEVELS)) / 2, error_scale.degrees) * math.sqrt(np.nanmean(squared))
