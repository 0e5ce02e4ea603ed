"""Prediction intervals by the step ahead, from the errors of a backtest (see `error_scores`)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from dataml.ml.evaluation.conformal import wilson_interval
from dataml.ml.forecasting.backtest.error_scores import LEVELS, ErrorScores, Method, has_errors, widths_at

_SCORES_PER_GROUP: Final = 1_000
"""Effective scores for which a group of neighbouring steps gets quantiles of its own."""
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
        steps = forecast.shape[-1]
        group = np.searchsorted(self.first_steps, np.arange(steps), side="right") - 1
        down, up = (widths_at(rows, level) for rows in self._widths)
        unit = self.units(series_index, steps)
        return forecast - down[group] * unit, forecast + up[group] * unit

    def units(self, series_index: int | np.ndarray, steps: int) -> np.ndarray:
        """Return scale x growth, which widths are multiples of: (steps,) of one series, or (..., steps) of several."""
        return self._scales[series_index][..., None] * _extend_growth(np.array(self.growth), steps)

    @property
    def mean_widths(self) -> tuple[np.ndarray, np.ndarray]:
        """The widths below and above the forecast, (levels,) each, the mean over all groups of steps."""
        lower, upper = self._widths
        return lower.mean(axis=0), upper.mean(axis=0)

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
    if not has_errors(errors):
        return _gaussian(errors.shape[2], scale)
    scored = ErrorScores.standardise(errors, scale)
    first_steps = _group_starts(errors.shape[2], scored.effective)
    lower, upper = [], []
    for steps in np.split(np.arange(errors.shape[2]), first_steps[1:]):
        own = scored.scores[:, :, steps]
        pooled = own if np.isfinite(own).any() else scored.scores
        for rows, widths in zip((lower, upper), scored.widths(pooled, scored.student, len(first_steps)), strict=True):
            rows.append(tuple(widths.tolist()))
    return PredictionIntervals(
        scored.method,
        tuple(scored.scale.scales.tolist()),
        tuple(scored.scale.growth.tolist()),
        tuple(first_steps),
        tuple(lower),
        tuple(upper),
        scored.count,
        scored.effective,
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


def _group_starts(horizon: int, effective: float) -> list[int]:
    """Return the first steps of as many groups of neighbouring steps as there are enough scores for."""
    count = min(horizon, max(1, int(effective // _SCORES_PER_GROUP)))
    return [part * horizon // count for part in range(count)]


def _extend_growth(growth: np.ndarray, steps: int) -> np.ndarray:
    """Return growth (steps,) from (horizon,): past the horizon with the square root of the step."""
    horizon = len(growth)
    later = np.sqrt(np.arange(horizon + 1, steps + 1) / horizon)
    return np.concatenate([growth, growth[-1] * later])[:steps]
