"""Metrics as text of Prometheus or OpenMetrics, by `prometheus_client`."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as MetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.utils import floatToGoString

from dataml.metrics.recording import Counter, Gauge, Histogram, Labels, Metric
from dataml.metrics.totals import Snapshot

_OPENMETRICS: Final = "application/openmetrics-text"
_INFINITY: Final = "+Inf"


def render(metrics: Sequence[Metric], snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return these metrics in the format that `accept` asks for, and the media type of it.

    A metric without a value is declared nevertheless.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(metrics, snapshot))
    # Not `choose_encoder` of the library, which fails on a version that is no number.
    if _OPENMETRICS in accept.lower():
        return openmetrics.generate_latest(registry), openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Families:
    """The collector of one rendering, as `prometheus_client` asks for it."""

    def __init__(self, metrics: Sequence[Metric], snapshot: Snapshot) -> None:
        self._metrics = metrics
        self._snapshot = snapshot

    def collect(self) -> Iterator[MetricFamily]:
        """Yield each metric with its values."""
        for metric in self._metrics:
            if isinstance(metric, Counter):
                yield _counter(metric, self._snapshot.counters.get(metric.name, {}))
            elif isinstance(metric, Histogram):
                yield _histogram(metric, self._snapshot.histograms.get(metric.name, {}))
            elif isinstance(metric, Gauge):
                yield _gauge(metric, self._snapshot.gauges.get(metric.name, {}))


def _counter(metric: Counter, values: dict[Labels, float]) -> MetricFamily:
    family = CounterMetricFamily(metric.name, metric.description, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


def _gauge(metric: Gauge, values: dict[Labels, float]) -> MetricFamily:
    family = GaugeMetricFamily(metric.name, metric.description, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


def _histogram(metric: Histogram, values: dict[Labels, list[float]]) -> MetricFamily:
    family = HistogramMetricFamily(metric.name, metric.description, labels=metric.labels)
    bounds = [*map(floatToGoString, metric.bounds), _INFINITY]
    for labels, observed in sorted(values.items()):
        buckets = list(zip(bounds, accumulate(observed[:-1]), strict=True))
        family.add_metric(labels, buckets, observed[-1])
    return family
