"""Every route reads its body once, strictly, and within a budget."""

import subprocess
import sys
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from dataml.errors import Forbidden
from dataml.http.errors import add_exception_handlers
from dataml.http.routing import Router
from dataml.http.strict_json import MAX_JSON_BYTES
from dataml.settings import load_settings


@pytest.fixture(scope="module")
def client() -> TestClient:
    router = Router(prefix="/things")

    @router.post("/parsed")
    async def parsed(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @router.post("/form")
    async def form(request: Request) -> dict[str, str]:
        return {name: str(value) for name, value in (await request.form()).items()}

    @router.post("/twice")
    async def twice(request: Request) -> bool:
        return await request.json() is await request.json()

    app = FastAPI()
    app.include_router(router, prefix="/api")

    async def on_forbidden(request: Request, error: Forbidden) -> None:
        raise AssertionError(error)

    add_exception_handlers(app, load_settings(), on_forbidden)

    async def with_request_id(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scope.setdefault("state", {})["request_id"] = "r1"
        await app(scope, receive, send)

    return TestClient(with_request_id)


def test_json_is_parsed(client: TestClient) -> None:
    assert client.post("/api/things/parsed", json={"a": [1, None]}).json() == {"a": [1, None]}


@pytest.mark.parametrize("body", ['{"a": NaN}', '{"a": 1, "a": 2}', "{", '{"a": 1e400}'])
def test_json_that_is_not_strict_is_refused(client: TestClient, body: str) -> None:
    answer = client.post("/api/things/parsed", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")


@pytest.mark.parametrize("call", ["parsed", "form", "twice"])
def test_a_body_over_the_budget_is_refused(client: TestClient, call: str) -> None:
    types = {"form": "application/x-www-form-urlencoded"}
    headers = {"content-type": types.get(call, "application/json")}
    answer = client.post(f"/api/things/{call}", content=b"a=" + b"1" * MAX_JSON_BYTES, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_json_is_parsed_once(client: TestClient) -> None:
    assert client.post("/api/things/twice", json={"a": 1}).json() is True


def test_parameters_of_routes_give_no_warning_while_another_thread_changes_the_filters() -> None:
    """FastAPI's own filter has no effect then, as where `simplefilter` does nothing."""
    program = """
import warnings
warnings.simplefilter = lambda *_, **__: None
from fastapi import Query
from typing import Annotated
from dataml.http.routing import Router

@Router().get("/rows")
async def list_rows(delimiter: Annotated[str | None, Query(max_length=40)] = None) -> None: ...
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "UnsupportedFieldAttributeWarning" not in done.stderr
