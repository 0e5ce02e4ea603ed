"""Calls of the API by a page's script: `/console/api/...` answers what `/api/v1/...` does, for the session's cookie.

The body of the request and of the answer are passed on as they come, so an upload or a stream of events takes no
memory. The API itself takes no cookies.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from dataml.console.api import API

PREFIX: Final = "/console/api"
_NOT_PASSED_ON: Final = (b"cookie", b"authorization")


async def forward(app: ASGIApp, scope: Scope, receive: Receive, send: Send, access_token: str) -> None:
    """Let the application answer the same request under the API's path, with this token."""
    path = API + scope["path"].removeprefix(PREFIX)
    headers = [header for header in scope["headers"] if header[0] not in _NOT_PASSED_ON]
    forwarded = dict(scope) | {
        "path": path,
        "raw_path": path.encode(),
        "headers": [*headers, (b"authorization", f"Bearer {access_token}".encode())],
        "state": {},
    }
    for name in ("app", "router", "endpoint", "path_params", "route"):
        forwarded.pop(name, None)
    await app(forwarded, receive, send)
