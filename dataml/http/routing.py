"""The router of every feature: its routes read JSON bodies strictly, once, and within a budget."""

import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.routing import Match
from starlette.types import Scope

from dataml.errors import TooLarge
from dataml.http.idempotency import call as idempotency
from dataml.http.request_hooks import hooks_of
from dataml.http.strict_json import MAX_JSON_BYTES, read_json
from dataml.http.validation import refuse_unknown_parameters

# FastAPI makes a field of each parameter, with its name as an alias, of which Pydantic warns. FastAPI hides the warning
# by filters that all threads share: while another thread changes them, the warning is printed at random.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)


class StrictRequest(Request):
    """A request whose body has `MAX_JSON_BYTES` bytes at most, and whose JSON is read by `read_json`.

    A route that takes larger bodies reads `receive` itself, within a budget of its own (`http.multipart`).
    """

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON by any of its content types, or has none."""
        content_types = self.headers.getlist("content-type")
        return not content_types or any("json" in content_type.lower() for content_type in content_types)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in pieces.

        Raises:
            TooLarge: `body_too_large`.
        """
        size_bytes = 0
        async for piece in super().stream():
            size_bytes += len(piece)
            if size_bytes > MAX_JSON_BYTES:
                raise TooLarge(f"A body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
            yield piece

    async def json(self) -> Any:
        """Return the body as JSON. Raises what `read_json` raises."""
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose handler and dependencies get a `StrictRequest`, and which refuses unknown parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of FastAPI, called with a `StrictRequest` of the same scope."""
        handle = super().get_route_handler()
        takes_key = any(each.call is idempotency.document_key for each in self.dependant.dependencies)
        known = self.query_parameters

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            refuse_unknown_parameters(strict.query_params, known)
            if self.body_field is not None and await strict.body() and strict.is_json:
                # FastAPI goes by the first content type only, and gets this value from the request again.
                await strict.json()
            if takes_key and idempotency.HEADER in strict.headers:
                response = await idempotency.answer_once(strict, handle)
            else:
                response = await handle(strict)
            for hook in hooks_of(strict).on_response:
                response = await hook(response)
            return response

        return handle_strictly

    @property
    def query_parameters(self) -> list[str]:
        """The names that the query of a call can have."""
        read = [field.alias for field in get_flat_params(self.dependant) if isinstance(field.field_info, Query)]
        described = (self.openapi_extra or {}).get("parameters", ())
        return [*read, *(parameter["name"] for parameter in described if parameter["in"] == "query")]


class Router(APIRouter):
    """An `APIRouter` of strict routes. A `POST` that makes something, by its status, takes an `Idempotency-Key`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for a route of the router, as `APIRouter`, without trying them in vain."""
        # A router is asked with the whole path. FastAPI tries each route of each router, which takes a millisecond.
        if self.prefix not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route, as `APIRouter`."""
        own = list(options.pop("dependencies", None) or ())
        if options.get("methods") == ["POST"] and options.get("status_code") in (201, 202) and SECRET_ANSWER not in own:
            own.append(Depends(idempotency.document_key))
        super().add_api_route(path, endpoint, dependencies=own, **options)


async def _secret_answer() -> None:
    pass


SECRET_ANSWER: Final = Depends(_secret_answer)
"""Marks a route whose answer has a secret: it must not be stored, so the route takes no `Idempotency-Key`."""
