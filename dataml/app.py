"""The HTTP API as one ASGI application. Imports no Ray: what runs on Ray comes in through `Services`."""

import logging

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml import __version__
from dataml.access import api_key_routes, role_routes, tenant_routes, user_routes
from dataml.access import routes as access
from dataml.access.service import Principal
from dataml.audit import routes as audit
from dataml.audit import service as audit_log
from dataml.audit.service import Outcome
from dataml.datalake import routes as datalake
from dataml.datalake import share_routes
from dataml.datalake.service import Lakes
from dataml.dataset import files
from dataml.dataset import routes as dataset
from dataml.db.scope import Origin
from dataml.db.session import UNREACHABLE, unavailable
from dataml.dependencies import JobToken, Open, Requirement, Services
from dataml.errors import DatamlError, FieldError, Forbidden, InvalidFields
from dataml.http.wire import checked_body, client_address, error_body, request_id_of, security_headers
from dataml.inference import forecast_routes
from dataml.inference import routes as inference
from dataml.inference.realtime import RealTime
from dataml.jobs import routes as jobs
from dataml.ops import health, ray_jobs
from dataml.template import routes as template
from dataml.train import explanation_routes, export_routes, report_routes
from dataml.train import routes as train
from dataml.train.callbacks import routes as callbacks
from dataml.train.lifecycle import routes as lifecycle

log = logging.getLogger(__name__)

# They read their own bodies, within budgets of their own.
_UPLOADS = frozenset({"/api/v1/dataset/upload", "/api/v1/files/add", "/api/v1/template/infer"})
_MODULES = (
    access,
    user_routes,
    role_routes,
    tenant_routes,
    api_key_routes,
    template,
    dataset,
    files,
    train,
    callbacks,
    lifecycle,
    explanation_routes,
    export_routes,
    report_routes,
    inference,
    forecast_routes,
    datalake,
    share_routes,
    jobs,
    audit,
    health,
    ray_jobs,
)
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media"}


def create_app(services: Services) -> "Front":
    """The whole API: every router under `/api/v1`, docs at `/docs`, the prediction routes on a path of their own."""
    app = FastAPI(title="dataml", version=__version__, description=_DESCRIPTION, redirect_slashes=False)
    app.state.services = services
    app.state.lakes = Lakes(services.settings)
    realtime = RealTime(services.database, services.keys, services.endpoints)
    app.state.realtime = realtime
    api = APIRouter(prefix="/api/v1")
    for module in _MODULES:
        api.include_router(_with_stated_needs(module.router))
    app.include_router(api)
    app.include_router(_with_stated_needs(inference.direct))
    app.add_exception_handler(DatamlError, _render)
    app.add_exception_handler(RequestValidationError, _render_validation)
    app.add_exception_handler(HTTPException, _render_http)
    for unreachable in UNREACHABLE:
        app.add_exception_handler(unreachable, _render_unreachable)
    app.add_exception_handler(Exception, _render_defect)
    return Front(app, realtime, services.settings.forwarded_hops)


def needs_of(route: APIRoute) -> list[str]:
    """What a route states in its signature that a caller needs; see `dependencies`."""
    return [d.call.needs for d in route.dependant.dependencies if isinstance(d.call, Requirement | Open | JobToken)]


def _with_stated_needs(router: APIRouter) -> APIRouter:
    """The router, each of its routes with what it needs in its description.

    Raises:
        RuntimeError: a route states nothing, or two things.
    """
    for route in router.routes:
        assert isinstance(route, APIRoute)
        needs = needs_of(route)
        if len(needs) != 1:
            raise RuntimeError(f"{route.path} states {needs} as what its caller needs; it has to be one thing")
        route.openapi_extra = {**(route.openapi_extra or {}), "x-needs": needs[0]}
    return router


class Front:
    """Outermost: gives each request its id, takes a trailing slash off the path, checks the body, and answers real-time
    predictions before the framework's stack, which costs more than the prediction itself."""

    def __init__(self, app: ASGIApp, realtime: RealTime, forwarded_hops: int) -> None:
        self.app = app
        self._realtime = realtime
        self._forwarded_hops = forwarded_hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
            scope["path"] = path
        request_id = request_id_of(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        if scope["method"] == "POST" and self._realtime.serves(path):
            await self._realtime(scope, receive, send)
            return
        if path not in _UPLOADS:
            receive = checked_body(scope, receive)
        state["origin"] = Origin(client_address(scope, self._forwarded_hops), request_id)
        headers = [(b"x-request-id", request_id.encode()), *security_headers(path)]

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        await self.app(scope, receive, send_with_id)


async def _render(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatamlError)
    if isinstance(error, Forbidden):
        await _record_refusal(request, error)
    body = error_body(error, request.scope["state"]["request_id"])
    return Response(body, error.status, error.headers, "application/json")


async def _record_refusal(request: Request, error: Forbidden) -> None:
    """Who tried what they may not do is in the audit log."""
    principal: Principal = request.scope["state"]["principal"]
    services: Services = request.app.state.services
    async with services.database.transaction() as session:
        # As the server has decoded it: it may hold what no database takes.
        path = request.scope["path"].replace("\0", "\ufffd").encode(errors="replace").decode()
        tried = f"{request.method} {path}"[:300]
        audit_log.record(session, principal.scope, "access.refuse", tried, Outcome.REFUSED, code=error.code)


async def _render_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [FieldError(tuple(e["loc"]), e["msg"], e["type"]) for e in error.errors()]
    return await _render(request, InvalidFields(fields, code="invalid_request"))


async def _render_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, DatamlError):
        # The framework makes a 400 of whatever is raised while it reads a body.
        return await _render(request, error.__cause__)
    refusal = DatamlError(str(error.detail), code=_CODES.get(error.status_code, "bad_request"))
    body = error_body(refusal, request.scope["state"]["request_id"])
    return Response(body, error.status_code, error.headers, "application/json")


async def _render_unreachable(request: Request, error: Exception) -> Response:
    log.error("the database could not be asked", exc_info=error)
    return await _render(request, unavailable())


async def _render_defect(request: Request, error: Exception) -> Response:
    # Starlette logs the exception itself after this answer.
    defect = DatamlError("The platform has made a mistake; its log has the cause.", code="internal_error")
    return Response(error_body(defect, request.scope["state"]["request_id"]), 500, media_type="application/json")


_DESCRIPTION = """
Describe data once, upload and validate datasets against the description, train predictors, look at their quality,
and predict in real time and in batch. Log in with **Authorize**, or send the token of `POST /api/v1/login/access-token`
as a bearer token.
"""
