"""Metrics and the span of each request: how it was answered, and how long it took."""

from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml import tracing
from dataml.metrics.definitions import HTTP_REQUEST_DURATION, HTTP_REQUESTS

_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_UNMATCHED: Final = "unmatched"
_API: Final = "/api/"


async def measure_request(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request by an application, and record it.

    An application that has no routes of Starlette says by `scope["state"]["route"]` which one has answered.
    """
    if not tracing.is_on():
        await _measure(app, scope, receive, send)
        return
    with tracing.span_within(_traceparent_of(scope), scope["method"], is_request=True) as span:
        route, status = await _measure(app, scope, receive, send)
        assert span is not None
        span.update_name(f"{scope['method']} {route}")
        span.set_attributes(
            {"http.request.method": scope["method"], "http.route": route, "http.response.status_code": int(status)}
        )


def _traceparent_of(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)


async def _measure(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> tuple[str, str]:
    """Answer a request and record it; return the route and the status."""
    started_at = perf_counter()
    # What an application that fails has answered: see `ServerErrorMiddleware` of Starlette.
    status = "500"

    async def send_noting_status(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = str(message["status"])
        await send(message)

    try:
        await app(scope, receive, send_noting_status)
    finally:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = scope["state"].get("route") or _route_of(scope)
        record_request(method, route, status, perf_counter() - started_at)
    return route, status


def record_request(method: str, route: str, status: str, seconds: float) -> None:
    """Count a request that was answered, by the template of its route, and how long that took."""
    HTTP_REQUESTS.add(method, route, status)
    HTTP_REQUEST_DURATION.observe(seconds, method, route)


def _route_of(scope: Scope) -> str:
    """Return the template of the path of the route that has answered."""
    route: str = getattr(scope.get("route"), "path", _UNMATCHED)
    path: str = scope["path"]
    if path.startswith(_API) and not route.startswith(_API) and route != _UNMATCHED:
        # FastAPI leaves out the prefix with which a router was included.
        return path[: path.index("/", len(_API))] + route
    return route
