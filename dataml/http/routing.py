"""The router of every feature: its routes read JSON bodies strictly, once, and within a budget."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from dataml.errors import TooLarge
from dataml.http.strict_json import MAX_JSON_BYTES, read_json


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
    """A route whose handler and dependencies get a `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of FastAPI, called with a `StrictRequest` of the same scope."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if self.body_field is not None and await strict.body() and strict.is_json:
                # FastAPI goes by the first content type only, and gets this value from the request again.
                await strict.json()
            return await handle(strict)

        return handle_strictly


class Router(APIRouter):
    """An `APIRouter` of strict routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, **options)
