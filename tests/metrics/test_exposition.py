"""Metrics as text."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dataml.metrics.exposition import render
from dataml.metrics.recording import Counter, Gauge, Histogram
from dataml.metrics.totals import Snapshot

COUNTER = Counter("dataml_calls_total", "Calls.", ("name",))
HISTOGRAM = Histogram("dataml_call_seconds", "Times.", ("name",), bounds=(0.25, 1.0))
GAUGE = Gauge("dataml_models", "Models.")
UNUSED = Counter("dataml_unused_total", "Nothing.", ("a",))
EVIL = 'a"b\\c\nd{}=,'
SNAPSHOT = Snapshot(
    {COUNTER.name: {(EVIL,): 3.0, ("z",): 1.0}},
    {HISTOGRAM.name: {("x",): [1.0, 2.0, 4.0, 12.5]}},
    {GAUGE.name: {(): 2.0}},
)
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.mark.parametrize(
    ("accept", "parse"), [("", parse_text), ("*/*", parse_text), (OPEN_METRICS, parse_openmetrics)]
)
def test_text_says_what_was_recorded(accept: str, parse) -> None:  # type: ignore[no-untyped-def]
    text, media_type = render((COUNTER, HISTOGRAM, GAUGE, UNUSED), SNAPSHOT, accept)
    assert media_type.startswith("application/openmetrics-text" if accept == OPEN_METRICS else "text/plain")
    parse = parse_openmetrics if accept == OPEN_METRICS else parse_text
    families = {family.name: family for family in parse(text.decode())}
    assert {name: family.type for name, family in families.items()} == {
        "dataml_calls": "counter",
        "dataml_call_seconds": "histogram",
        "dataml_models": "gauge",
        "dataml_unused": "counter",
    }
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples == {
        ("dataml_calls_total", ("name", EVIL)): 3,
        ("dataml_calls_total", ("name", "z")): 1,
        ("dataml_call_seconds_bucket", ("le", "0.25"), ("name", "x")): 1,
        ("dataml_call_seconds_bucket", ("le", "1.0"), ("name", "x")): 3,
        ("dataml_call_seconds_bucket", ("le", "+Inf"), ("name", "x")): 7,
        ("dataml_call_seconds_count", ("name", "x")): 7,
        ("dataml_call_seconds_sum", ("name", "x")): 12.5,
        ("dataml_models",): 2,
    }


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=abc", "text/plain;version=", ";;,=", "\xff"])
def test_strange_accept_is_answered(accept: str) -> None:
    assert render((GAUGE,), SNAPSHOT, accept)[0]
