"""Metrics are read with what their descriptions compare them with."""

import pytest

from dataml.ml.report.metrics import (
    Interval,
    MetricContext,
    make_interval,
    read_context,
    read_metrics,
    select_headlines,
)


def test_a_metric_stands_with_its_interval_and_its_baseline() -> None:
    summary = {"metrics": {"mase": 0.8, "naive_mase": 1.0, "rmse": None}}
    mase, rmse = read_metrics(summary, {"confidence": {"mase": {"low": 0.7, "high": 0.9}}})
    assert (mase.value, mase.interval, mase.has_baseline, mase.baseline) == (0.8, Interval(0.7, 0.9), True, 1.0)
    assert (rmse.value, rmse.interval, rmse.has_baseline) == (None, None, False)


def test_headlines_are_the_first_four_that_are_defined() -> None:
    metrics = read_metrics({"metrics": {"a": None, "b": 1.0, "c": 2.0, "d": 3.0, "e": 4.0, "f": 5.0}}, {})
    assert [metric.name for metric in select_headlines(metrics, "fedcba")] == ["f", "e", "d", "c"]


@pytest.mark.parametrize(
    ("summary", "context"),
    [
        ({}, MetricContext("the target", None, None, None)),
        (
            {"target": "left", "classes": [False, True], "confusion_matrix": [[50, 10], [15, 25]]},
            MetricContext("left", "true", 0.6, 0.4),
        ),
        (
            {"target": "plan", "classes": ["a", "b", "c"], "confusion_matrix": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]},
            MetricContext("plan", None, 0.5, None),
        ),
    ],
)
def test_shares_come_from_the_confusion_matrix(summary: dict[str, object], context: MetricContext) -> None:
    assert read_context(summary) == context


def test_an_interval_needs_both_ends() -> None:
    assert make_interval(None, 1.0) is None
    assert make_interval(0.5, None) is None


def test_shares_and_names_are_of_the_positive_class() -> None:
    summary = {"classes": ["fraud", "legit"], "confusion_matrix": [[1, 1], [2, 16]]}
    context = read_context(summary | {"positive_class": "fraud"})
    assert (context.positive_class, context.positive_share) == ("fraud", 0.1)
    assert read_context(summary).positive_share == 0.9
