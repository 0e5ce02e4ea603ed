"""Calls of workers that hang, that are busy, or that answer late because the supervisor was late itself."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dataml.jobs.spec import Attempt, JobSpec
from dataml.runner import heartbeat
from dataml.runner.heartbeat import OnTimeTimer, call_while_alive, call_within
from dataml.runner.workers import WorkerLost


class Worker:
    """One worker under a test's control: it answers pings while `answers` is set, and works while `active`."""

    names = ("one",)

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.active = False
        self.inspections = 0
        self.is_lost = False

    async def ping(self, name: str) -> None:
        if self.is_lost:
            raise WorkerLost(name)
        await self.answers.wait()

    async def is_active(self, name: str) -> bool:
        self.inspections += 1
        return self.active

    async def attach(self, name: str, term: int) -> Attempt | None:
        raise NotImplementedError

    async def warm(self, name: str, term: int) -> None:
        raise NotImplementedError

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        raise NotImplementedError

    async def join(self, name: str) -> None:
        raise NotImplementedError

    async def kill(self, name: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a second 10 ms."""
    for name in ("INTERVAL_S", "TIMEOUT_S", "BUSY_TIMEOUT_S", "_STEP_S", "_INSPECT_AFTER_S"):
        monkeypatch.setattr(heartbeat, name, getattr(heartbeat, name) / 100)


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 30))


async def never() -> None:
    await asyncio.Event().wait()


def test_a_call_returns_what_the_worker_returns() -> None:
    async def body() -> None:
        worker = Worker()
        worker.answers.set()

        async def call() -> int:
            await asyncio.sleep(5 * heartbeat.INTERVAL_S)
            return 7

        assert await call_while_alive(worker, "one", call()) == 7
        assert worker.inspections == 0, "a worker that answers is not inspected"

    run(body)


def test_a_worker_that_neither_answers_nor_works_is_lost() -> None:
    async def body() -> None:
        began = time.monotonic()
        with pytest.raises(WorkerLost):
            await call_while_alive(Worker(), "one", never())
        assert time.monotonic() - began >= heartbeat.TIMEOUT_S

    run(body)


def test_a_worker_that_hangs_later_is_lost() -> None:
    async def body() -> None:
        worker = Worker()
        worker.answers.set()
        call = asyncio.create_task(call_while_alive(worker, "one", never()))
        await asyncio.sleep(3 * heartbeat.INTERVAL_S)
        worker.answers.clear()
        with pytest.raises(WorkerLost):
            await call

    run(body)


def test_a_worker_that_works_without_an_answer_is_lost_late() -> None:
    """It may hold the interpreter lock, for long but not for ever."""

    async def body() -> None:
        worker = Worker()
        worker.active = True
        began = time.monotonic()
        with pytest.raises(WorkerLost):
            await call_while_alive(worker, "one", never())
        assert time.monotonic() - began >= heartbeat.BUSY_TIMEOUT_S

    run(body)


def test_a_worker_that_works_and_then_answers_is_not_lost() -> None:
    async def body() -> None:
        worker = Worker()
        worker.active = True

        async def call() -> int:
            # As one thread that holds the lock for three times the limit.
            await asyncio.sleep(3 * heartbeat.TIMEOUT_S)
            worker.answers.set()
            await asyncio.sleep(3 * heartbeat.TIMEOUT_S)
            return 7

        assert await call_while_alive(worker, "one", call()) == 7
        assert worker.inspections > 0

    run(body)


def test_a_worker_whose_activity_cannot_be_seen_is_not_lost_early(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        worker = Worker()

        async def is_active(name: str) -> bool:
            await never()
            return False

        monkeypatch.setattr(worker, "is_active", is_active)
        began = time.monotonic()
        with pytest.raises(WorkerLost):
            await call_while_alive(worker, "one", never())
        assert time.monotonic() - began >= heartbeat.BUSY_TIMEOUT_S

    run(body)


def test_a_dead_worker_is_lost_at_once() -> None:
    async def body() -> None:
        worker = Worker()
        worker.is_lost = True
        with pytest.raises(WorkerLost):
            await call_while_alive(worker, "one", never())

    run(body)


def test_a_late_supervisor_does_not_lose_a_worker() -> None:
    """Its event loop did not run for longer than the limit, so it has not read the answer."""

    async def body() -> None:
        worker = Worker()
        loop = asyncio.get_running_loop()

        async def call() -> int:
            await asyncio.sleep(0)
            for _ in range(5):
                time.sleep(2 * heartbeat.TIMEOUT_S)  # noqa: ASYNC251 - the loop is to be late
                await asyncio.sleep(0)
            loop.call_soon(worker.answers.set)
            await asyncio.sleep(2 * heartbeat.TIMEOUT_S)
            return 7

        assert await call_while_alive(worker, "one", call()) == 7

    run(body)


def test_time_counts_while_the_loop_is_on_time() -> None:
    now = 100.0
    timer = OnTimeTimer(2.0, lambda: now)
    for step_s, elapsed_s in ((1.0, 1.0), (1.5, 2.5), (86_400.0, 4.5), (1.0, 5.5)):
        now += step_s
        timer.step()
        assert timer.elapsed_s == elapsed_s
    now += 50
    timer.restart()
    assert timer.elapsed_s == 0
    now += 1
    timer.step()
    assert timer.elapsed_s == 1


def test_a_call_without_an_answer_ends() -> None:
    async def body() -> None:
        async def answer() -> int:
            return 7

        assert await call_within(0.05, answer()) == 7
        with pytest.raises(TimeoutError):
            await call_within(0.05, never())

    run(body)
