"""A call to a slow or unreachable lake ends in time with the reason, and keeps no other call waiting."""

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
    """Work that runs until its deadline raises."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, deadline: Deadline) -> None:
        """Check the deadline until it raises."""
        try:
            while not self.ended.wait(0.01):
                deadline.check()
        finally:
            self.ended.set()


def error_code(executor: LakeExecutor, work: Any, http: Request | None = None) -> str:
    """Return the code of the error that work ends with."""
    with pytest.raises(Unavailable) as caught:
        asyncio.run(executor.run(work, http))
    return caught.value.code


def test_work_ends_when_its_time_is_over() -> None:
    work = Work()
    assert error_code(LakeExecutor("lake", 0.2), work) == "lake_timeout"
    assert work.ended.wait(10)


def test_work_ends_when_its_client_has_gone() -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    work = Work()
    assert error_code(LakeExecutor("lake", 3600), work, Request({"type": "http"}, gone)) == "lake_timeout"
    assert work.ended.wait(10)


def test_blocked_work_is_stopped_by_its_cancel_function() -> None:
    stopped = threading.Event()

    def blocked(deadline: Deadline) -> None:
        deadline.on_cancel(stopped.set)
        stopped.wait(60)

    assert error_code(LakeExecutor("lake", 0.2), blocked) == "lake_timeout"
    assert stopped.is_set()


def test_work_that_waited_too_long_for_a_thread_is_not_started() -> None:
    executor = LakeExecutor("lake", 0.3, threads=1)
    release, started = threading.Event(), threading.Event()

    async def both() -> list[Any]:
        first = executor.run(lambda deadline: release.wait(60))
        second = executor.run(lambda deadline: started.set())
        return await asyncio.gather(first, second, return_exceptions=True)

    errors = asyncio.run(both())
    release.set()
    assert [error.code for error in errors] == ["lake_timeout"] * 2
    asyncio.run(executor.run(lambda deadline: None))
    assert not started.is_set()


def test_results_and_errors_of_work_are_passed_on() -> None:
    executor = LakeExecutor("lake", 60)
    assert asyncio.run(executor.run(lambda deadline: 7)) == 7

    def refuse(deadline: Deadline) -> None:
        raise Unavailable("no", code="lake_full")

    assert error_code(executor, refuse) == "lake_full"


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """Run an HTTP server that answers every request with 401."""

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
    """Open a port that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def trino_error_code(port: int, timeout_s: float = 30) -> str:
    """Return the code of the error of a query to a Trino on this port."""
    lake = TrinoLake(load_settings(trino_url=f"http://user@127.0.0.1:{port}/company"))
    with pytest.raises(Unavailable) as caught:
        lake.list_tables("sales", Deadline(timeout_s))
    return caught.value.code


def test_the_error_says_whether_trino_refuses_is_slow_or_unreachable(refusing_port: int, silent_port: int) -> None:
    assert trino_error_code(refusing_port) == "lake_refuses"
    assert trino_error_code(silent_port, timeout_s=0.3) == "lake_timeout"
    assert trino_error_code(1) == "lake_unavailable"
