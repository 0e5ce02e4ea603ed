"""Metrics of requests."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from dataml.http.request_metrics import measure_request
from dataml.metrics.definitions import HTTP_REQUEST_DURATION, HTTP_REQUESTS


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    for metric in (HTTP_REQUESTS, HTTP_REQUEST_DURATION):
        metric.take()
    yield
    for metric in (HTTP_REQUESTS, HTTP_REQUEST_DURATION):
        metric.take()


class Route:
    def __init__(self, path: str) -> None:
        self.path = path


def send(path: str, route: object = None, *, method: str = "GET", status: int | None = 200, template: str = "") -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if route is not None:
            scope["route"] = route
        if status is None:
            raise KeyError
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})

    async def nothing(*_: Any) -> Any:
        return None

    scope: Scope = {"type": "http", "method": method, "path": path, "state": {"route": template}}
    asyncio.run(measure_request(app, scope, nothing, nothing))


@pytest.mark.parametrize(
    ("path", "route", "shown"),
    [
        ("/api/v1/dataset/7", "/dataset/{dataset_id}", "/api/v1/dataset/{dataset_id}"),  # as FastAPI 0.160 has it
        ("/api/v1/dataset/7", "/api/v1/dataset/{dataset_id}", "/api/v1/dataset/{dataset_id}"),
        ("/jobs/7", "/jobs/{job_id}", "/jobs/{job_id}"),
        ("/api/v1/nothing", None, "unmatched"),
    ],
)
def test_route_is_the_template_of_the_path(path: str, route: str | None, shown: str) -> None:
    send(path, None if route is None else Route(route))
    assert HTTP_REQUESTS.take() == {("GET", shown, "200"): 1}
    ((labels, observed),) = HTTP_REQUEST_DURATION.take().items()
    assert labels == ("GET", shown)
    assert sum(observed[:-1]) == 1


def test_application_without_routes_says_which_one_has_answered() -> None:
    template = "/models/{tenant_name}/{predictor_name}/predict"
    send("/models/acme/churn/predict", template=template)
    assert HTTP_REQUESTS.take() == {("GET", template, "200"): 1}


def test_failing_application_is_counted_as_500() -> None:
    with pytest.raises(KeyError):
        send("/jobs/7", Route("/jobs/{job_id}"), status=None)
    assert HTTP_REQUESTS.take() == {("GET", "/jobs/{job_id}", "500"): 1}


def test_methods_are_those_of_http() -> None:
    for method in ("BREW", "x" * 1000, "DELETE"):
        send("/", Route("/"), method=method)
    assert HTTP_REQUESTS.take() == {("other", "/", "200"): 2, ("DELETE", "/", "200"): 1}
