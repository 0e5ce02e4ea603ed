"""The HTTP API as one ASGI application. Imports no Ray: what runs on Ray comes in through `Services`."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml import __version__
from dataml.access import routes as access
from dataml.dataset import files
from dataml.dataset import routes as dataset
from dataml.dependencies import Services
from dataml.errors import DatamlError, FieldError, InvalidFields
from dataml.inference import routes as inference
from dataml.inference.realtime import RealTime
from dataml.jobs import routes as jobs
from dataml.ops import health, ray_jobs
from dataml.template import routes as template
from dataml.train import routes as train
from dataml.wire import checked_body, error_body, request_id_of

# Reads its own body, within a budget of its own.
_UPLOAD = "/api/v1/dataset/upload"
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media"}


def create_app(services: Services) -> "Front":
    """The whole API: every router under `/api/v1`, docs at `/docs`, the prediction routes on a path of their own."""
    app = FastAPI(title="dataml", version=__version__, description=_DESCRIPTION, redirect_slashes=False)
    app.state.services = services
    realtime = RealTime(services.database, services.key, services.endpoints)
    app.state.realtime = realtime
    api = APIRouter(prefix="/api/v1")
    for router in (access, template, dataset, files, train, inference, jobs, health, ray_jobs):
        api.include_router(router.router)
    app.include_router(api)
    app.include_router(inference.direct)
    app.add_exception_handler(DatamlError, _render)
    app.add_exception_handler(RequestValidationError, _render_validation)
    app.add_exception_handler(HTTPException, _render_http)
    app.add_exception_handler(Exception, _render_defect)
    return Front(app, realtime)


class Front:
    """Outermost: gives each request its id, takes a trailing slash off the path, checks the body, and answers real-time
    predictions before the framework's stack, which costs more than the prediction itself."""

    def __init__(self, app: ASGIApp, realtime: RealTime) -> None:
        self.app = app
        self._realtime = realtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
            scope["path"] = path
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["method"] == "POST" and self._realtime.serves(path):
            await self._realtime(scope, receive, send)
            return
        if path != _UPLOAD:
            receive = checked_body(scope, receive)
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), header]
            await send(message)

        await self.app(scope, receive, send_with_id)


async def _render(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatamlError)
    body = error_body(error, request.scope["state"]["request_id"])
    return Response(body, error.status, error.headers, "application/json")


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


async def _render_defect(request: Request, error: Exception) -> Response:
    # Starlette logs the exception itself after this answer.
    defect = DatamlError("The platform has made a mistake; its log has the cause.", code="internal_error")
    return Response(error_body(defect, request.scope["state"]["request_id"]), 500, media_type="application/json")


_DESCRIPTION = """
Describe data once, upload and validate datasets against the description, train predictors, look at their quality,
and predict in real time and in batch. Log in with **Authorize**, or send the token of `POST /api/v1/login/access-token`
as a bearer token.
"""
