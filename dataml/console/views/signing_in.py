"""Signing in and out."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dataml.console import session
from dataml.console.api import Api, ApiError
from dataml.console.session import REFRESH_COOKIE, next_path
from dataml.console.visit import SIGN_IN, render, session_seconds, tokens_of
from dataml.errors import DatamlError


async def show(request: Request) -> Response:
    """Ask for name and password."""
    return _page(request, next_path(request.query_params.get("next")))


async def sign_in(request: Request) -> Response:
    """Open a session, or say why not."""
    try:
        session.check_origin(request)
    except DatamlError as error:
        return render(request, "error.html", error.status, error=error)
    form = await request.form()
    username, password, target = (str(form.get(name, "")) for name in ("username", "password", "next"))
    try:
        answer = await Api(request, None).call(
            "POST", "/login/access-token", form={"username": username, "password": password}
        )
    except ApiError as error:
        return _page(request, next_path(target), username, error.detail, error.status)
    response = RedirectResponse(next_path(target), HTTPStatus.SEE_OTHER)
    session.keep(response, request, tokens_of(answer), session_seconds(request))
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    try:
        session.check_origin(request)
    except DatamlError as error:
        return render(request, "error.html", error.status, error=error)
    if refresh_token := request.cookies.get(REFRESH_COOKIE):
        try:
            await Api(request, None).call("POST", "/logout", form={"refresh_token": refresh_token})
        except ApiError as error:
            # A session that is unknown, or over, needs no end.
            if error.status != HTTPStatus.UNAUTHORIZED:
                return render(request, "error.html", error.status, error=error)
    response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
    session.forget(response)
    return response


def _page(request: Request, target: str, username: str = "", failure: str | None = None, status: int = 200) -> Response:
    return render(request, "sign_in.html", status, next=target, username=username, failure=failure)
