"""The OpenAPI document, as generators of clients read it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from dataml.app import create_app
from dataml.http.openapi import complete
from dataml.settings import Settings

Json = dict[str, Any]
# Calls that take a job's token, which no user holds.
INTERNAL = {"report_training_result", "report_shap_result"}


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app(Mock(settings=Settings.model_construct())).app.openapi()  # type: ignore[attr-defined]


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for methods in document["paths"].values():
        yield from methods.items()


def operation(document: Json, operation_id: str) -> Json:
    return next(call for _, call in operations(document) if call["operationId"] == operation_id)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_operation_ids_are_short_and_unique(document: Json) -> None:
    ids = Counter(call["operationId"] for _, call in operations(document))
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if len(name) > 40 or not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert {"upload_dataset", "create_training", "predict", "log_in", "get_job"} <= set(ids)


def test_every_operation_has_one_tag_which_is_described(document: Json) -> None:
    described = [tag["name"] for tag in document["tags"] if tag["description"]]
    used = [tag for _, call in operations(document) for tag in call["tags"]]
    assert sorted(described) == sorted(set(used))
    assert [call["operationId"] for _, call in operations(document) if len(call["tags"]) != 1] == []


def test_internal_calls_are_marked(document: Json) -> None:
    marked = {call["operationId"] for _, call in operations(document) if call.get("x-internal")}
    assert marked == INTERNAL


def test_every_reference_leads_to_something(document: Json) -> None:
    for reference in set(references(document)):
        part = document
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]


def test_every_schema_is_used_under_its_own_name(document: Json) -> None:
    schemas = document["components"]["schemas"]
    used = {name.removeprefix("#/components/schemas/") for name in references(document)}
    assert set(schemas) - used == set()
    assert [name for name, schema in schemas.items() if schema.get("title") != name] == []
    # What FastAPI calls a schema whose name another one has.
    assert [name for name in schemas if "__" in name or name.endswith(("-Input", "-Output"))] == []


def test_bodies_are_schemas_with_a_name(document: Json) -> None:
    bodies = [call["requestBody"] for _, call in operations(document) if "requestBody" in call]
    inline = [media["schema"] for body in bodies for media in body["content"].values() if "$ref" not in media["schema"]]
    assert [schema for schema in inline if "anyOf" not in schema] == []


def test_two_bodies_of_one_name_are_refused() -> None:
    def call(schema: Json) -> Json:
        body = {"title": "Body", "type": "object", **schema}
        return {"requestBody": {"content": {"application/json": {"schema": body}}}, "x-needs": "a", "responses": {}}

    paths = {"/a": {"post": call({})}, "/b": {"post": call({"additionalProperties": False})}}
    with pytest.raises(RuntimeError, match="two schemas have the name Body"):
        complete({"paths": paths, "components": {"schemas": {}}})


@pytest.mark.parametrize(
    ("operation_id", "statuses"),
    [
        ("check_health", [422, 503]),
        ("log_in", [400, 401, 413, 415, 422, 429, 503, 507]),
        ("list_datasets", [401, 403, 422, 429, 503]),
        ("get_dataset", [401, 403, 404, 409, 422, 429, 503]),
        ("delete_dataset", [401, 403, 404, 409, 422, 429, 503, 507]),
        ("upload_dataset", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507]),
        ("predict", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507]),
    ],
)
def test_operation_declares_the_errors_that_can_occur(document: Json, operation_id: str, statuses: list[int]) -> None:
    responses = operation(document, operation_id)["responses"]
    assert [int(status) for status in responses if int(status) >= 400] == statuses


def test_every_error_has_one_schema(document: Json) -> None:
    for _, call in operations(document):
        for status, response in call["responses"].items():
            if int(status) >= 400:
                assert response == {"$ref": f"#/components/responses/Error{status}"}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for name, response in document["components"]["responses"].items():
        assert response["content"] == error
        has_retry_after = "Retry-After" in response.get("headers", {})
        assert has_retry_after == (name in ("Error429", "Error503", "Error507"))
    assert document["components"]["schemas"]["Error"]["required"] == ["detail", "code", "request_id"]
