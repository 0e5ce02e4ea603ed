"""Requests that bring a secret: in the body, as form or JSON, or in the query as the documentation has it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.http.strict_json import read_json

_M = TypeVar("_M", bound=BaseModel)


def secrets_in(model: type[_M]) -> Callable[[Request], Awaitable[_M]]:
    """A dependency that reads a `model`; without a body, from the query.

    Raises:
        InvalidFields: `invalid_request`; what was sent is never repeated.
        Invalid: `invalid_json`, `invalid_form`.
    """

    async def read(request: Request) -> _M:
        body = await request.body()
        place, given = "query", dict[str, Any](request.query_params)
        if body:
            place = "body"
            is_json = "json" in request.headers.get("content-type", "application/json").lower()
            given = read_json(body) if is_json else await _form(request)
        try:
            return model.model_validate(given)
        except ValidationError as error:
            fields = [FieldError((place, *e["loc"]), e["msg"], e["type"]) for e in error.errors(include_input=False)]
            raise InvalidFields(fields, code="invalid_request") from None

    return read


async def _form(request: Request) -> dict[str, Any]:
    try:
        return dict(await request.form())
    except (ValueError, LookupError) as error:
        # A charset that is none, or text that is not of it.
        raise Invalid("The form cannot be read.", code="invalid_form") from error


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """What the route says of this in its OpenAPI description."""
    schema = model.model_json_schema()
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
