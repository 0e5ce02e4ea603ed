"""The dashboard and the alert rules use what `GET /metrics` declares."""

import re

import pytest

from dataml.metrics.definitions import RECORDED
from dataml.metrics.recording import Histogram, Metric
from dataml.ops.metrics import MEASURED
from tests.monitoring.files import read_expressions, read_panels, read_rules

METRICS = {metric.name: metric for metric in (*MEASURED, *RECORDED)}
EXPRESSIONS = read_expressions()
# Labels that Prometheus adds, or that belong to every histogram.
OTHER_LABELS = {"le", "job"}


def metric_of(name: str) -> Metric:
    """The metric of a name in an expression; of a histogram, three have its name as a part."""
    if name in METRICS:
        return METRICS[name]
    metric = METRICS[re.sub(r"_(bucket|count|sum)$", "", name)]
    assert isinstance(metric, Histogram), name
    return metric


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_expression_uses_metrics_and_labels_that_exist(expression: str) -> None:
    names = re.findall(r"\b(dataml_\w+)(?:\{([^}]*)\})?", expression)
    assert names or "up{" in expression
    known = set(OTHER_LABELS)
    for name, selector in names:
        metric = metric_of(name)
        known |= set(metric.labels)
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= set(metric.labels), name
        assert metric.kind != "counter" or re.search(rf"(rate|increase)\({name}\b", expression), name
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouping.split(",")} <= known


@pytest.mark.parametrize("rule", read_rules(), ids=lambda rule: rule["alert"])
def test_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "runbook"}
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert all(re.search(rf"by \([^)]*\b{label}\b", str(rule["expr"])) for label in shown)


def test_every_metric_is_on_the_dashboard() -> None:
    """But those that others tell as well."""
    shown = {metric_of(name).name for text in EXPRESSIONS.values() for name in re.findall(r"\bdataml_\w+", text)}
    assert METRICS.keys() - shown == set()


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = read_panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(at["x"] + at["w"] <= 24 for at in places)
