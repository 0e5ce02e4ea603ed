"""Prediction intervals by the step ahead: split conformal on the errors of a backtest.

An error is modelled as scale of its series x growth at its step x a standard score, and the scores of all series,
windows and steps are pooled (`error_scale`). Each window is standardised by the scale and growth of the other windows,
as a future window will be. With many scores the width is their conformal quantile (Vovk et al. 2005; Lei et al. 2018).
A single series with four windows has too few scores for a quantile; there Student's t, with as many degrees of freedom
as the errors are worth, is used, and between the two the widths are blended. Errors of one window depend on each other,
so it is always the effective number of scores that counts, not the size of the array.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np

from dataml.errors import Invalid
from dataml.ml.evaluation.conformal import wilson_interval
from dataml.ml.forecasting.backtest.error_scale import ErrorScale, fit_error_scale

Method = Literal["conformal", "blended", "student", "gaussian"]

MIN_LEVEL: Final = 0.5
MAX_LEVEL: Final = 0.999
LEVELS: Final = tuple(round(n / 100, 2) for n in range(50, 99)) + tuple(round(n / 1000, 3) for n in range(990, 1000))
"""Levels whose widths are kept; the widths of other levels are interpolated."""
_MAX_STUDENT_SCORES: Final = 20
_MIN_CONFORMAL_SCORES: Final = 200
"""Effective scores up to which Student's t, and from which the conformal quantile is used alone."""
_MIN_SIGNED_SCORES: Final = 400
"""Effective scores from which errors above and below the forecast have widths of their own."""
_MIN_SCORES_BEYOND: Final = 5
"""Scores that must lie beyond a quantile; a rarer quantile is extrapolated from it as those of Student's t are."""
_SCORES_PER_GROUP: Final = 1_000
"""Effective scores for which a group of neighbouring steps gets quantiles of its own."""
_MAX_FOLDS: Final = 10
_MAE_TO_SIGMA: Final = math.sqrt(math.pi / 2)


@dataclass(frozen=True)
class PredictionIntervals:
    """Widths of intervals by series, step and level.

    `scales` (series,) is the typical error of each series at growth 1; `growth` (horizon,) never shrinks. `lower` and
    `upper` (groups, levels) are the distances of the ends from the forecast at each of `LEVELS`, in units of scale x
    growth; a group is the steps from its number in `first_steps` (counted from 0) to the next group.

    `method` is `conformal`, `student` (see the module), `blended` of both, or `gaussian` when there was no error to
    learn from and the naive scale is used instead. `scores` counts the errors, `effective` how many independent ones
    they are worth.
    """

    method: Method
    scales: tuple[float, ...]
    growth: tuple[float, ...]
    first_steps: tuple[int, ...]
    lower: tuple[tuple[float, ...], ...]
    upper: tuple[tuple[float, ...], ...]
    scores: int
    effective: float

    def bounds(
        self, series_index: int | np.ndarray, forecast: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends around `forecast`: (steps,) of one series, or (..., steps) of several.

        `series_index` has the shape of `forecast` without the steps. At each step by itself the truth lies within with
        the probability `level`. Past the horizon the width grows with the square root of the step, as the errors of a
        random walk do.

        Raises:
            Invalid: `bad_level`: the level is not between 0.5 and 0.999.
        """
        return self.bounds_for_scale(self._scales[series_index], forecast, level)

    def bounds_for_scale(
        self, scale: float | np.ndarray, forecast: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends for series of these scales; see `bounds`."""
        if not MIN_LEVEL <= level <= MAX_LEVEL:
            raise Invalid(f"level is {level}; it must be between {MIN_LEVEL} and {MAX_LEVEL}.", code="bad_level")
        steps = forecast.shape[-1]
        group = np.searchsorted(self.first_steps, np.arange(steps), side="right") - 1
        # Interpolate between the two kept levels next to it.
        right = int(np.searchsorted(LEVELS, level))
        left = max(right - 1, 0)
        share = (level - LEVELS[left]) / (LEVELS[right] - LEVELS[left]) if right else 0.0
        down, up = ((1 - share) * rows[:, left] + share * rows[:, right] for rows in self._widths)
        unit = np.asarray(scale)[..., None] * _extend_growth(np.array(self.growth), steps)
        return forecast - down[group] * unit, forecast + up[group] * unit

    @cached_property
    def _scales(self) -> np.ndarray:
        return np.array(self.scales)

    @cached_property
    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.lower), np.array(self.upper)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the intervals that `to_json` wrote."""
        lists: dict[str, Any] = {name: tuple(record[name]) for name in ("scales", "growth", "first_steps")}
        rows: dict[str, Any] = {name: tuple(tuple(row) for row in record[name]) for name in ("lower", "upper")}
        return cls(**(dict(record) | lists | rows))


def fit_intervals(errors: np.ndarray, scale: np.ndarray) -> PredictionIntervals:
    """Fit intervals to the errors of a backtest.

    A series whose errors and scale are all 0 gets intervals without width: nothing is known of how it moves.

    Args:
        errors: Truth minus forecast, (windows, series, horizon), NaN where there is none.
        scale: (series,), the in-sample mean absolute error of the seasonal naive, 0 or NaN where a series has none.
    """
    if not _has_errors(errors):
        return _gaussian(errors.shape[2], scale)
    error_scale = fit_error_scale(errors, scale)
    scores = _cross_validated_scores(errors, scale)
    count = int(np.isfinite(errors).sum())
    effective = float(min(error_scale.effective, count))
    share = min(1.0, max(0.0, (effective - _MAX_STUDENT_SCORES) / (_MIN_CONFORMAL_SCORES - _MAX_STUDENT_SCORES)))
    signed = effective >= _MIN_SIGNED_SCORES
    student = _student_widths(errors, error_scale)
    lower, upper, first_steps = [], [], _group_starts(errors.shape[2], effective)
    for steps in np.split(np.arange(errors.shape[2]), first_steps[1:]):
        own = _finite(scores[:, :, steps])
        pooled = own if len(own) else _finite(scores)
        tails = (-pooled, pooled) if signed else (np.abs(pooled),) * 2
        for rows, tail in zip((lower, upper), tails, strict=True):
            conformal = (
                _quantiles(tail, effective / len(first_steps), error_scale.degrees, signed) if share else student
            )
            rows.append(tuple((student ** (1 - share) * conformal**share).tolist()))
    method: Method = "conformal" if share == 1 else "blended" if share else "student"
    return PredictionIntervals(
        method,
        tuple(error_scale.scales.tolist()),
        tuple(error_scale.growth.tolist()),
        tuple(first_steps),
        tuple(lower),
        tuple(upper),
        count,
        effective,
    )


def measure_coverage(inside: np.ndarray) -> dict[str, float | int | None]:
    """Return the coverage of intervals, with a 95% confidence interval of it (Wilson 1927).

    Errors of one window tend to fall inside or outside together, so the confidence interval is rather too narrow.

    Args:
        inside: Of any shape: 1 or True for a truth within its interval, 0 outside, NaN where there is no value.

    Returns:
        `coverage`, its interval `low` to `high`, and the number of `values`.
    """
    known = np.asarray(inside, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"coverage": None, "low": None, "high": None, "values": 0}
    low, high = wilson_interval(int(known.sum()), len(known))
    return {"coverage": float(known.mean()), "low": low, "high": high, "values": len(known)}


def _gaussian(horizon: int, scale: np.ndarray) -> PredictionIntervals:
    from scipy.stats import norm

    widths = tuple(float(norm.ppf((1 + level) / 2)) * _MAE_TO_SIGMA for level in LEVELS)
    growth = _extend_growth(np.ones(1), horizon)
    scales = np.where(np.isfinite(scale), scale, 0.0)
    return PredictionIntervals(
        "gaussian", tuple(scales.tolist()), tuple(growth.tolist()), (0,), (widths,), (widths,), 0, 0.0
    )


def _cross_validated_scores(errors: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return errors in units of a scale and growth that were estimated without them, NaN where there is no score."""
    scores = np.full(errors.shape, np.nan)
    for fold in _folds(errors):
        others = np.where(fold, np.nan, errors)
        # Where all other forecasts were exact, they say nothing of the size of these errors.
        error_scale = fit_error_scale(others if _has_errors(others) else errors, scale)
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


def _has_errors(errors: np.ndarray) -> bool:
    return bool((np.isfinite(errors) & (errors != 0)).any())


def _finite(scores: np.ndarray) -> np.ndarray:
    return scores[np.isfinite(scores)]


def _group_starts(horizon: int, effective: float) -> list[int]:
    """Return the first steps of as many groups of neighbouring steps as there are enough scores for."""
    count = min(horizon, max(1, int(effective // _SCORES_PER_GROUP)))
    return [part * horizon // count for part in range(count)]


def _quantiles(scores: np.ndarray, effective: float, degrees: float, signed: bool) -> np.ndarray:
    """Return conformal widths (levels,): the ceil((n + 1) p)-th of n scores, and never below 0.

    Absolute scores stay below the width with the probability of the level; of signed ones each tail has half of the
    rest.
    """
    from scipy.stats import t

    levels = np.array(LEVELS)
    probabilities = (1 + levels) / 2 if signed else levels
    rarest = 1 - _MIN_SCORES_BEYOND / effective
    supported = np.minimum(probabilities, rarest)
    shares = np.ceil(np.round((int(effective) + 1) * supported, 9)) / int(effective)
    ranks = np.ceil(np.round(np.minimum(shares, 1) * len(scores), 9)).astype(int)
    widths = np.maximum(np.sort(scores)[np.maximum(ranks, 1) - 1], 0.0)
    one_sided = (lambda p: t.ppf(p, degrees)) if signed else (lambda p: t.ppf((1 + p) / 2, degrees))
    return np.where(probabilities > rarest, widths * one_sided(probabilities) / one_sided(rarest), widths)


def _extend_growth(growth: np.ndarray, steps: int) -> np.ndarray:
    """Return growth (steps,) from (horizon,): past the horizon with the square root of the step."""
    horizon = len(growth)
    later = np.sqrt(np.arange(horizon + 1, steps + 1) / horizon)
    return np.concatenate([growth, growth[-1] * later])[:steps]
