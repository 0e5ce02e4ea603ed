"""Rules of the wire that hold for every call before its caller is looked at: unknown parameters, problems, headers."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import Mock

import httpx
import pytest
from starlette.types import ASGIApp

from dataml.app import create_app
from dataml.settings import Settings

PROBLEM = "application/problem+json"
Ask = Callable[..., httpx.Response]


class Call(NamedTuple):
    method: str
    path: str
    parameters: list[str]


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    return create_app(Mock(settings=Settings.model_construct()))


@pytest.fixture(scope="module")
def calls(app: ASGIApp) -> list[Call]:
    found = list(documented(app.app.openapi()))  # type: ignore[attr-defined]
    assert len(found) > 60
    return found


def documented(document: dict[str, Any]) -> Iterator[Call]:
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            names = [p["name"] for p in about.get("parameters", ()) if p["in"] == "query"]
            yield Call(method.upper(), path.replace("{", "").replace("}", ""), names)


@pytest.fixture(scope="module")
def ask(app: ASGIApp) -> Ask:
    async def send(method: str, path: str, **request: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dataml") as client:
            return await client.request(method, path, **request)

    return lambda method, path, **request: asyncio.run(send(method, path, **request))


def test_every_call_names_unknown_parameters(calls: list[Call], ask: Ask) -> None:
    wrong = {}
    for method, path, parameters in calls:
        # A longer name has a nearer one.
        near = f"{max(parameters, key=len)}x" if parameters else "nothing"
        answer = ask(method, path, params={near: "1", "anything": "2", **dict.fromkeys(parameters, "3")})
        if path.startswith("/v2"):  # The Open Inference Protocol has a text for all errors.
            named = answer.json()["error"] == f"There is no parameter '{near}'.; There is no parameter 'anything'."
            is_suggested = True
        else:
            errors = answer.json()["detail"]
            named = [error["loc"] for error in errors] == [["query", near], ["query", "anything"]]
            is_suggested = not parameters or "did you mean" in errors[0]["msg"]
        if (answer.status_code, answer.json()["code"]) != (422, "unknown_parameter") or not named or not is_suggested:
            wrong[f"{method} {path}"] = answer.text
    assert wrong == {}


def test_every_call_answers_a_problem_when_asked(calls: list[Call], ask: Ask) -> None:
    wrong = {}
    for method, path, _ in calls:
        answer = ask(method, path, params={"anything": "1"}, headers={"Accept": PROBLEM})
        fields = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
        if (
            answer.headers["content-type"] != PROBLEM
            or answer.json().keys() != fields
            or answer.json()["status"] != 422
            or answer.json()["instance"] != path
        ):
            wrong[f"{method} {path}"] = answer.text
    assert wrong == {}


@pytest.mark.parametrize("accept", ["*/*", PROBLEM])
def test_no_error_has_a_header_twice(calls: list[Call], ask: Ask, accept: str) -> None:
    twice = {}
    for method, path, _ in [*calls, Call("GET", "/nothing", []), Call("PATCH", "/api/v1/train/list", [])]:
        answer = ask(method, path, params={"anything": "1"}, headers={"Accept": accept})
        names = [name.lower() for name, _ in answer.headers.raw]
        if len(names) != len(set(names)):
            twice[f"{method} {path}"] = names
    assert twice == {}
