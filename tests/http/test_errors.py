"""Errors have one shape on the wire, whatever was raised."""

import errno
import sqlite3
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from psycopg.errors import DiskFull
from sqlalchemy.exc import OperationalError

from dataml.errors import Conflict, DatamlError, FieldError, Forbidden, InvalidFields
from dataml.http.errors import add_exception_handlers, error_body
from dataml.settings import load_settings


def test_an_error_has_detail_code_and_request_id() -> None:
    body = orjson.loads(error_body(DatamlError("Do it otherwise.", code="a_code"), "r1"))
    assert body == {"detail": "Do it otherwise.", "code": "a_code", "request_id": "r1"}


def test_several_wrong_fields_are_a_list_as_fastapi_writes_them() -> None:
    error = InvalidFields([FieldError(("body", "features", "tenure"), "not a number", "not_an_integer")])
    body = orjson.loads(error_body(error, "r1"))
    assert body["detail"] == [{"type": "not_an_integer", "loc": ["body", "features", "tenure"], "msg": "not a number"}]
    assert body["code"] == "invalid_fields"


def client_of(error: Exception, refused: list[str], home: Path = Path(".dataml")) -> TestClient:
    """Return a client of an application whose only call raises this error."""
    app = FastAPI()

    @app.get("/")
    async def call(count: int = 0) -> None:
        raise error

    async def on_forbidden(request: Request, error: Forbidden) -> None:
        refused.append(error.code)

    add_exception_handlers(app, load_settings(home=home), on_forbidden)

    async def with_request_id(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scope.setdefault("state", {})["request_id"] = "r1"
        await app(scope, receive, send)

    return TestClient(with_request_id, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict("No.", code="in_use"), 409, "in_use"),
        (Forbidden("No.", code="missing_permission"), 403, "missing_permission"),
        (HTTPException(415), 415, "unsupported_media"),
        (HTTPException(418), 418, "bad_request"),
        (OperationalError("SELECT 1", {}, Exception("away")), 503, "database_unavailable"),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")), 507, "storage_full"),
        (OperationalError("INSERT", {}, DiskFull("could not extend file")), 507, "storage_full"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/secret"), 507, "storage_full"),
        (OSError(errno.EIO, "Input/output error", "/a/secret"), 500, "internal_error"),
        (RuntimeError("a secret in the message"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_is_rendered_alike(error: Exception, status: int, code: str, tmp_path: Path) -> None:
    answer = client_of(error, [], tmp_path).get("/")
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (status, code, "r1")
    assert "secret" not in answer.text


def test_a_parameter_of_the_wrong_type_is_named() -> None:
    answer = client_of(RuntimeError("not reached"), []).get("/", params={"count": "many"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"][0]["loc"] == ["query", "count"]


def test_only_a_403_is_reported_to_the_audit_log() -> None:
    refused: list[str] = []
    client_of(Conflict("No."), refused).get("/")
    client_of(Forbidden("No.", code="session_needed"), refused).get("/")
    assert refused == ["session_needed"]


PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        (PROBLEM, True),
        (f"application/json, {PROBLEM}", True),
        (f"application/json;q=0.5, {PROBLEM}; q=0.9", True),
        (f"application/json, {PROBLEM};q=0.2", False),
        (f"{PROBLEM};q=0", False),
        (f"{PROBLEM};q=nan", False),
        ("Application/Problem+JSON;charset=utf-8", True),
    ],
)
def test_an_error_is_a_problem_where_the_caller_asks_for_it(accept: str | None, is_problem: bool) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = client_of(Conflict("No.", code="in_use"), []).get("/", headers=headers)
    assert answer.headers["content-type"] == (PROBLEM if is_problem else "application/json")
    plain = {"detail": "No.", "code": "in_use", "request_id": "r1"}
    problem = {"type": "urn:dataml:error:in_use", "title": "In use", "status": 409, "instance": "/"}
    assert answer.json() == (plain | problem if is_problem else plain)


def test_the_detail_of_a_problem_is_text_and_wrong_fields_are_its_errors() -> None:
    answer = client_of(RuntimeError("not reached"), []).get("/", params={"count": "x"}, headers={"Accept": PROBLEM})
    body = answer.json()
    assert body["detail"] == "'count' must be a whole number."
    assert [error["loc"] for error in body["errors"]] == [["query", "count"]]


@pytest.mark.parametrize("status", [404, 405, 500])
def test_errors_of_the_framework_are_problems_too(status: int) -> None:
    client = client_of(RuntimeError("a secret"), [])
    answer = client.request(
        "POST" if status == 405 else "GET", "/no" if status == 404 else "/", headers={"Accept": PROBLEM}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json()["status"] == status
