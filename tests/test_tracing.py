"""Traces: one from the request to the model, the database and the job."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dataml import tracing
from dataml.errors import StartupError
from tests.client import Client, wait_for_job
from tests.train.training import small_csv, small_dataset, trained

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
GOOD = {"age": 60, "colour": "red", "price": 5.0}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def of_trace(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The last span of each name in the trace of `HEADERS`."""
    return {each.name: each for each in spans.get_finished_spans() if f"{each.context.trace_id:032x}" == TRACE_ID}


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


@pytest.fixture(scope="module")
def row(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client))


def test_trace_of_a_prediction_reaches_the_model(
    client: Client, row: dict[str, Any], spans: InMemorySpanExporter
) -> None:
    answer = client.post(row["endpoint_url"], json={"features": GOOD}, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    found = of_trace(spans)
    request = found["POST /models/{tenant_name}/{predictor_name}/predict"]
    assert parent_of(request) == PARENT_ID
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    call, model = found["predict"], found["model predict"]
    assert (parent_of(call), parent_of(model)) == (id_of(request), id_of(call))
    assert call.attributes is not None
    assert call.attributes["dataml.predictor"] == row["predictor_name"]
    assert model.start_time is not None
    assert model.end_time is not None
    assert model.start_time <= model.end_time


def test_trace_of_a_call_has_its_transactions(client: Client, spans: InMemorySpanExporter) -> None:
    assert client.get("/template/list", headers=HEADERS).status_code == 200
    found = of_trace(spans)
    request = found["GET /api/v1/template/list"]
    assert parent_of(found["database lookup"]) == parent_of(found["database read"]) == id_of(request)


def test_job_belongs_to_the_trace_of_the_request_that_started_it(client: Client, spans: InMemorySpanExporter) -> None:
    files = [("files", ("a.csv", small_csv()))]
    query = {"dataset_name": "traced", "usage": "t"}
    answer = client.post("/dataset/upload", params=query, files=files, headers=HEADERS)
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    found = of_trace(spans)
    request, job = found["POST /api/v1/dataset/upload"], found["job validate"]
    # Within the request, by the transaction that has committed the job.
    transaction = next(each for each in spans.get_finished_spans() if id_of(each) == parent_of(job))
    assert (transaction.name, parent_of(transaction)) == ("database write", id_of(request))


@pytest.mark.parametrize("header", ["", "garbage", f"00-{'0' * 32}-{PARENT_ID}-01", "00-" + "f" * 10_000])
def test_wrong_parent_is_none(client: Client, spans: InMemorySpanExporter, header: str) -> None:
    assert client.get("/utils/health-check", headers={"traceparent": header}).status_code == 200
    (span,) = [each for each in spans.get_finished_spans() if each.name == "GET /api/v1/utils/health-check"]
    assert span.parent is None


def test_without_an_endpoint_nothing_is_made(client: Client, row: dict[str, Any]) -> None:
    assert tracing.current_traceparent() is None
    with tracing.span("nothing") as span:
        assert span is None
    assert client.post(row["endpoint_url"], json={"features": GOOD}, headers=HEADERS).status_code == 200


def test_without_an_endpoint_nothing_is_imported() -> None:
    program = "import sys, dataml.tracing as t; t.start(None, 'api'); print('opentelemetry' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(StartupError, match=r"dataml\[server,otel\]"):
        tracing.start("http://127.0.0.1:4318", "api")
