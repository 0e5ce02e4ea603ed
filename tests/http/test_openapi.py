"""The OpenAPI document, as generators of clients read it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from dataml.app import create_app
from dataml.errors import FieldError, InvalidFields, NotFound
from dataml.http.errors import problem_body
from dataml.http.openapi import complete
from dataml.settings import Settings
from tests.client import Client

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
        ("list_lake_schemas", [401, 403, 422, 429, 503]),
        ("list_files", [401, 403, 404, 409, 422, 429, 503]),
        ("list_api_keys", [401, 403, 404, 409, 422, 429, 503]),
        ("list_audit_events", [401, 403, 404, 409, 422, 429, 503]),
        ("list_template_versions", [401, 403, 404, 409, 422, 429, 503]),
        ("create_tenant", [400, 401, 403, 409, 413, 415, 422, 429, 503, 507]),
        ("create_user", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507]),
        ("get_dataset", [401, 403, 404, 409, 422, 429, 503]),
        ("delete_dataset", [401, 403, 404, 409, 422, 429, 503, 507]),
        ("upload_dataset", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507]),
        ("predict", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507]),
    ],
)
def test_operation_declares_the_errors_that_can_occur(document: Json, operation_id: str, statuses: list[int]) -> None:
    responses = operation(document, operation_id)["responses"]
    assert [int(status) for status in responses if int(status) >= 400] == statuses


def test_every_error_has_one_schema_for_each_type(document: Json) -> None:
    for path, methods in document["paths"].items():
        name = "OpenInferenceError" if path.startswith("/v2") else "Error"
        for call in methods.values():
            for status, response in call["responses"].items():
                if int(status) >= 400:
                    assert response == {"$ref": f"#/components/responses/{name}{status}"}
    for name, response in document["components"]["responses"].items():
        assert response["content"] == {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{name[:-3]}"}},
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        }
        has_retry_after = "Retry-After" in response.get("headers", {})
        assert has_retry_after == name.endswith(("429", "503", "507"))
    assert document["components"]["schemas"]["Error"]["required"] == ["detail", "code", "request_id"]


def test_a_problem_fits_its_schema(document: Json) -> None:
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    wrong = InvalidFields([FieldError(("body", "name"), "Send a name.", "missing")], code="invalid_request")
    for error in (NotFound("There is no such thing.", code="not_found"), wrong):
        problem = json.loads(problem_body(error, error.status, "id", "/api/v1/train"))
        Draft202012Validator({**schema, "unevaluatedProperties": False}).validate(problem)


def examples(document: Json) -> Iterator[tuple[str, str, Json, Json]]:
    """Yield operation id, media type, schema and example of every body."""
    schemas = document["components"]["schemas"]
    for _, call in operations(document):
        for media_type, media in call.get("requestBody", {}).get("content", {}).items():
            schema = schemas[media["schema"]["$ref"].rpartition("/")[2]]
            found = [media["example"]] if "example" in media else schema.get("examples", [])
            assert len(found) == 1, call["operationId"]
            yield call["operationId"], media_type, schema, found[0]


def test_every_body_has_an_example_that_fits_its_schema(document: Json) -> None:
    wrong = {}
    for operation_id, media_type, schema, example in examples(document):
        validator = Draft202012Validator({**schema, "components": document["components"]})
        if errors := [error.message for error in validator.iter_errors(example)]:
            wrong[f"{operation_id} {media_type}"] = errors
    assert wrong == {}


def test_every_example_is_a_body_that_the_call_reads(client: Client, document: Json) -> None:
    """What an example names need not exist: then the call says so, and finds nothing wrong in the body itself."""
    urls = {call["operationId"]: (m, path) for path, calls in document["paths"].items() for m, call in calls.items()}
    wrong = {}
    for operation_id, media_type, _, example in examples(document):
        method, path = urls[operation_id]
        url = re.sub(r"\{[^}]*\}", "9999", path)
        if media_type == "multipart/form-data":
            body: Json = {"files": [("files", ("a.csv", text.encode())) for text in example["files"]]}
        else:
            body = {"json" if media_type == "application/json" else "data": example}
        params = {"dataset_name": "example", "usage": "t"} if operation_id == "upload_dataset" else {}
        params |= {"dataset_id": 9999} if operation_id == "add_files" else {}
        answer = client.request(method, url, params=params, **body)
        if answer.status_code == 422 and answer.json()["code"] in ("invalid_request", "invalid_json"):
            wrong[operation_id] = answer.json()["detail"]
    assert wrong == {}


def test_document_is_valid_openapi(document: Json) -> None:
    validate(json.loads(json.dumps(document)))
