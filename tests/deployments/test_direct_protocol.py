"""Simple predictions of the direct route are answered by the protocol, and all else as without it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import uvicorn

from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from dataml.inference.realtime import RealTimeApp
from dataml.serving.model_runner import ModelRunner, NoLog
from dataml.storage.storage import Storage
from deployments.direct_batch import MAX_BODY_BYTES, DirectBatch, PendingPrediction, Response
from deployments.direct_protocol import DirectProtocol, PredictionService
from deployments.ongoing_requests import OngoingRequests
from deployments.predictor import DirectRoute, LocalClient
from tests.client import Client
from tests.conftest import Platform
from tests.deployments.test_direct_route import load_runner
from tests.fakes import InProcessInferenceClient
from tests.train.training import small_dataset, trained

FEATURES: dict[str, Any] = {"age": 60, "colour": "red", "price": 5.0}


class CountedBatch(DirectBatch):
    """Counts the requests of each pass through the model."""

    def __init__(self, runner: ModelRunner, realtime: RealTimeApp) -> None:
        super().__init__(runner, realtime)
        self.passes: list[int] = []

    def answer(self, pending: Any) -> list[Response]:
        self.passes.append(len(pending))
        return super().answer(pending)


@dataclass
class Replica:
    """A server with the protocol of a replica, in the event loop of the platform, for the time of a call."""

    app: DirectRoute
    batch: CountedBatch
    client: Client

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[uvicorn.Server, int]]:
        server = uvicorn.Server(
            uvicorn.Config(self.app, port=0, http=DirectProtocol, lifespan="off", log_config=None, log_level="critical")
        )
        service = PredictionService(self.batch, asyncio.get_running_loop())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DirectProtocol, "service", service)
            patch.setattr(server, "install_signal_handlers", lambda: None, raising=False)
            patch.setattr(server, "capture_signals", _no_signals)
            task = asyncio.create_task(server.serve())
            await reached(lambda: server.started)
            try:
                yield server, server.servers[0].sockets[0].getsockname()[1]
            finally:
                server.should_exit = True
                await task

    @property
    def path(self) -> str:
        return self.batch.path

    def ask(self, *requests: httpx.Request) -> list[httpx.Response]:
        """Send requests one after the other on one connection."""

        async def send() -> list[httpx.Response]:
            async with self.running() as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                answers = []
                for request in requests:
                    request.url = request.url.copy_with(port=port)
                    answers.append(await http.send(request))
                return answers

        return self.client.portal.call(send)

    def request(self, method: str = "POST", path: str = "", headers: Any = None, **parts: Any) -> httpx.Request:
        url = f"http://127.0.0.1:1{path or self.path}"
        given = {**self.client.headers, "X-Request-ID": "same", **(headers or {})}
        return httpx.Request(method, url, headers=given, **parts)

    def exchange(self, content: bytes, until: int) -> list[tuple[bytes, bytes]]:
        """Send bytes on one connection, and return the head and the body of so many answers."""

        async def send() -> list[tuple[bytes, bytes]]:
            async with self.running() as (_, port):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(content)
                answers = [await read_answer(reader) for _ in range(until)]
                writer.close()
                return answers

        return self.client.portal.call(send)

    def raw(self, body: bytes, *headers: str, version: str = "1.1", path: str = "", method: str = "POST") -> bytes:
        lines = [
            f"{method} {path or self.path} HTTP/{version}",
            "Host: dataml",
            f"Authorization: {self.client.headers['Authorization']}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _no_signals:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def reached(condition: Callable[[], bool]) -> None:
    """Let the event loop run until a condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing tells when it does
        await asyncio.sleep(0)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return head, await reader.readexactly(int(length.split(b":")[1]))


@pytest.fixture(scope="module")
def replica(platform: Platform, client: Client) -> Iterator[Replica]:
    database = Database(platform.settings)
    runner = load_runner(platform, trained(client, small_dataset(client)))
    pool = InProcessInferenceClient(Storage.from_settings(platform.settings), NoLog())
    keys = TokenKeys.load(platform.settings.key_file)
    realtime = RealTimeApp(database, platform.settings, keys, LocalClient(runner, pool), NoLog())
    yield Replica(DirectRoute(runner, realtime), CountedBatch(runner, realtime), client)
    client.portal.call(database.close)


@pytest.fixture(autouse=True)
def cached(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ordinary application look the caller and the model up, which stay fresh for the whole test."""
    monkeypatch.setattr("dataml.db.outage_cache.time", SimpleNamespace(monotonic=lambda: 0.0))
    assert replica.ask(replica.request(json={"features": FEATURES}))[0].status_code == 200
    replica.batch.passes.clear()


def body_of(**fields: Any) -> bytes:
    return json.dumps({"features": FEATURES} | fields).encode()


def comparable(answer: httpx.Response) -> Any:
    """Return what must be equal: all but the time, and the ids of predictions."""
    body = json.loads(answer.content)
    for each in (body, *body.get("predictions", ())):
        each.pop("prediction_id", None)
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "server")}
    if answer.status_code == 200:
        headers.pop("content-length")
    return answer.status_code, headers, body


REQUESTS: dict[str, tuple[bool, dict[str, Any]]] = {
    "one row": (True, {"json": {"features": FEATURES}}),
    "another row": (True, {"json": {"features": FEATURES | {"colour": "blue", "age": 1}}}),
    "texts": (True, {"json": {"features": {"age": " 60 ", "colour": "red", "price": "5"}}}),
    "an unseen value": (True, {"json": {"features": FEATURES | {"colour": "mauve"}}}),
    "rows": (True, {"json": {"instances": [FEATURES, FEATURES | {"age": 2}]}}),
    "a threshold": (True, {"json": {"features": FEATURES, "threshold": 0.9}}),
    "a wrong value": (True, {"json": {"features": FEATURES | {"age": "old"}}}),
    "a wrong value as a problem": (
        True,
        {"json": {"features": FEATURES | {"age": "old"}}, "headers": {"Accept": "application/problem+json"}},
    ),
    "no feature": (True, {"json": {"features": {}}}),
    "an explanation": (False, {"json": {"features": FEATURES, "explain": True}}),
    "no JSON": (False, {"content": b"{"}),
    "no body": (False, {}),
    "a body that is too long": (False, {"content": b"x" * (MAX_BODY_BYTES + 1)}),
    "text": (False, {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
    "a wrong token": (False, {"json": {"features": FEATURES}, "headers": {"Authorization": "Bearer x"}}),
    "another method": (False, {"method": "GET"}),
    "another path": (False, {"path": "/models/default/other/predict", "json": {"features": FEATURES}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_that_of_the_application(replica: Replica, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_simple, parts = REQUESTS[name]
    (by_protocol,) = replica.ask(replica.request(**parts))
    assert replica.batch.passes == ([1] if is_simple else [])
    monkeypatch.setattr(replica.batch, "read", lambda scope, body: None)
    (by_application,) = replica.ask(replica.request(**parts))
    assert comparable(by_protocol) == comparable(by_application)


def test_a_body_may_come_in_chunks(replica: Replica) -> None:
    body = body_of()
    head = replica.raw(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    ((_, answer),) = replica.exchange(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), 1)
    assert json.loads(answer)["prediction"] is not None
    assert replica.batch.passes == [1]


def test_a_query_is_for_the_application(replica: Replica) -> None:
    (answer,) = replica.ask(replica.request(path=f"{replica.path}?x=1", json={"features": FEATURES}))
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert replica.batch.passes == []


def test_requests_on_one_connection_are_answered_in_their_order(replica: Replica) -> None:
    first, second = body_of(), body_of(features=FEATURES | {"age": "old"})
    content = (
        replica.raw(first)
        + replica.raw(b"", method="GET")
        + replica.raw(second)
        + replica.raw(first)
        + replica.raw(body_of(explain=True))
        + replica.raw(first)
    )
    answers = replica.exchange(content, 6)
    assert [head.split()[1] for head, _ in answers] == [b"200", b"405", b"422", b"200", b"200", b"200"]
    assert "explanation" in json.loads(answers[4][1])
    assert json.loads(answers[0][1])["probabilities"] == json.loads(answers[5][1])["probabilities"]


@pytest.mark.parametrize(("version", "header"), [("1.0", "X-A: b"), ("1.1", "Connection: close")])
def test_the_connection_ends_where_the_caller_wants_that(replica: Replica, version: str, header: str) -> None:
    async def send() -> bytes:
        async with replica.running() as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(replica.raw(body_of(), header, version=version))
            received = await reader.read()
            writer.close()
            return received

    received = replica.client.portal.call(send)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in received.lower()
    assert replica.batch.passes == [1]


def test_a_caller_that_waits_for_leave_to_send_gets_it(replica: Replica) -> None:
    async def send() -> list[bytes]:
        async with replica.running() as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head, body = replica.raw(body_of(), "Expect: 100-continue").split(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            leave = await reader.readuntil(b"\r\n\r\n")
            writer.write(body)
            answer, _ = await read_answer(reader)
            writer.close()
            return [leave, answer]

    leave, answer = replica.client.portal.call(send)
    assert leave.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_failed_model_is_a_defect_of_the_platform(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a division by zero")

    monkeypatch.setattr(replica.app._realtime._inference_client._runner, "predict_now", fail)
    first, second = replica.ask(*(replica.request(json={"features": FEATURES}) for _ in range(2)))
    assert (first.status_code, first.json()["code"]) == (500, "internal_error")
    assert second.status_code == 500, "the connection goes on"


def test_a_token_past_its_end_is_looked_up(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataml.access.service.time.time", lambda: 1e11)
    replica.ask(replica.request(json={"features": FEATURES}))
    assert replica.batch.passes == []


def test_a_server_that_stops_answers_what_it_has_received(replica: Replica) -> None:
    async def send() -> tuple[bytes, bytes]:
        async with replica.running() as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            content = replica.raw(body_of())
            writer.write(content[:-5])
            connections = cast(Any, server.server_state.connections)
            await reached(lambda: any(each._body for each in connections))
            server.should_exit = True
            await reached(lambda: not server.servers[0].is_serving())
            writer.write(content[-5:])
            answer = await read_answer(reader)
            assert await reader.read() == b""
            writer.close()
            return answer

    head, _ = replica.client.portal.call(send)
    assert head.startswith(b"HTTP/1.1 200 ")


@dataclass
class StubConnection:
    """Takes the responses of a service."""

    app: object = None
    scope: dict[str, Any] = field(default_factory=lambda: {"headers": [], "state": {}})
    responses: list[Response] = field(default_factory=list)

    def respond(self, *response: Any) -> None:
        self.responses.append(response)


class StubBatch:
    path = "/models/default/churn/predict"

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.passes: list[int] = []

    def read(self, scope: Any, body: bytes) -> PendingPrediction:
        request = SimpleNamespace(rows=[{}] * self.rows)
        return PendingPrediction(scope, cast(Any, None), cast(Any, request), 0.0)

    def answer(self, pending: list[Any]) -> list[Response]:
        self.passes.append(len(pending))
        return [(200, [], b"") for _ in pending]


@pytest.mark.parametrize(("rows", "passes"), [(1, [5]), (100, [2, 2, 1]), (1_000, [1, 1, 1, 1, 1])])
def test_what_arrives_together_is_one_pass_of_bounded_size(rows: int, passes: list[int]) -> None:
    async def run() -> tuple[list[int], list[StubConnection]]:
        batch = StubBatch(rows)
        service = PredictionService(cast(Any, batch), asyncio.get_running_loop())
        connections = [StubConnection() for _ in range(5)]
        for connection in connections:
            assert service.read(cast(Any, connection), b"")
        assert batch.passes == []
        await reached(lambda: sum(batch.passes) == 5)
        return batch.passes, connections

    answered, connections = asyncio.run(run())
    assert answered == passes
    assert all(len(connection.responses) == 1 for connection in connections)


class StubLoop:
    """An event loop whose timers run when the test says so."""

    def __init__(self) -> None:
        self.timers: list[Any] = []

    def call_later(self, delay_s: float, callback: Any) -> None:
        self.timers.append(callback)


def test_serve_learns_the_mean_number_of_ongoing_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("deployments.ongoing_requests.perf_counter", lambda: clock.now)

    class Metrics:
        ongoing = 0

        def inc_num_ongoing_requests(self, request: Any) -> None:
            self.ongoing += 1

        def dec_num_ongoing_requests(self, request: Any) -> None:
            self.ongoing -= 1

    class Implementation:
        _metrics_manager = Metrics()

        async def app(self) -> None: ...

    replica, loop = Implementation(), StubLoop()
    middlewares = SimpleNamespace(app=SimpleNamespace(_app=replica.app))
    ongoing = OngoingRequests(middlewares, cast(Any, loop))
    counts = []
    # 16 callers, each of whom asks again at once: 0.1 s a request.
    for _ in range(4):
        for _ in range(5):
            clock.now += 0.1
            for _ in range(16):
                ongoing.add(clock.now - 0.1)
        loop.timers.pop()()
        counts.append(replica._metrics_manager.ongoing)
    clock.now += 0.5
    loop.timers.pop()()
    counts.append(replica._metrics_manager.ongoing)
    # The first interval begins with the first answer.
    assert counts[1:] == [16, 16, 16, 0]
    assert loop.timers == []
