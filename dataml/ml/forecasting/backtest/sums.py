"""Prediction intervals and confidence of sums of steps, such as the weeks of a daily forecast.

Errors of neighbouring steps cancel out in part, or add up: how much is measured. The errors of the backtest are summed
up over as many neighbouring steps, and these sums get intervals of their own, as the errors of single steps do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from dataml.ml.forecasting.backtest.intervals import PredictionIntervals, fit_intervals
from dataml.ml.forecasting.backtest.scores import confidence_by_step, extend_confidence

_INDEPENDENT: Final = 0.5
_FULLY_CORRELATED: Final = 1.0


@dataclass(frozen=True, eq=False)
class SizeIntervals:
    """What the backtest says of sums of `size` neighbouring steps.

    A step of `intervals` is such a sum, and `confidence` (horizon // size,) is the accuracy of each.
    """

    size: int
    intervals: PredictionIntervals
    confidence: tuple[float, ...]


@dataclass(frozen=True)
class SumIntervals:
    """Intervals of sums, by their `sizes`, the smallest first; at least one.

    Sums of another number of steps have the widths of the next smaller size (the smallest one, if there is none), times
    the ratio of the two numbers raised to `power`: 0.5 where errors are independent, 1 where they are the same at all
    steps.
    """

    sizes: tuple[SizeIntervals, ...]
    power: float

    def bounds(
        self, series: int, sums: np.ndarray, firsts: np.ndarray, counts: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends around `sums` (sums,) of a series.

        A sum is over `counts` (sums,) steps, from the one with the number in `firsts` (sums,), counted from 0.

        Raises:
            Invalid: as `PredictionIntervals.bounds`.
        """
        lower, upper = sums.copy(), sums.copy()
        sizes = [self._nearest(count) for count in counts.tolist()]
        for size in dict.fromkeys(sizes):
            rows = np.flatnonzero([each is size for each in sizes])
            positions = firsts[rows] // size.size
            down, up = size.intervals.bounds(series, np.zeros(positions.max() + 1), level)
            factor = (counts[rows] / size.size) ** self.power
            lower[rows] += factor * down[positions]
            upper[rows] += factor * up[positions]
        return lower, upper

    def confidence(self, firsts: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the accuracy of sums as in `bounds`, (sums,); it is that of the next smaller number of steps."""
        sizes = [self._nearest(count) for count in counts.tolist()]
        positions = firsts // np.array([size.size for size in sizes])
        longest = {size: extend_confidence(size.confidence, int(positions.max()) + 1) for size in dict.fromkeys(sizes)}
        return np.array([longest[size][position] for size, position in zip(sizes, positions.tolist(), strict=True)])

    def _nearest(self, count: int) -> SizeIntervals:
        return next((each for each in reversed(self.sizes) if each.size <= count), self.sizes[0])

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`; the scales of the series are left out, see `scales`."""
        sizes = [
            {"size": each.size, "confidence": list(each.confidence), "intervals": each.intervals.to_json()}
            for each in self.sizes
        ]
        for size in sizes:
            del size["intervals"]["scales"]  # type: ignore[attr-defined]
        return {"power": self.power, "sizes": sizes}

    @property
    def scales(self) -> dict[int, np.ndarray]:
        """The scales of the series, (series,) by size."""
        return {each.size: np.array(each.intervals.scales) for each in self.sizes}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], scales: Mapping[int, np.ndarray]) -> Self:
        """Return the intervals that `to_json` and `scales` gave."""
        sizes = [
            SizeIntervals(
                size["size"],
                PredictionIntervals.from_json(size["intervals"] | {"scales": scales[size["size"]].tolist()}),
                tuple(size["confidence"]),
            )
            for size in record["sizes"]
        ]
        return cls(tuple(sizes), record["power"])


def fit_sum_intervals(
    truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray, seasons: Sequence[int]
) -> SumIntervals | None:
    """Fit intervals to sums of the errors of a backtest; None where its horizon is a single step.

    Args:
        truth: (windows, series, horizon), NaN where there is no value.
        forecast: As `truth`.
        scale: (series,), the in-sample mean absolute error of the seasonal naive, 0 or NaN where a series has none.
        seasons: Numbers of steps of usual sums, such as 7 days.
    """
    horizon = truth.shape[2]
    if horizon < 2:
        return None
    sizes = []
    for size in _ladder(horizon, seasons):
        true, predicted = _sum_steps(truth, size), _sum_steps(forecast, size)
        intervals = fit_intervals(true - predicted, scale)
        sizes.append(SizeIntervals(size, intervals, tuple(confidence_by_step(true, predicted))))
    return SumIntervals(tuple(sizes), _power(truth - forecast, [each.size for each in sizes]))


def _ladder(horizon: int, seasons: Sequence[int]) -> list[int]:
    """Return the sizes that are fitted: powers of two, three times these, seasons, and the horizon."""
    powers = {factor << shift for factor in (1, 3) for shift in range(horizon.bit_length())}
    return sorted(size for size in {*powers, *seasons, horizon} if 1 < size <= horizon)


def _sum_steps(values: np.ndarray, size: int) -> np.ndarray:
    """Return sums of each `size` steps of (windows, series, horizon) from the first one, NaN where one is missing."""
    count = values.shape[2] // size
    return values[:, :, : count * size].reshape(*values.shape[:2], count, size).sum(axis=3)


def _power(errors: np.ndarray, sizes: Sequence[int]) -> float:
    """Return the slope of the log of the mean size of sums of errors over the log of the number of steps."""
    means = [float(np.nanmean(np.abs(_sum_steps(errors, size)))) for size in (1, *sizes)]
    if not all(mean > 0 for mean in means):
        return _FULLY_CORRELATED
    slope = float(np.polyfit(np.log((1, *sizes)), np.log(means), 1)[0])
    return min(_FULLY_CORRELATED, max(_INDEPENDENT, slope))
