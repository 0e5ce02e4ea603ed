"""Calls of the API by the console, in the same process: with the caller's token, through the same application.

A page so obeys the same rules, permissions and limits as a program, and is in the same audit log. It remembers its
calls, which it shows as code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dataml.access.dependencies import AUTHENTICATED
from dataml.access.service import Principal

API: Final = "/api/v1"
# The calls of predictors by their name have whole paths.
_DIRECT: Final = "/models/"
# The application has its own limits; this one ends a call of a page that nobody waits for any more.
_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True)
class Call:
    """A call as the page made it. `query` and `body` are what was sent."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


class ApiError(Exception):
    """An answer of the API that is an error: its status, its code, and its detail in words."""

    def __init__(self, status: int, code: str, detail: str, body: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.body = body

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong with fields of the request, by their names."""
        parts = self.body.get("detail")
        if not isinstance(parts, list):
            return {}
        return {str(part["loc"][-1]): str(part["msg"]) for part in parts if part.get("loc")}

    @classmethod
    def of(cls, answer: httpx.Response) -> "ApiError":
        """Read an error answer."""
        body = answer.json() if answer.headers.get("content-type", "").endswith("json") else {}
        detail = body.get("detail", answer.reason_phrase)
        if isinstance(detail, list):
            detail = "; ".join(str(part.get("msg", part)) for part in detail)
        return cls(answer.status_code, str(body.get("code", "error")), str(detail), body)


class Api:
    """The API for one request of a browser, whose user is authenticated as `principal`, if anybody is."""

    def __init__(self, request: Request, access_token: str | None, principal: Principal | None = None) -> None:
        self.calls: list[Call] = []
        # The same address and proxies, for the throttle and the audit log.
        kept = ("x-forwarded-for", "user-agent", "accept-language")
        headers = {name: value for name in kept if (value := request.headers.get(name)) is not None}
        if access_token is not None:
            headers["authorization"] = f"Bearer {access_token}"
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        gateway: ASGIApp = request.app.state.gateway

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            # The page has authenticated its user, and reads no session again for each of its calls.
            scope["state"] = {} if principal is None else {AUTHENTICATED: principal}
            await gateway(scope, receive, send)

        transport = httpx.ASGITransport(call, raise_app_exceptions=False, client=client)
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://dataml", headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer of a GET; queries that are None are left out.

        Raises:
            ApiError: the answer is an error.
        """
        return await self.call("GET", path, query=query)

    async def find(self, path: str, **query: Any) -> Any:
        """Return what `get` does, or None where the API says that there is none.

        Raises:
            ApiError: the answer is another error than 404.
        """
        try:
            return await self.get(path, **query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Any = None,
        files: Any = None,
        is_secret: bool = False,
    ) -> Any:
        """Make a call and return its JSON answer; `body` is sent as JSON, `form` as a form, `files` in one.

        A form, and a body with a secret, are not remembered: no page may show them.

        Raises:
            ApiError: the answer is an error.
        """
        sent = {name: value for name, value in (query or {}).items() if value is not None}
        whole = path if path.startswith(_DIRECT) else API + path
        if form is None and not is_secret:
            self.calls.append(Call(method, whole, sent, body))
        answer = await self._client.request(method, whole, params=sent, json=body, data=form, files=files)
        if answer.is_error:
            raise ApiError.of(answer)
        return answer.json() if answer.content else None

    async def cancel_job(self, job_id: str) -> None:
        """Cancel a job; one that has ended stays as it is. Raises `ApiError`."""
        await self.call("POST", "/ray/terminate_ray_job", query={"ray_job_id": job_id})

    async def send_body(self, request: Request, path: str) -> Any:
        """Pass the body of a request on by a POST, as it comes, and return the JSON answer.

        Raises:
            ApiError: the answer is an error.
        """
        headers = {"content-type": request.headers.get("content-type", "")}
        answer = await self._client.post(API + path, content=request.stream(), headers=headers)
        if answer.is_error:
            raise ApiError.of(answer)
        return answer.json()
