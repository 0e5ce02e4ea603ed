"""What the API says about itself."""

from typing import Any

from tests.client import Client

DESCRIBED = ("/api/v1/dataset/", "/api/v1/files/")


def test_every_field_of_an_answer_is_described(anonymous: Client) -> None:
    openapi = anonymous.get("/openapi.json").json()
    schemas = openapi["components"]["schemas"]
    waiting = [
        _names(call)
        for path, calls in openapi["paths"].items()
        if path.startswith(DESCRIBED)
        for call in calls.values()
    ]
    names, seen = set().union(*waiting), set()
    while names:
        name = names.pop()
        seen.add(name)
        for field, about in schemas[name].get("properties", {}).items():
            assert name in ("HTTPValidationError", "ValidationError", "JobError") or about.get("description"), (
                name,
                field,
            )
        names |= _names(schemas[name]) - seen
    assert {"UploadAnswer", "DatasetAnswer", "FileAnswer", "ErrorReportAnswer"} <= seen


def test_the_upload_says_that_it_takes_files(anonymous: Client) -> None:
    upload = anonymous.get("/openapi.json").json()["paths"]["/api/v1/dataset/upload"]["post"]
    body = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["properties"]["files"]["items"]["format"] == "binary"


def _names(part: Any) -> set[str]:
    """Schemas that are referred to anywhere in this part."""
    if isinstance(part, dict):
        own = {part["$ref"].rsplit("/", 1)[-1]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_names(value) for value in part.values()))
    return set().union(*(_names(value) for value in part)) if isinstance(part, list) else set()
