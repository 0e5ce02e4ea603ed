"""Intervals around a forecast, by how far ahead it is: split conformal on the errors of a backtest.

An error is taken to be scale of its series x growth at its step x a standard score, and the scores of all series,
windows and steps are pooled (`error_spread`). Each window is standardised by the scale and growth of the other windows,
as a future window will be. With many scores their conformal quantile is the width (Vovk et al. 2005; Lei et al. 2018).
One series with four windows has no such quantile; there Student's t with as many degrees of freedom as the errors are
worth stands in, and between the two the widths are blended. Errors of one window are not independent of each other, so
it is always the effective number of scores that counts, never that of the numbers in the array.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np

from dataml.errors import Invalid
from dataml.ml.evaluation.conformal import wilson
from dataml.ml.forecasting.backtest.error_scale import Spread, fit_spread

Method = Literal["conformal", "blended", "student", "gaussian"]

MIN_LEVEL: Final = 0.5
MAX_LEVEL: Final = 0.999
LEVELS: Final = tuple(round(n / 100, 2) for n in range(50, 99)) + tuple(round(n / 1000, 3) for n in range(990, 1000))
"""What widths are kept for; other levels lie between two of these."""
_FEW: Final = 20
_ENOUGH: Final = 200
"""Effective scores up to which Student's t, and from which conformal quantiles are used alone."""
_SIGNED: Final = 400
"""Effective scores from which errors above and below have widths of their own."""
_BEYOND: Final = 5
"""Scores that must lie beyond a quantile; a rarer one is the rarest such quantile, stretched as Student's t is."""
_PER_GROUP: Final = 1_000
"""Effective scores for which a group of neighbouring steps gets quantiles of its own."""
_MAX_FOLDS: Final = 10
_MAE_TO_SIGMA: Final = math.sqrt(math.pi / 2)


@dataclass(frozen=True)
class Intervals:
    """`scales` (series,) is the typical error of each series at growth 1; `growth` (horizon,) never shrinks.
    `lower` and `upper` (groups, levels) are how many of these the interval reaches down and up at each of `LEVELS`;
    a group is the steps from its number in `first_steps` (counted from 0) to the next group.

    `method`: `conformal`, `student` (see the module), `blended` of both, or `gaussian` when there was no error to learn
    from and the naive scale stands for the spread of all steps. `scores` counts errors, `effective` what they are worth
    as independent ones.
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
        """Lower and upper ends, each as `forecast`: (steps,) of the series of a number, or (..., steps) of those of
        numbers (...,). At every step the truth lies within with the probability `level`, of that step by itself.

        Steps past the horizon go on growing with the square root of the step, as the errors of a random walk do.
        Raises Invalid: `bad_level`: the level is not from 0.5 to 0.999.
        """
        return self.bounds_of_scale(self._scales[series_index], forecast, level)

    def bounds_of_scale(
        self, scale: float | np.ndarray, forecast: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `bounds`, of series of these scales."""
        if not MIN_LEVEL <= level <= MAX_LEVEL:
            raise Invalid(f"level is {level}; it must be from {MIN_LEVEL} to {MAX_LEVEL}.", code="bad_level")
        steps = forecast.shape[-1]
        group = np.searchsorted(self.first_steps, np.arange(steps), side="right") - 1
        # Between the two kept levels next to it.
        right = int(np.searchsorted(LEVELS, level))
        left = max(right - 1, 0)
        share = (level - LEVELS[left]) / (LEVELS[right] - LEVELS[left]) if right else 0.0
        down, up = ((1 - share) * rows[:, left] + share * rows[:, right] for rows in self._widths)
        unit = np.asarray(scale)[..., None] * _grown(np.array(self.growth), steps)
        return forecast - down[group] * unit, forecast + up[group] * unit

    @cached_property
    def _scales(self) -> np.ndarray:
        return np.array(self.scales)

    @cached_property
    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.lower), np.array(self.upper)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        lists: dict[str, Any] = {name: tuple(record[name]) for name in ("scales", "growth", "first_steps")}
        rows: dict[str, Any] = {name: tuple(tuple(row) for row in record[name]) for name in ("lower", "upper")}
        return cls(**(dict(record) | lists | rows))


def fit_intervals(errors: np.ndarray, scale: np.ndarray) -> Intervals:
    """Learn from `errors` (windows, series, horizon), truth minus forecast and NaN where there is none, and `scale`
    (series,), the in-sample mean absolute error of the seasonal naive, 0 or NaN where a series has none.

    A series whose errors and scale are all 0 gets intervals without width: nothing was ever seen of how it moves.
    """
    if not _tells(errors):
        return _gaussian(errors.shape[2], scale)
    spread = fit_spread(errors, scale)
    scores = _scores(errors, scale)
    count = int(np.isfinite(errors).sum())
    effective = float(min(spread.effective, count))
    share = min(1.0, max(0.0, (effective - _FEW) / (_ENOUGH - _FEW)))
    signed = effective >= _SIGNED
    student = _student(errors, spread)
    lower, upper, first_steps = [], [], _groups(errors.shape[2], effective)
    for steps in np.split(np.arange(errors.shape[2]), first_steps[1:]):
        own = _known(scores[:, :, steps])
        pooled = own if len(own) else _known(scores)
        tails = (-pooled, pooled) if signed else (np.abs(pooled),) * 2
        for rows, tail in zip((lower, upper), tails, strict=True):
            conformal = _quantiles(tail, effective / len(first_steps), spread.degrees, signed) if share else student
            rows.append(tuple((student ** (1 - share) * conformal**share).tolist()))
    method: Method = "conformal" if share == 1 else "blended" if share else "student"
    return Intervals(
        method,
        tuple(spread.scales.tolist()),
        tuple(spread.growth.tolist()),
        tuple(first_steps),
        tuple(lower),
        tuple(upper),
        count,
        effective,
    )


def coverage(inside: np.ndarray) -> dict[str, float | int | None]:
    """The share of `inside` (any shape; 1 or True within the interval, 0 outside, NaN where there is no value):
    `coverage`, its 95% interval `low` to `high` (Wilson 1927), and how many `values` it is of. Errors of one window
    fall in or out together, so the interval is rather too narrow than too wide."""
    known = np.asarray(inside, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"coverage": None, "low": None, "high": None, "values": 0}
    low, high = wilson(int(known.sum()), len(known))
    return {"coverage": float(known.mean()), "low": low, "high": high, "values": len(known)}


def _gaussian(horizon: int, scale: np.ndarray) -> Intervals:
    from scipy.stats import norm

    widths = tuple(float(norm.ppf((1 + level) / 2)) * _MAE_TO_SIGMA for level in LEVELS)
    growth = _grown(np.ones(1), horizon)
    scales = np.where(np.isfinite(scale), scale, 0.0)
    return Intervals("gaussian", tuple(scales.tolist()), tuple(growth.tolist()), (0,), (widths,), (widths,), 0, 0.0)


def _scores(errors: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Errors in units of the scale and growth that were learned without them, NaN where there is no score."""
    scores = np.full(errors.shape, np.nan)
    for fold in _folds(errors):
        others = np.where(fold, np.nan, errors)
        # Others that were all right tell nothing of how wrong this part is.
        spread = fit_spread(others if _tells(others) else errors, scale)
        scores = np.where(fold, spread.standardised(errors), scores)
    return scores


def _folds(errors: np.ndarray) -> Iterator[np.ndarray]:
    """Masks that broadcast to the errors: a window each, or of a single window parts of the series."""
    windows, series, _ = errors.shape
    seen = np.flatnonzero(np.isfinite(errors).any(axis=(1, 2)))
    if len(seen) > 1:
        for group in np.array_split(seen, min(len(seen), _MAX_FOLDS)):
            yield np.isin(np.arange(windows), group)[:, None, None]
    else:
        parts = min(series, _MAX_FOLDS)
        for part in range(parts):
            yield (np.arange(series) % parts == part)[None, :, None]


def _student(errors: np.ndarray, spread: Spread) -> np.ndarray:
    """Widths (levels,) of Student's t, of the spread that the scores have."""
    from scipy.stats import t

    squared = np.square(spread.standardised(errors))
    return t.ppf((1 + np.array(LEVELS)) / 2, spread.degrees) * math.sqrt(np.nanmean(squared))


def _tells(errors: np.ndarray) -> bool:
    return bool((np.isfinite(errors) & (errors != 0)).any())


def _known(scores: np.ndarray) -> np.ndarray:
    return scores[np.isfinite(scores)]


def _groups(horizon: int, effective: float) -> list[int]:
    """First steps of as many groups of neighbouring steps as the scores are enough for."""
    count = min(horizon, max(1, int(effective // _PER_GROUP)))
    return [part * horizon // count for part in range(count)]


def _quantiles(scores: np.ndarray, effective: float, degrees: float, signed: bool) -> np.ndarray:
    """Widths (levels,) that the scores stay below, of absolute ones as often as the level says, of signed ones so that
    each tail has half of the rest: the ceil((n + 1) p)-th of n, never below 0, the forecast itself."""
    from scipy.stats import t

    levels = np.array(LEVELS)
    wanted = (1 + levels) / 2 if signed else levels
    rarest = 1 - _BEYOND / effective
    supported = np.minimum(wanted, rarest)
    shares = np.ceil(np.round((int(effective) + 1) * supported, 9)) / int(effective)
    ranks = np.ceil(np.round(np.minimum(shares, 1) * len(scores), 9)).astype(int)
    found = np.maximum(np.sort(scores)[np.maximum(ranks, 1) - 1], 0.0)
    one_sided = (lambda p: t.ppf(p, degrees)) if signed else (lambda p: t.ppf((1 + p) / 2, degrees))
    return np.where(wanted > rarest, found * one_sided(wanted) / one_sided(rarest), found)


def _grown(growth: np.ndarray, steps: int) -> np.ndarray:
    """(steps,) from (horizon,): past the horizon with the square root of the step."""
    horizon = len(growth)
    later = np.sqrt(np.arange(horizon + 1, steps + 1) / horizon)
    return np.concatenate([growth, growth[-1] * later])[:steps]
