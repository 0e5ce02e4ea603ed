"""One request of a browser for a page: who asks, what the page may call, and how it is answered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.console import session
from dataml.console.api import Api, ApiError
from dataml.console.navigation import sections_of
from dataml.console.rendering import environment, url
from dataml.console.session import Tokens
from dataml.errors import DatamlError, Unauthorized
from dataml.settings import Settings

SIGN_IN: Final = "/sign-in"
THEME_COOKIE: Final = "dataml_theme"
_DAY_S: Final = 24 * 3600
# Only files of this server, and no script or style within a page.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass
class Visit:
    """A request for a page by a user who has signed in.

    Attributes:
        request: The request.
        principal: The user, with their permissions.
        api: The API, for this user.
        access_token: The token that the API is called with.
    """

    request: Request
    principal: Principal
    api: Api
    access_token: str

    def may(self, permission: Permission) -> bool:
        """Return whether the user has a permission."""
        return permission in self.principal.permissions

    def render(self, page_template: str, /, status: int = HTTPStatus.OK, **context: Any) -> Response:
        """Return a page."""
        return render(self.request, page_template, status, visit=self, **context)

    def redirect(self, path: str, notice: str | None = None, **query: Any) -> Response:
        """Send the browser to another page, which shows the notice."""
        return RedirectResponse(url(path, notice=notice, **query), HTTPStatus.SEE_OTHER)


View = Callable[[Visit], Awaitable[Response]]


class _Page:
    """The ASGI application of a page for users who have signed in."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            # A script that follows what is typed ends a request when the next one is due.
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            session.check_origin(request)
            principal, access_token, renewed = await sign_in_again(request)
        except Unauthorized:
            return _to_sign_in(request)
        except (ApiError, DatamlError) as error:
            return render(request, "error.html", error.status, error=error)
        # Handlers of errors and the audit log of refusals look for the caller there.
        request.scope["state"]["principal"] = principal
        visit = Visit(request, principal, Api(request, access_token, principal), access_token)
        try:
            response = await self._view(visit)
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return _to_sign_in(request)
            response = visit.render("error.html", error.status, error=error)
        except DatamlError as error:
            response = visit.render("error.html", error.status, error=error)
        if renewed is not None:
            session.keep(response, request, renewed, session_seconds(request))
        return response


def page(path: str, view: View, *methods: str) -> Route:
    """Return the route of a page for users who have signed in."""
    route = Route(path, _Page(view), methods=None, include_in_schema=False)
    route.methods = set(methods or ("GET", "HEAD"))
    return route


def render(request: Request, page_template: str, /, status: int = HTTPStatus.OK, **context: Any) -> Response:
    """Return a page; `visit` is None where nobody has signed in."""
    visit: Visit | None = context.pop("visit", None)
    theme = request.cookies.get(THEME_COOKIE)
    html = (
        environment()
        .get_template(page_template)
        .render(
            request=request,
            visit=visit,
            sections=sections_of(visit.principal) if visit else (),
            theme=theme if theme in ("light", "dark") else "auto",
            notice=request.query_params.get("notice"),
            origin=f"{request.url.scheme}://{request.url.netloc}",
            paths=request.app.openapi()["paths"],
            calls=visit.api.calls if visit else (),
            is_fragment=request.headers.get("x-fragment") is not None,
            **context,
        )
    )
    return HTMLResponse(html, status, headers={"Content-Security-Policy": POLICY})


async def sign_in_again(request: Request) -> tuple[Principal, str, Tokens | None]:
    """Return who has signed in with this browser, the access token, and the session's tokens where they were renewed.

    Raises:
        Unauthorized: nobody has, or the session has ended.
        ApiError: the session cannot be renewed now.
    """
    state = request.app.state
    authenticator = Authenticator(state.database, state.keys)
    if access_token := request.cookies.get(session.ACCESS_COOKIE):
        try:
            return await authenticator.authenticate(f"Bearer {access_token}"), access_token, None
        except Unauthorized as error:
            if error.code != "token_expired":
                raise
    refresh_token = request.cookies.get(session.REFRESH_COOKIE)
    if not refresh_token:
        raise Unauthorized("Sign in.", code="missing_token")
    try:
        answer = await Api(request, None).call("POST", "/refresh", form={"refresh_token": refresh_token})
    except ApiError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise Unauthorized(error.detail, code=error.code) from error
        raise
    tokens = tokens_of(answer)
    return await authenticator.authenticate(f"Bearer {tokens.access_token}"), tokens.access_token, tokens


def tokens_of(answer: Mapping[str, Any]) -> Tokens:
    """Return the tokens in an answer to a login or a refresh."""
    return Tokens(answer["access_token"], answer["refresh_token"], answer["expires_in"])


def session_seconds(request: Request) -> int:
    """Return how long a session lasts without a visit."""
    settings: Settings = request.app.state.settings
    return settings.refresh_token_days * _DAY_S


def _to_sign_in(request: Request) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = RedirectResponse(
        url(SIGN_IN, next=target if request.method in ("GET", "HEAD") else None), HTTPStatus.SEE_OTHER
    )
    session.forget(response)
    return response
