"""The routes of the console's pages."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml.console import assets, data_routes, forwarding, model_routes, people_routes, session
from dataml.console.api import ApiError
from dataml.console.views import comparison, home, jobs, predictors, releases, signing_in, training, versions
from dataml.console.visit import SIGN_IN, page, session_seconds, sign_in_again
from dataml.errors import DatamlError


def create_routes() -> list[BaseRoute]:
    """Return the routes of all pages, of the files that they load, and of the calls of their scripts."""
    return [
        Route(SIGN_IN, signing_in.show, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, signing_in.sign_in, methods=["POST"], include_in_schema=False),
        Route("/sign-out", signing_in.sign_out, methods=["POST"], include_in_schema=False),
        Route(f"{assets.PATH}/{{digest}}/{{name}}", assets.send, include_in_schema=False),
        _for_any_method(f"{forwarding.PREFIX}/{{path:path}}", _call_api),
        page("/", home.show),
        page("/samples/{sample}", home.add_sample, "POST"),
        *data_routes.create_routes(),
        page("/predictors", predictors.show_all),
        page(comparison.PATH, comparison.show),
        page(versions.PATH, versions.show),
        page(releases.PATH, releases.show),
        page(f"{releases.PATH}/promote", releases.promote, "POST"),
        page(f"{releases.PATH}/rollback", releases.roll_back, "POST"),
        page(f"{releases.PATH}/promotion", releases.set_promotion, "POST"),
        page(f"{releases.PATH}/alias", releases.set_alias, "POST"),
        page(f"{releases.PATH}/unalias", releases.remove_alias, "POST"),
        page(f"{releases.PATH}/traffic", releases.set_traffic, "POST"),
        page(training.PATH, training.show),
        page(training.PATH, training.start, "POST"),
        page(f"{training.PATH}/check", training.check, "POST"),
        *model_routes.create_routes(),
        page("/jobs", jobs.show_all),
        page("/jobs/{job_id}", jobs.show),
        page("/jobs/{job_id}/cancel", jobs.cancel, "POST"),
        *people_routes.create_routes(),
    ]


async def _call_api(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a call of a page's script as the API does, for the session of the browser."""
    request = Request(scope, receive, send)
    try:
        session.check_origin(request)
        _, access_token, renewed = await sign_in_again(request)
    except (ApiError, DatamlError) as error:
        response: Response = JSONResponse({"detail": error.detail, "code": error.code}, error.status)
        await response(scope, receive, send)
        return
    cookies = Response()
    if renewed is not None:
        session.keep(cookies, request, renewed, session_seconds(request))

    async def send_with_cookies(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_cookies_of(cookies)]
        await send(message)

    await forwarding.forward(request.app.state.gateway, scope, receive, send_with_cookies, access_token)


def _cookies_of(response: Response) -> list[tuple[bytes, bytes]]:
    return [header for header in response.raw_headers if header[0] == b"set-cookie"]


class _Application:
    """An ASGI application around a function; Starlette takes a plain function for one of request and response."""

    def __init__(self, function: ASGIApp) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._function(scope, receive, send)


def _for_any_method(path: str, function: ASGIApp) -> Route:
    return Route(path, _Application(function), include_in_schema=False)
