"""Metrics that a process records, and what it has recorded since it was last asked.

A process keeps no totals: it sends what it has recorded to the one that adds up (`metrics.totals`), and forgets it. So
its memory stays small, a process that ends takes nothing away, and one that starts counts nothing twice.

Recording takes less than a microsecond, for it stands on the path of each prediction.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Literal

Labels = tuple[str, ...]
"""The values of a metric's labels, in the order of their names."""

# One for all: it is held for less than a microsecond, by the event loop and by threads.
_LOCK: Final = threading.Lock()


class Metric:
    """A metric by its name in Prometheus, the names of its labels, and a sentence about it."""

    kind: Literal["counter", "histogram", "gauge"]

    def __init__(self, name: str, description: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.description = description
        self.labels = tuple(labels)


class Counter(Metric):
    """A number that only grows. Its name ends in `_total`."""

    kind = "counter"

    def __init__(self, name: str, description: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, description, labels)
        self._added: dict[Labels, float] = {}

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Add an amount, which is not negative."""
        with _LOCK:
            self._added[labels] = self._added.get(labels, 0.0) + amount

    def take(self) -> dict[Labels, float]:
        """Return what was added since the last call."""
        with _LOCK:
            added, self._added = self._added, {}
        return added


class Histogram(Metric):
    """How often values were up to each of its `bounds`, and their sum."""

    kind = "histogram"

    def __init__(self, name: str, description: str, labels: Sequence[str] = (), *, bounds: Sequence[float]) -> None:
        super().__init__(name, description, labels)
        self.bounds = tuple(bounds)
        self._empty = [0.0] * (len(self.bounds) + 2)
        self._observed: dict[Labels, list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        index = bisect_left(self.bounds, value)
        with _LOCK:
            observed = self._observed.get(labels)
            if observed is None:
                observed = self._observed[labels] = self._empty.copy()
            observed[index] += 1
            observed[-1] += value

    @contextmanager
    def time(self, *labels: str) -> Iterator[None]:
        """Count the seconds that a block takes, whether it succeeds or fails."""
        started_at = perf_counter()
        try:
            yield
        finally:
            self.observe(perf_counter() - started_at, *labels)

    def take(self) -> dict[Labels, list[float]]:
        """Return what was observed since the last call: the number of values of each bucket alone, then their sum."""
        with _LOCK:
            observed, self._observed = self._observed, {}
        return observed


class Gauge(Metric):
    """A number that goes up and down.

    The platform's is the sum of those of its processes, or with `largest` the largest of them.
    """

    kind = "gauge"

    def __init__(self, name: str, description: str, labels: Sequence[str] = (), *, largest: bool = False) -> None:
        super().__init__(name, description, labels)
        self.is_largest = largest
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """Set the value of this process."""
        with _LOCK:
            self._values[labels] = value

    def read(self) -> dict[Labels, float]:
        """Return the values of this process."""
        with _LOCK:
            return self._values.copy()


@dataclass(frozen=True)
class Recording:
    """What a process has recorded since it last sent one, and its gauges; by the names of metrics.

    Attributes:
        process: identifies the process among all.
    """

    process: str
    counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, list[float]]] = field(default_factory=dict)
    gauges: dict[str, dict[Labels, float]] = field(default_factory=dict)


def take_recording(process: str, metrics: Sequence[Metric]) -> Recording:
    """Return what this process has recorded of these metrics since the last call."""
    recording = Recording(process)
    for metric in metrics:
        if isinstance(metric, Counter):
            if added := metric.take():
                recording.counters[metric.name] = added
        elif isinstance(metric, Histogram):
            if observed := metric.take():
                recording.histograms[metric.name] = observed
        elif isinstance(metric, Gauge) and (values := metric.read()):
            recording.gauges[metric.name] = values
    return recording
