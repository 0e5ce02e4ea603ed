"""Every documented call, and every documented field of its answer, has a test in this folder."""

import importlib
import pkgutil
import re

import pytest

import tests.reference
from tests.client import API, Client
from tests.reference.calls import CALLS
from tests.reference.record import ALIASES, RECORD, Record, Shown, name_call, shows


def list_shown() -> list[Shown]:
    """Return what the tests of this folder declare to show; each of them fails where it does not."""
    modules = [
        importlib.import_module(f"tests.reference.{module.name}")
        for module in pkgutil.iter_modules(tests.reference.__path__)
        if module.name.startswith("test_")
    ]
    return [shown for module in modules for test in vars(module).values() for shown in getattr(test, "shown", [])]


def test_every_documented_call_and_field_is_shown() -> None:
    shown = list_shown()
    assert set(CALLS) - {one.call for one in shown} == set()
    fields = {(one.call, field) for one in shown for field in one.fields}
    assert {(call, field) for call, about in CALLS.items() for field in about.varying} - fields == set()


def test_documented_calls_are_those_of_the_api(client: Client) -> None:
    assert len(CALLS) == 56
    paths = client.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path.removeprefix(API)}" for path, methods in paths.items() for method in methods}
    assert set(CALLS) | set(ALIASES) <= routes


@pytest.mark.parametrize("call", [*CALLS, *ALIASES])
def test_documented_path_answers_with_and_without_its_trailing_slash(anonymous: Client, call: str) -> None:
    method, _, path = call.partition(" ")
    path = re.sub(r"{\w+}", "1", path)
    statuses = {anonymous.request(method, path + slash).status_code for slash in ("", "/")}
    # Nobody may make the call, or it misses something.
    assert len(statuses) == 1
    assert statuses <= {200, 401, 422}


def test_every_constant_field_has_a_reason() -> None:
    for call, about in CALLS.items():
        assert not set(about.varying) & set(about.constant), call
        assert all(len(reason.split()) > 3 for reason in about.constant.values()), call


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "/api/v1/template/list/", "GET /template/list"),
        ("GET", "/api/v1/template/7", "GET /template/{template_id}"),
        ("DELETE", "/api/v1/template/7/", "DELETE /template/{template_id}"),
        ("GET", "/api/v1/template/7/versions", None),
        ("POST", "/api/v1/inference/", "POST /inference"),
        ("POST", "/api/v1/inference/batch-prediction", "POST /inference/batchPrediction"),
        ("GET", "/api/v1/users/read-users", "GET /users/read-users"),
        ("GET", "/docs", None),
    ],
)
def test_request_is_recorded_under_its_call(method: str, path: str, call: str | None) -> None:
    assert name_call(method, path) == call


def test_values_of_a_field_are_found_at_every_depth() -> None:
    record = Record()
    record.add("a", {"data": [{"id": 1, "more": {"x": None}}, {"id": 2, "more": {"x": [1]}}]})
    record.add("a", {"data": []})
    assert record.values("a", "data[].id") == {"1", "2"}
    assert record.values("a", "data[].more.x") == {"null", "[1]"}
    with pytest.raises(AssertionError, match="is missing"):
        record.values("a", "data[].name")


def test_test_that_does_not_show_what_it_declares_fails() -> None:
    @shows("GET /template/list", "total")
    def shows_nothing() -> None: ...

    with pytest.raises(AssertionError, match="does not make the call"):
        shows_nothing()
    for total in (1, 1):
        RECORD.add("GET /template/list", {"total": total})
    with pytest.raises(AssertionError, match="total"):
        shows_nothing()
    RECORD.add("GET /template/list", {"total": 2})
    shows_nothing()
    with pytest.raises(AssertionError, match="documents no field"):
        shows("GET /template/list", "sum")
