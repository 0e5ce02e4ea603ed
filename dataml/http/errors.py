"""Errors on the wire: how a `DatamlError`, and everything else that a call can raise, is rendered."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from dataml.db.session import UNREACHABLE, database_full, is_database_full, unavailable
from dataml.errors import DatamlError, Defect, Forbidden, InvalidFields
from dataml.http.headers import PROBLEM_JSON, prefers_problem
from dataml.http.open_inference import is_open_inference, open_inference_error_body
from dataml.http.strict_json import dump_json
from dataml.http.validation import invalid_request
from dataml.metrics.definitions import HTTP_ERRORS
from dataml.settings import Settings
from dataml.storage.space import is_storage_full, storage_full

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media"}
OnForbidden = Callable[[Request, Forbidden], Awaitable[None]]
log = logging.getLogger(__name__)


def render_error(error: DatamlError, status: int, scope: Scope) -> tuple[bytes, str]:
    """Count an error, and return its body and media type: `application/problem+json` where the caller asks for it.

    Under `/v2` it is as the Open Inference Protocol has it.
    """
    HTTP_ERRORS.add(error.code)
    request_id: str = scope["state"]["request_id"]
    if prefers_problem(scope):
        return problem_body(error, status, request_id, quote(scope["path"], safe="/@", errors="replace")), PROBLEM_JSON
    if is_open_inference(scope["path"]):
        return open_inference_error_body(error, request_id), "application/json"
    return error_body(error, request_id), "application/json"


def error_body(error: DatamlError, request_id: str) -> bytes:
    """Return `{"detail", "code", "request_id"}`; several wrong fields are a list, as FastAPI writes them."""
    detail = _list_fields(error) if isinstance(error, InvalidFields) else error.detail
    return dump_json({"detail": detail, "code": error.code, "request_id": request_id})


def problem_body(error: DatamlError, status: int, request_id: str, path: str) -> bytes:
    """Return an error as RFC 9457 has it: `detail` is text, and several wrong fields are also a list `errors`."""
    body: dict[str, Any] = {
        "type": f"urn:dataml:error:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "request_id": request_id,
    }
    return dump_json(body | ({"errors": _list_fields(error)} if isinstance(error, InvalidFields) else {}))


def _list_fields(error: InvalidFields) -> list[dict[str, Any]]:
    return [{"type": f.code, "loc": list(f.location), "msg": f.message} for f in error.fields]


def add_exception_handlers(app: FastAPI, settings: Settings, on_forbidden: OnForbidden) -> None:
    """Render every error of every route in one shape; `on_forbidden` is called before a 403 is sent."""

    async def render(request: Request, error: Exception) -> Response:
        assert isinstance(error, DatamlError)
        if isinstance(error, Forbidden):
            await on_forbidden(request, error)
        return _respond(request, error, error.status, error.headers)

    async def render_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await render(request, invalid_request(error.errors(), _body_schema(request)))

    async def render_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, DatamlError):
            # FastAPI wraps whatever is raised while it reads a body into a 400.
            return await render(request, error.__cause__)
        refusal = DatamlError(str(error.detail), code=_CODES.get(error.status_code, "bad_request"))
        return _respond(request, refusal, error.status_code, error.headers)

    async def render_unreachable(request: Request, error: Exception) -> Response:
        assert isinstance(error, SQLAlchemyError)
        is_full = is_database_full(error, settings)
        return await render(request, database_full(settings) if is_full else unavailable())

    async def render_os_error(request: Request, error: Exception) -> Response:
        if not is_storage_full(error):
            raise error
        log.error("A disk is full", exc_info=error)
        return await render(request, storage_full())

    app.add_exception_handler(DatamlError, render)
    app.add_exception_handler(RequestValidationError, render_validation)
    app.add_exception_handler(HTTPException, render_http)
    app.add_exception_handler(OSError, render_os_error)
    for unreachable in UNREACHABLE:
        app.add_exception_handler(unreachable, render_unreachable)
    app.add_exception_handler(Exception, _render_defect)


async def _render_defect(request: Request, error: Exception) -> Response:
    # Starlette logs the exception itself after this answer.
    defect = Defect()
    return _respond(request, defect, defect.status)


def _respond(request: Request, error: DatamlError, status: int, headers: Mapping[str, str] | None = None) -> Response:
    body, media_type = render_error(error, status, request.scope)
    return Response(body, status, headers, media_type)


def _body_schema(request: Request) -> object:
    """Return the type of the body of the call, if it has one."""
    body_field = getattr(request.scope.get("route"), "body_field", None)
    return None if body_field is None else body_field.field_info.annotation
