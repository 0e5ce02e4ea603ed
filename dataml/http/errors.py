"""Errors on the wire: how a `DatamlError`, and everything else that a call can raise, is rendered."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from dataml.db.session import UNREACHABLE, database_full, is_database_full, unavailable
from dataml.errors import DatamlError, FieldError, Forbidden, InvalidFields
from dataml.http.strict_json import dump_json
from dataml.settings import Settings
from dataml.storage.space import is_storage_full, storage_full

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media"}
OnForbidden = Callable[[Request, Forbidden], Awaitable[None]]
log = logging.getLogger(__name__)


def error_body(error: DatamlError, request_id: str) -> bytes:
    """Return `{"detail", "code", "request_id"}`; several wrong fields are a list, as FastAPI writes them."""
    detail: Any = error.detail
    if isinstance(error, InvalidFields):
        detail = [{"type": f.code, "loc": list(f.location), "msg": f.message} for f in error.fields]
    return dump_json({"detail": detail, "code": error.code, "request_id": request_id})


def add_exception_handlers(app: FastAPI, settings: Settings, on_forbidden: OnForbidden) -> None:
    """Render every error of every route in one shape; `on_forbidden` is called before a 403 is sent."""

    async def render(request: Request, error: Exception) -> Response:
        assert isinstance(error, DatamlError)
        if isinstance(error, Forbidden):
            await on_forbidden(request, error)
        body = error_body(error, request.scope["state"]["request_id"])
        return Response(body, error.status, error.headers, "application/json")

    async def render_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        fields = [FieldError(tuple(e["loc"]), e["msg"], e["type"]) for e in error.errors()]
        return await render(request, InvalidFields(fields, code="invalid_request"))

    async def render_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, DatamlError):
            # FastAPI wraps whatever is raised while it reads a body into a 400.
            return await render(request, error.__cause__)
        refusal = DatamlError(str(error.detail), code=_CODES.get(error.status_code, "bad_request"))
        body = error_body(refusal, request.scope["state"]["request_id"])
        return Response(body, error.status_code, error.headers, "application/json")

    async def render_unreachable(request: Request, error: Exception) -> Response:
        assert isinstance(error, SQLAlchemyError)
        log.error("The database could not be reached", exc_info=error)
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
    defect = DatamlError("The platform has made a mistake; its log has the cause.", code="internal_error")
    return Response(error_body(defect, request.scope["state"]["request_id"]), 500, media_type="application/json")
