"""Transports of httpx that reach the application of the tests, without a network."""

import functools

import httpx

from tests.client import Client


class PortalTransport(httpx.BaseTransport):
    """Sends requests of a client that blocks to an application in the event loop of a portal."""

    def __init__(self, client: Client) -> None:
        self._portal = client.portal
        self._inner = httpx.ASGITransport(client.app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        return self._portal.call(functools.partial(self._answer, sent))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)


class Script(httpx.BaseTransport):
    """Answers requests with what it was given, one after the other; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(request.read())
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def error(status: int, code: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """An error as the platform sends it."""
    body = {"detail": f"A sentence about {code}.", "code": code, "request_id": "r-1"}
    return httpx.Response(status, json=body, headers=headers)
