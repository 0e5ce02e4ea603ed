"""Totals of the platform: what all processes have recorded, added up by one of them.

The totals begin at 0 whenever the process that adds up starts, as every counter of Prometheus does. Nothing is counted
twice, because a recording holds only what came since the last one, and is sent once.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Protocol

from dataml.metrics.definitions import CALL_LABELS, PREDICTION_DURATION, RECORDED, VERSION_LABELS
from dataml.metrics.recording import Gauge, Labels, Recording, take_recording

OTHER: Final = ("other", "other", "", "")
"""The `CALL_LABELS` of all predictors beyond the limit. No predictor has an empty version."""

REPORT_INTERVAL_S: Final = 5.0
"""How often a process sends what it has recorded."""

WINDOW_S: Final = 300.0
"""The time that `RecentCalls` is about."""

_SLOT_S: Final = 10.0
# A predictor without requests for so long gives its labels to another one.
_IDLE_S: Final = 3600.0
# A process that has sent nothing for so long has ended.
_GAUGE_LIFETIME_S: Final = 6 * REPORT_INTERVAL_S
_BY_NAME: Final = {metric.name: metric for metric in RECORDED}
# The number of labels that name the predictor, for each metric of single predictors.
_WIDTHS: Final = {
    metric.name: len(labels)
    for labels in (VERSION_LABELS, CALL_LABELS)
    for metric in RECORDED
    if metric.labels[: len(labels)] == labels
}


@dataclass(frozen=True)
class Snapshot:
    """The totals at one moment, by the names of metrics; histograms are as in `Recording`."""

    counters: dict[str, dict[Labels, float]]
    histograms: dict[str, dict[Labels, list[float]]]
    gauges: dict[str, dict[Labels, float]]


@dataclass(frozen=True)
class RecentCalls:
    """The calls of a predictor in the last `WINDOW_S` seconds; errors were answered by a status of 400 or more.

    The quantiles are interpolated within the buckets of the histogram, and None where there was no call.
    """

    requests: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None


class MetricsSource(Protocol):
    """Where the API gets the totals of the platform."""

    async def collect(self) -> Snapshot | None:
        """Return the totals; None while the process that adds up cannot be reached."""
        ...

    async def list_recent_calls(self, versions: Sequence[Labels]) -> Sequence[RecentCalls | None]:
        """Return the recent calls of versions of predictors, by tenant, predictor and version, in the same order.

        None: it is not known, because the process that adds up cannot be reached, or the version is beyond the limit.
        """
        ...


@dataclass
class _Slot:
    """The calls of a predictor in `_SLOT_S` seconds."""

    ends_at: float
    observed: list[float] = field(default_factory=lambda: [0.0] * (len(PREDICTION_DURATION.bounds) + 2))
    errors: float = 0.0


class Totals:
    """Adds up recordings. All calls come from one event loop."""

    def __init__(self, max_predictors: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; the labels of `max_predictors` are kept apart."""
        self._max_predictors = max_predictors
        self._clock = clock
        self._counters: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, list[float]]] = {}
        self._gauges: dict[str, tuple[float, dict[str, dict[Labels, float]]]] = {}
        # When each predictor was last used, the least recently used first.
        self._used_at: OrderedDict[Labels, float] = OrderedDict()
        self._slots: dict[Labels, deque[_Slot]] = {}

    def add(self, recording: Recording) -> None:
        """Add what a process has recorded since its last recording."""
        for name, added in recording.counters.items():
            counter = self._counters.setdefault(name, {})
            for labels, amount in added.items():
                key = self._bounded(name, labels)
                counter[key] = counter.get(key, 0.0) + amount
        for name, observed in recording.histograms.items():
            histogram = self._histograms.setdefault(name, {})
            for labels, values in observed.items():
                key = self._bounded(name, labels)
                total = histogram.get(key)
                histogram[key] = values if total is None else _sum(total, values)
                if name == PREDICTION_DURATION.name:
                    self._add_to_window(key, values)
        self._gauges[recording.process] = (self._clock(), recording.gauges)

    def snapshot(self) -> Snapshot:
        """Return the totals of this moment."""
        oldest = self._clock() - _GAUGE_LIFETIME_S
        self._gauges = {process: each for process, each in self._gauges.items() if each[0] >= oldest}
        gauges: dict[str, dict[Labels, float]] = {}
        for _, of_process in self._gauges.values():
            for name, values in of_process.items():
                metric, totals = _BY_NAME[name], gauges.setdefault(name, {})
                is_largest = isinstance(metric, Gauge) and metric.is_largest
                for labels, value in values.items():
                    known = totals.get(labels, 0.0)
                    totals[labels] = max(known, value) if is_largest else known + value
        counters = {name: values.copy() for name, values in self._counters.items()}
        histograms = {name: values.copy() for name, values in self._histograms.items()}
        return Snapshot(counters, histograms, gauges)

    def recent_calls(self, version: Labels) -> RecentCalls | None:
        """Return the recent calls of a version, by tenant, predictor and version; None where it is beyond the limit."""
        keys = [key for key in self._used_at if key[: len(version)] == version]
        if not keys and len(self._used_at) >= self._max_predictors:
            return None
        oldest = self._clock() - WINDOW_S
        slots = [slot for key in keys for slot in self._slots.get(key, ()) if slot.ends_at > oldest]
        observed = [0.0] * (len(PREDICTION_DURATION.bounds) + 2)
        for slot in slots:
            observed = _sum(observed, slot.observed)
        requests = sum(observed[:-1])
        p50_ms, p99_ms = (quantile_ms(share, PREDICTION_DURATION.bounds, observed[:-1]) for share in (0.5, 0.99))
        return RecentCalls(
            requests=int(requests),
            errors=int(sum(slot.errors for slot in slots)),
            p50_ms=p50_ms,
            p99_ms=p99_ms,
        )

    def _bounded(self, name: str, labels: Labels) -> Labels:
        """Return the labels, or those of `OTHER` where too many predictors are in use."""
        width = _WIDTHS.get(name)
        if width is None:
            return labels
        predictor, now = _without_alias(labels[:width]), self._clock()
        if predictor not in self._used_at and len(self._used_at) >= self._max_predictors:
            idle, used_at = next(iter(self._used_at.items()), (predictor, now))
            if now - used_at < _IDLE_S:
                return OTHER[:width] + labels[width:]
            self._forget(idle)
        self._used_at[predictor] = now
        self._used_at.move_to_end(predictor)
        return labels

    def _forget(self, predictor: Labels) -> None:
        # To add its totals to those of the others would count them as new.
        del self._used_at[predictor]
        self._slots.pop(predictor, None)
        for name, width in _WIDTHS.items():
            for totals in (self._counters.get(name, {}), self._histograms.get(name, {})):
                for labels in [labels for labels in totals if _without_alias(labels[:width]) == predictor]:
                    del totals[labels]

    def _add_to_window(self, labels: Labels, values: list[float]) -> None:
        now = self._clock()
        slots = self._slots.setdefault(labels[: len(CALL_LABELS)], deque())
        if not slots or slots[-1].ends_at <= now:
            slots.append(_Slot(now + _SLOT_S))
        while slots[0].ends_at <= now - WINDOW_S:
            slots.popleft()
        slots[-1].observed = _sum(slots[-1].observed, values)
        if not labels[-1].startswith("2"):
            slots[-1].errors += sum(values[:-1])


class LocalMetrics:
    """The `MetricsSource` of an application that is one process."""

    def __init__(self, max_predictors: int = 200) -> None:
        self._totals = Totals(max_predictors)

    async def collect(self) -> Snapshot:
        """Return the totals of this process."""
        self._take()
        return self._totals.snapshot()

    async def list_recent_calls(self, versions: Sequence[Labels]) -> Sequence[RecentCalls | None]:
        """Return the recent calls of versions of predictors in the same order."""
        self._take()
        return [self._totals.recent_calls(version) for version in versions]

    def _take(self) -> None:
        self._totals.add(take_recording("local", RECORDED))


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """Return a quantile of a histogram as `histogram_quantile` of PromQL does; None of an empty one.

    `counts` are those of each bucket alone, the last one without an upper bound.
    """
    cumulative = list(accumulate(counts))
    if not cumulative[-1]:
        return None
    rank = share * cumulative[-1]
    index = next(index for index, count in enumerate(cumulative) if count >= rank)
    if index == len(bounds):
        return bounds[-1]
    lower = bounds[index - 1] if index else 0.0
    below = cumulative[index] - counts[index]
    return lower + (bounds[index] - lower) * (rank - below) / counts[index]


def quantile_ms(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """Return a quantile of a histogram of seconds in milliseconds, to the microsecond; see `quantile`."""
    value_s = quantile(share, bounds, counts)
    return None if value_s is None else round(value_s * 1000, 3)


def _without_alias(labels: Labels) -> Labels:
    """Return `VERSION_LABELS` as the `CALL_LABELS` of calls by no alias."""
    return labels if len(labels) == len(CALL_LABELS) else (*labels, "")


def _sum(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(first, second, strict=True)]
