"""The metrics of a model and what their descriptions compare them with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataml.ml.labels import to_label
from dataml.ml.positive_class import resolve_positive_code

NAIVE_PREFIX: Final = "naive_"
_MAX_HEADLINES: Final = 4


@dataclass(frozen=True)
class Interval:
    """The two ends of a confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Metric:
    """A metric by name; `value` is None where it is not defined.

    A forecast's metric may have a `baseline`: the same metric of the seasonal naive, itself None where not defined.
    """

    name: str
    value: float | None
    interval: Interval | None
    has_baseline: bool = False
    baseline: float | None = None


@dataclass(frozen=True)
class MetricContext:
    """What descriptions of metrics name and compare with.

    Attributes:
        target: Name of the target column.
        positive_class: The class that scores of two classes are about, as text.
        most_frequent_share: Share of held-out rows in the most frequent class.
        positive_share: Share of held-out rows in the positive class.
    """

    target: str
    positive_class: str | None
    most_frequent_share: float | None
    positive_share: float | None


def read_metrics(summary: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return the metrics of a manifest with their intervals; those of the seasonal naive stand with the model's own."""
    values = summary.get("metrics") or {}
    intervals = report.get("confidence") or {}
    return tuple(
        Metric(
            name,
            value,
            _read_interval(intervals.get(name)),
            NAIVE_PREFIX + name in values,
            values.get(NAIVE_PREFIX + name),
        )
        for name, value in values.items()
        if not name.startswith(NAIVE_PREFIX)
    )


def select_headlines(metrics: Iterable[Metric], names: Iterable[str]) -> tuple[Metric, ...]:
    """Return the first four of the named metrics that have a value, in the order of the names."""
    by_name = {metric.name: metric for metric in metrics if metric.value is not None}
    return tuple(by_name[name] for name in names if name in by_name)[:_MAX_HEADLINES]


def read_context(summary: Mapping[str, Any]) -> MetricContext:
    """Return what descriptions need of a manifest; shares come from its confusion matrix, a row a true class."""
    classes = summary.get("classes") or []
    positive = resolve_positive_code(classes, summary.get("positive_class"))
    counts = [sum(row) for row in summary.get("confusion_matrix") or []]
    total = sum(counts)
    return MetricContext(
        target=str(summary.get("target") or "the target"),
        positive_class=to_label(classes[positive]) if len(classes) == 2 else None,
        most_frequent_share=max(counts) / total if total else None,
        positive_share=counts[positive] / total if total and len(counts) == 2 else None,
    )


def make_interval(low: float | None, high: float | None) -> Interval | None:
    """Return the interval between two ends; None when one is not defined."""
    return None if low is None or high is None else Interval(low, high)


def _read_interval(ends: Mapping[str, Any] | None) -> Interval | None:
    return make_interval(ends["low"], ends["high"]) if ends else None
