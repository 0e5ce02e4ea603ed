"""Requests that carry a secret: in the body, as a form or JSON, or in the query as the API reference has it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel

from dataml.errors import Invalid
from dataml.http.openapi import SCHEMA_REF
from dataml.http.validation import read_as

_M = TypeVar("_M", bound=BaseModel)


def secrets_in(model: type[_M]) -> Callable[[Request], Awaitable[_M]]:
    """Return a dependency that reads a `model` from the body, or without a body from the query.

    Raises:
        InvalidFields: `invalid_request`; what was sent is never repeated.
        Invalid: `invalid_json`, `invalid_form`.
    """

    async def read(request: Request) -> _M:
        source, values = "query", dict[str, Any](request.query_params)
        if await request.body():
            source = "body"
            is_json = "json" in request.headers.get("content-type", "application/json").lower()
            values = await request.json() if is_json else await _form(request)
        return read_as(model, values, source)

    return read


async def _form(request: Request) -> dict[str, Any]:
    try:
        return dict(await request.form())
    except (ValueError, LookupError) as error:
        # An unknown charset, or text that does not fit it.
        raise Invalid("The form cannot be read.", code="invalid_form") from error


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI description of such a request."""
    schema = model.model_json_schema(ref_template=SCHEMA_REF)
    query = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "deprecated": True,
            "schema": {"type": "string"},
            "description": "Better sent in the body, which no log and no browser history keeps.",
        }
        for name in model.model_fields
    ]
    media = ("application/json", "application/x-www-form-urlencoded")
    content = {name: {"schema": schema} for name in media}
    return {"requestBody": {"required": False, "content": content}, "parameters": query}
