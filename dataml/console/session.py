"""The session of a browser: the tokens of the API in cookies that no script can read.

The access token's cookie ends a little before the token does. Then the next page renews it with the refresh token, as
any client does. A change of the console must come from a page of the console: the browser says where a request comes
from (`Sec-Fetch-Site`, or else `Origin`), and does not send these cookies with another site's form.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from dataml.errors import Forbidden

ACCESS_COOKIE: Final = "dataml_access"
REFRESH_COOKIE: Final = "dataml_refresh"
_MARGIN_S: Final = 30
_MIN_LIFETIME_S: Final = 5
_SAFE_METHODS: Final = ("GET", "HEAD")


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session, and how long the access token is valid, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


def keep(response: Response, request: Request, tokens: Tokens, session_s: int) -> None:
    """Put the tokens into the cookies of an answer, the refresh token for `session_s` seconds."""
    access_s = max(tokens.expires_in - _MARGIN_S, _MIN_LIFETIME_S)
    for name, value, age_s in (
        (ACCESS_COOKIE, tokens.access_token, access_s),
        (REFRESH_COOKIE, tokens.refresh_token, session_s),
    ):
        response.set_cookie(
            name, value, max_age=age_s, path="/", secure=_is_secure(request), httponly=True, samesite="lax"
        )


def forget(response: Response) -> None:
    """Remove the session's cookies."""
    for name in (ACCESS_COOKIE, REFRESH_COOKIE):
        response.delete_cookie(name, path="/", httponly=True, samesite="lax")


def check_origin(request: Request) -> None:
    """Refuse a change that another site's page has asked for.

    Raises:
        Forbidden: `foreign_origin`.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        # Programs, and browsers from before 2023 or without TLS, send no `Sec-Fetch-Site`.
        origin = request.headers.get("origin")
        is_own = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not is_own:
        raise Forbidden("This change was not asked for by a page of this console.", code="foreign_origin")


def next_path(given: str | None) -> str:
    """Return where to go after signing in: a path of this server, and the home page for anything else."""
    path = given or "/"
    is_own = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if is_own else "/"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").startswith("https")
