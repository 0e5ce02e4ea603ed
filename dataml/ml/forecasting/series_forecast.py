"""The forecast of one series: its steps, their selection, and buckets of a coarser frequency."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.target import round_outward


@dataclass(frozen=True)
class SeriesForecast:
    """The forecast of one series, as arrays (steps,).

    `times` are datetime64[us]; `values`, `lower`, `upper` and `confidence` are float64, or int64 the first three where
    they were rounded. `explanation` has the contributions by name for each step, which sum to the value before it was
    rounded or bounded.
    """

    unique_id: str | None
    frequency: Frequency
    times: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    explanation: list[dict[str, float]] | None = None

    def select(self, steps: slice) -> "SeriesForecast":
        """Return the forecast of these steps."""
        return replace(
            self,
            times=self.times[steps],
            values=self.values[steps],
            confidence=self.confidence[steps],
            lower=self.lower[steps],
            upper=self.upper[steps],
            explanation=None if self.explanation is None else self.explanation[steps],
        )

    def round(self) -> "SeriesForecast":
        """Return the forecast in whole numbers, with bounds that are rounded outward."""
        return replace(self, **round_outward(self.values, self.lower, self.upper))


@dataclass(frozen=True)
class Buckets:
    """The steps of a forecast by buckets of a coarser frequency.

    `labels` (buckets,) are the times of the buckets, `of_step` (steps,) is the bucket of each step, and `counts`
    (buckets,) are the steps of each.
    """

    labels: np.ndarray
    of_step: np.ndarray
    counts: np.ndarray

    @classmethod
    def group(cls, times: np.ndarray, frequency: Frequency) -> "Buckets":
        """Return the buckets of the times (steps,) of a forecast, on the clock of the frequency."""
        labels, of_step = np.unique(frequency.bucket_labels(times), return_inverse=True)
        return cls(labels, of_step, np.bincount(of_step))

    @property
    def firsts(self) -> np.ndarray:
        """The number of the first step of each bucket, (buckets,)."""
        return np.cumsum(self.counts) - self.counts

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (buckets,) of values (steps,)."""
        return np.bincount(self.of_step, weights=values)

    def combine_explanations(self, steps: Iterable[Mapping[str, float]], divisor: np.ndarray) -> list[dict[str, float]]:
        """Return the sums of the contributions of each bucket, over `divisor` (buckets,)."""
        totals: list[dict[str, float]] = [{} for _ in divisor]
        for step, bucket in zip(steps, self.of_step.tolist(), strict=True):
            for name, value in step.items():
                add_contribution(totals[bucket], name, value / float(divisor[bucket]))
        return totals


def add_contribution(step: dict[str, float], name: str, value: float) -> None:
    """Add a contribution to those of a step."""
    step[name] = step.get(name, 0.0) + value
