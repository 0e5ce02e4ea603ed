"""The OpenAPI description covers the dataset and file calls."""

from typing import Any

from tests.client import Client

DESCRIBED = ("/api/v1/dataset/", "/api/v1/files/")


def test_every_field_of_an_answer_is_described(anonymous: Client) -> None:
    openapi = anonymous.get("/openapi.json").json()
    schemas = openapi["components"]["schemas"]
    referenced = [
        _schema_names(call)
        for path, calls in openapi["paths"].items()
        if path.startswith(DESCRIBED)
        for call in calls.values()
    ]
    names, seen = set().union(*referenced), set()
    while names:
        name = names.pop()
        seen.add(name)
        for field, about in schemas[name].get("properties", {}).items():
            assert name == "JobError" or about.get("description"), (name, field)
        names |= _schema_names(schemas[name]) - seen
    assert {"UploadAnswer", "DatasetAnswer", "FileAnswer", "ErrorReportAnswer"} <= seen


def test_the_upload_is_described_as_a_form_with_files(anonymous: Client) -> None:
    openapi = anonymous.get("/openapi.json").json()
    upload = openapi["paths"]["/api/v1/dataset/upload"]["post"]
    body = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body == {"$ref": "#/components/schemas/FilesForm"}
    form = openapi["components"]["schemas"]["FilesForm"]
    assert form["properties"]["files"]["items"]["format"] == "binary"


def _schema_names(part: Any) -> set[str]:
    """Return the names of the schemas that this part refers to."""
    if isinstance(part, dict):
        refers = isinstance(part.get("$ref"), str) and part["$ref"].startswith("#/components/schemas/")
        own = {part["$ref"].rsplit("/", 1)[-1]} if refers else set()
        return own.union(*(_schema_names(value) for value in part.values()))
    return set().union(*(_schema_names(value) for value in part)) if isinstance(part, list) else set()
