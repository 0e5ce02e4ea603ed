"""More requests than a replica of the API works on at once."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from dataml.app import GatewayMiddleware, Services, create_app
from dataml.http import overload
from dataml.http.overload import PREDICTIONS, limiter_of
from dataml.settings import load_settings

CALL, LOGIN, UPLOAD = "/api/v1/dataset/list", "/api/v1/login/access-token", "/api/v1/dataset/upload"
HEALTH, PREDICT = "/api/v1/utils/health-check", "/api/v1/inference"


class SlowApp:
    """An application whose requests end when `gate` is open; it stands for the API and for its predictions."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def serves(self, path: str) -> bool:
        return path == PREDICT

    def route_of(self, path: str) -> str:
        return path


class Gateway:
    """The middleware around a slow application."""

    def __init__(self) -> None:
        self.app = SlowApp()
        self._middleware = GatewayMiddleware(self.app, self.app, self.app, 0)  # type: ignore[arg-type]

    def send(self, path: str, method: str = "GET") -> "asyncio.Task[tuple[int, dict[str, str], bytes]]":
        return asyncio.create_task(self._send(path, method))

    async def _send(self, path: str, method: str) -> tuple[int, dict[str, str], bytes]:
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            messages.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": [], "client": ("127.0.0.1", 1)}
        await self._middleware(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        return messages[0]["status"], headers, messages[1]["body"]


def run(body: Callable[[Gateway], Coroutine[Any, Any, None]]) -> None:
    async def with_gateway() -> None:
        await asyncio.wait_for(body(Gateway()), 10)

    asyncio.run(with_gateway())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("path", "method"), [(CALL, "GET"), (LOGIN, "POST"), (UPLOAD, "POST"), (PREDICT, "POST")])
def test_what_is_beyond_the_queue_is_refused_at_once_and_the_rest_is_answered(path: str, method: str) -> None:
    limiter = PREDICTIONS if path == PREDICT else limiter_of(path)
    assert limiter is not None
    capacity = limiter.max_concurrency + limiter.max_waiting

    async def body(gateway: Gateway) -> None:
        accepted = [gateway.send(path, method) for _ in range(capacity)]
        await settle()
        assert len(gateway.app.begun) == limiter.max_concurrency
        status, headers, text = await gateway.send(path, method)
        assert status == 503
        assert headers["retry-after"] == "1"
        assert "x-request-id" in headers
        assert json.loads(text)["code"] == "api_overloaded"
        gateway.app.gate.set()
        assert {answer[0] for answer in await asyncio.gather(*accepted)} == {200}

    run(body)


@pytest.mark.parametrize("full", [CALL, LOGIN, UPLOAD])
def test_a_full_class_holds_up_no_other(full: str) -> None:
    limiter = limiter_of(full)
    assert limiter is not None

    async def body(gateway: Gateway) -> None:
        waiting = [gateway.send(full) for _ in range(limiter.max_concurrency + limiter.max_waiting)]
        await settle()
        gateway.app.begun.clear()
        others = [path for path in (CALL, LOGIN, UPLOAD, HEALTH) if path != full]
        waiting += [gateway.send(path) for path in others] + [gateway.send(PREDICT, "POST")]
        await settle()
        assert sorted(gateway.app.begun) == sorted([*others, PREDICT])
        gateway.app.gate.set()
        await asyncio.gather(*waiting)

    run(body)


def test_a_request_that_was_given_up_leaves_its_place() -> None:
    limiter = limiter_of(CALL)
    assert limiter is not None

    async def body(gateway: Gateway) -> None:
        given_up = [gateway.send(CALL) for _ in range(limiter.max_concurrency)]
        await settle()
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        gateway.app.begun.clear()
        waiting = gateway.send(CALL)
        await settle()
        assert gateway.app.begun == [CALL]
        gateway.app.gate.set()
        await waiting

    run(body)


def test_every_path_with_a_limit_of_its_own_exists() -> None:
    services: Any = Services(load_settings(), None, None, None, None, None)  # type: ignore[arg-type]
    paths = set(create_app(services).app.openapi()["paths"])  # type: ignore[attr-defined]
    assert {*overload._BY_PATH, *overload._UNLIMITED} <= {path.rstrip("/") for path in paths}
