"""A lake that is slow or away is given up in time, and says what failed; nothing else waits for it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from starlette.requests import Request

from dataml.datalake.executor import Deadline, LakeExecutor
from dataml.datalake.trino import TrinoLake
from dataml.errors import Unavailable
from dataml.settings import load_settings


class Work:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, deadline: Deadline) -> None:
        try:
            while not self.ended.wait(0.01):
                deadline.check()
        finally:
            self.ended.set()


def asked(executor: LakeExecutor, work: Any, http: Request | None = None) -> str:
    with pytest.raises(Unavailable) as caught:
        asyncio.run(executor.run(work, http))
    return caught.value.code


def test_work_ends_when_its_time_is_over() -> None:
    work = Work()
    assert asked(LakeExecutor("lake", 0.2), work) == "lake_timeout"
    assert work.ended.wait(10)


def test_work_ends_when_its_client_has_gone() -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    work = Work()
    assert asked(LakeExecutor("lake", 3600), work, Request({"type": "http"}, gone)) == "lake_timeout"
    assert work.ended.wait(10)


def test_what_work_cannot_see_is_ended_for_it() -> None:
    stopped = threading.Event()

    def blocked(deadline: Deadline) -> None:
        deadline.on_cancel(stopped.set)
        stopped.wait(60)

    assert asked(LakeExecutor("lake", 0.2), blocked) == "lake_timeout"
    assert stopped.is_set()


def test_a_question_that_waited_too_long_for_a_thread_is_not_asked() -> None:
    executor = LakeExecutor("lake", 0.3, threads=1)
    release, was_asked = threading.Event(), threading.Event()

    async def both() -> list[Any]:
        first = executor.run(lambda deadline: release.wait(60))
        second = executor.run(lambda deadline: was_asked.set())
        return await asyncio.gather(first, second, return_exceptions=True)

    found = asyncio.run(both())
    release.set()
    assert [error.code for error in found] == ["lake_timeout"] * 2
    asyncio.run(executor.run(lambda deadline: None))
    assert not was_asked.is_set()


def test_answers_and_refusals_come_through() -> None:
    executor = LakeExecutor("lake", 60)
    assert asyncio.run(executor.run(lambda deadline: 7)) == 7

    def refuse(deadline: Deadline) -> None:
        raise Unavailable("no", code="lake_full")

    assert asked(executor, refuse) == "lake_full"


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """An HTTP server that lets nobody in."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def failure(port: int, limit_s: float = 30) -> str:
    lake = TrinoLake(load_settings(trino_url=f"http://user@127.0.0.1:{port}/company"))
    with pytest.raises(Unavailable) as caught:
        lake.list_tables("sales", Deadline(limit_s))
    return caught.value.code


def test_a_trino_that_refuses_is_silent_or_away(refusing_port: int, silent_port: int) -> None:
    assert failure(refusing_port) == "lake_refuses"
    assert failure(silent_port, limit_s=0.3) == "lake_timeout"
    assert failure(1) == "lake_unavailable"
