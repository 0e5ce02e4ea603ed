"""Prediction intervals and confidence of sums of steps, such as the weeks of a daily forecast.

Errors of neighbouring steps cancel out in part, or add up: how much is measured. The errors of the backtest are summed
up over as many neighbouring steps, and the intervals come from these sums as those of steps come from errors of steps
(see `error_scores`): conformal quantiles, or, where there are too few, the widths of steps times the measured ratio of
the size of sums to the sum of sizes. With independent errors it is one over the root of the number of steps, and 1
where errors are the same at all steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from dataml.ml.forecasting.backtest.error_scores import ErrorScores, has_errors, widths_at
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals
from dataml.ml.forecasting.backtest.scores import confidence_by_step, extend_confidence

_INDEPENDENT: Final = 0.5
_FULLY_CORRELATED: Final = 1.0
_TYPICAL_POWER: Final = 0.9
"""Power of the number of steps that sums of errors grow with: 0.75 to 0.95 in collections of real series."""
_PRIOR_WINDOWS: Final = 2
"""Windows that the typical power counts as."""
_MAX_NAIVE_WINDOWS: Final = 20


@dataclass(frozen=True)
class SumIntervals:
    """Widths of intervals of sums by the number of neighbouring steps.

    `sizes` are numbers of steps, from 1 to the horizon. `lower` and `upper` (sizes, levels) are the distances of the
    ends from the sum of the forecasts, in units of the sum of scale x growth over the steps; those of other numbers are
    interpolated. Beyond the horizon they change with the number of steps raised to `power` - 1. `confidence` has for
    each size the accuracy of the first, second, ... sum of so many steps; it is empty where none was measured.
    """

    sizes: tuple[int, ...]
    lower: tuple[tuple[float, ...], ...]
    upper: tuple[tuple[float, ...], ...]
    power: float
    confidence: tuple[tuple[float, ...], ...] = ()

    def bounds(
        self, units: np.ndarray, sums: np.ndarray, firsts: np.ndarray, counts: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends around `sums` (sums,) of forecasts of a series.

        Args:
            units: (steps,), scale x growth of the series at each step.
            sums: (sums,), each over `counts` (sums,) steps, from the one with the number in `firsts` (sums,), counted
                from 0.
            firsts: As said at `sums`.
            counts: As said at `sums`.
            level: The probability with which the true sum lies within.

        Raises:
            Invalid: `bad_level`: the level is not between 0.5 and 0.999.
        """
        running = np.concatenate(([0.0], np.cumsum(units)))
        summed = running[firsts + counts] - running[firsts]
        beyond = np.maximum(counts / self.sizes[-1], 1.0) ** (self.power - 1)
        logs = np.log(counts)
        down, up = (summed * beyond * np.interp(logs, self._logs, widths_at(rows, level)) for rows in self._widths)
        return sums - down, sums + up

    def accuracy(self, firsts: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
        """Return the confidence of sums as in `bounds`, (sums,), that of the next smaller number of steps.

        It is None where none was measured.
        """
        if not self.confidence:
            return None
        sizes = np.searchsorted(self.sizes, counts, side="right") - 1
        positions = firsts // np.array(self.sizes)[sizes]
        longest = {size: extend_confidence(self.confidence[size], int(positions.max()) + 1) for size in set(sizes)}
        return np.array([longest[size][position] for size, position in zip(sizes, positions.tolist(), strict=True)])

    @cached_property
    def _logs(self) -> np.ndarray:
        return np.log(self.sizes)

    @cached_property
    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.lower), np.array(self.upper)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the intervals that `to_json` wrote."""
        rows: dict[str, Any] = {
            name: tuple(tuple(row) for row in record[name]) for name in ("lower", "upper", "confidence")
        }
        return cls(sizes=tuple(record["sizes"]), power=record["power"], **rows)


def fit_sum_intervals(
    errors: np.ndarray, scale: np.ndarray, truth: np.ndarray, forecast: np.ndarray, seasons: Sequence[int]
) -> SumIntervals | None:
    """Fit intervals to sums of the errors of a backtest; None where its horizon is a single step, or all are 0.

    Args:
        errors: Truth minus forecast, (windows, series, horizon), NaN where there is none.
        scale: (series,), the in-sample mean absolute error of the seasonal naive, 0 or NaN where a series has none.
        truth: (windows, series, horizon), the windows that the confidence is measured on.
        forecast: As `truth`.
        seasons: Numbers of steps of usual sums, such as 7 days.
    """
    horizon = errors.shape[2]
    if horizon < 2 or not has_errors(errors):
        return None
    scored = ErrorScores.standardise(errors, scale)
    growth = scored.scale.growth
    sizes = _ladder(horizon, seasons)
    ratios = _sum_ratios(scored.scale.standardise(errors) * growth, growth, sizes)
    relative = scored.scores * growth
    below, above = scored.widths(scored.scores, scored.student)
    # Sums are less skewed than their terms.
    symmetric = np.sqrt((below**2 + above**2) / 2)
    rows = [
        scored.widths(_sliding_sums(relative, size) / _sliding_sums(growth, size), ratio * symmetric)
        for size, ratio in zip(sizes, ratios.tolist(), strict=True)
    ]
    lower, upper = (tuple(tuple(row.tolist()) for row in side) for side in zip(*rows, strict=True))
    confidence = tuple(tuple(confidence_by_step(_sum_steps(truth, size), _sum_steps(forecast, size))) for size in sizes)
    return SumIntervals(tuple(sizes), lower, upper, _power(sizes, ratios), confidence)


def estimate_sum_intervals(
    intervals: PredictionIntervals, y: np.ndarray, starts: np.ndarray, season: int, horizon: int
) -> SumIntervals:
    """Return intervals of sums of a model that has not measured the sums of its errors.

    The ratio of the size of sums to the sum of sizes is that of the errors of the seasonal naive in the known history:
    they are as correlated as those of a model, or more. Where the history is too short for them it is the typical one.

    Args:
        intervals: Those of steps.
        y: The history of all series, one after the other.
        starts: (series + 1,), where each series begins in `y`.
        season: Number of steps after which values repeat themselves.
        horizon: Number of steps of the longest sum that is measured.
    """
    sizes = _ladder(max(horizon, 2 * season, 2), (season,))
    errors = _naive_errors(y, starts, season, sizes[-1])
    known = np.isfinite(errors)
    squares = np.where(known, errors, 0.0) ** 2
    growth = np.sqrt(squares.sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1))
    ratios = _sum_ratios(errors, growth, sizes)
    lower, upper = (tuple(tuple((ratio * row).tolist()) for ratio in ratios) for row in intervals.mean_widths)
    return SumIntervals(tuple(sizes), lower, upper, _power(sizes, ratios))


def _naive_errors(y: np.ndarray, starts: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Return errors (windows, series, horizon) of the seasonal naive, over the size of those of the series."""
    errors = np.full((_MAX_NAIVE_WINDOWS, len(starts) - 1, horizon), np.nan)
    for series, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        windows = min(_MAX_NAIVE_WINDOWS, (end - start - season) // horizon)
        for window in range(windows):
            cutoff = end - (window + 1) * horizon
            errors[window, series] = y[cutoff : cutoff + horizon] - np.resize(y[cutoff - season : cutoff], horizon)
        size = np.nanmean(np.abs(errors[:windows, series])) if windows else 0.0
        errors[:, series] = errors[:, series] / size if size > 0 else np.nan
    return errors


def _ladder(horizon: int, seasons: Sequence[int]) -> list[int]:
    """Return the sizes that are fitted: powers of two, three times these, seasons, and the horizon."""
    powers = {factor << shift for factor in (1, 3) for shift in range(horizon.bit_length())}
    return sorted(size for size in {*powers, *seasons, horizon} if 1 <= size <= horizon)


def _sum_steps(values: np.ndarray, size: int) -> np.ndarray:
    """Return sums of each `size` steps of (windows, series, horizon) from the first one, NaN where one is missing."""
    count = values.shape[2] // size
    return values[:, :, : count * size].reshape(*values.shape[:2], count, size).sum(axis=3)


def _sliding_sums(values: np.ndarray, size: int) -> np.ndarray:
    """Return the sums of any `size` neighbouring values along the last axis, NaN where one is missing."""
    known = np.isfinite(values)
    sums, missing = (_differences(each, size) for each in (np.where(known, values, 0.0), ~known))
    return np.where(missing > 0, np.nan, sums)


def _differences(values: np.ndarray, size: int) -> np.ndarray:
    """Return the running sum of values at each place minus that of `size` places before."""
    running = np.concatenate((np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)), axis=-1)
    return running[..., size:] - running[..., :-size]


def _sum_ratios(errors: np.ndarray, growth: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return the size of sums of errors (windows, series, horizon) over the sum of their sizes, (sizes,).

    Sizes are root mean squares. The ratios are shrunk towards the typical ones, more so with few windows, and lie
    between those of independent and those of equal errors. `growth` (horizon,) is the size of errors by step.
    """
    counts = np.array(sizes, np.float64)
    typical = (_TYPICAL_POWER - 1) * np.log(counts)
    windows = int(np.isfinite(errors).any(axis=(1, 2)).sum())
    if windows == 0:
        return np.exp(typical)
    sums = (_sliding_sums(errors, size) / _sliding_sums(growth, size) for size in sizes)
    measured = np.array([np.sqrt(np.nanmean(np.square(each))) if np.isfinite(each).any() else np.nan for each in sums])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.clip(measured / measured[0], counts ** (_INDEPENDENT - 1), 1.0)
    share = windows / (windows + _PRIOR_WINDOWS)
    logs = np.log(np.where(np.isfinite(ratios), ratios, np.exp(typical)))
    return np.exp(share * logs + (1 - share) * typical)


def _power(sizes: Sequence[int], ratios: np.ndarray) -> float:
    """Return the power of the number of steps that sums of errors grow with."""
    slope = 1 + float(np.polyfit(np.log(sizes), np.log(ratios), 1)[0])
    return min(_FULLY_CORRELATED, max(_INDEPENDENT, slope))
