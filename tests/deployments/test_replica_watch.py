"""Calls of a deployment that has no replica."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve
from ray.serve.exceptions import RayServeException

from deployments import replica_watch
from deployments.replica_watch import NoReplica, ReplicaWatch, has_replica


@pytest.fixture(autouse=True)
def ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_watch, "_ASK_AFTER_S", 0.01)
    monkeypatch.setattr(replica_watch, "_ASK_AGAIN_S", 0.01)


class Replicas:
    """What Serve says, and how often it was asked."""

    def __init__(self, up: bool) -> None:
        self.up = up
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.up


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 10))


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""


async def answer() -> bytes:
    return b"answer"


def test_a_fast_call_asks_nothing() -> None:
    replicas = Replicas(up=False)

    async def body() -> None:
        assert await ReplicaWatch(replicas).run(answer) == b"answer"

    run(body)
    assert replicas.asked == 0


def test_a_slow_call_ends_as_soon_as_no_replica_runs_and_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def call() -> bytes:
        try:
            return await never()
        finally:
            cancelled.set()

    async def body() -> None:
        with pytest.raises(NoReplica):
            await ReplicaWatch(Replicas(up=False)).run(call)
        await cancelled.wait()

    run(body)


def test_a_slow_call_goes_on_while_a_replica_runs() -> None:
    async def body() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def is_up() -> bool:
            loop.call_soon_threadsafe(asked.set)
            return True

        async def call() -> bytes:
            await asked.wait()
            return b"late"

        assert await ReplicaWatch(is_up).run(call) == b"late"

    run(body)


def test_calls_that_wait_share_a_question() -> None:
    replicas = Replicas(up=False)

    async def body() -> None:
        watch = ReplicaWatch(replicas)
        failed = await asyncio.gather(*(watch.run(never) for _ in range(100)), return_exceptions=True)
        assert all(isinstance(error, NoReplica) for error in failed)

    run(body)
    assert replicas.asked < 10


def test_no_call_is_made_until_a_replica_runs_again() -> None:
    replicas = Replicas(up=False)

    async def body() -> None:
        watch = ReplicaWatch(replicas)
        with pytest.raises(NoReplica):
            await watch.run(never)
        with pytest.raises(NoReplica):
            await watch.run(answer)
        replicas.up = True
        while True:
            try:
                assert await watch.run(answer) == b"answer"
                return
            except NoReplica:
                await asyncio.sleep(0)

    run(body)


def test_the_error_of_a_call_is_raised() -> None:
    async def call() -> bytes:
        raise RayServeException("refused")

    async def body() -> None:
        with pytest.raises(RayServeException):
            await ReplicaWatch(Replicas(up=True)).run(call)

    run(body)


@pytest.mark.parametrize(
    ("states", "expected"),
    [({"RUNNING": 1}, True), ({"RUNNING": 0, "STARTING": 1}, False), ({"STARTING": 1}, False), ({}, False)],
)
def test_only_a_replica_that_runs_counts(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, int], expected: bool
) -> None:
    deployments = {"PredictorPool": SimpleNamespace(replica_states=states)}
    applications = {"dataml": SimpleNamespace(deployments=deployments)}
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications=applications))
    assert has_replica("dataml", "PredictorPool") is expected
    assert has_replica("other", "PredictorPool") is False


def test_a_replica_is_assumed_when_serve_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RayServeException("no controller")

    monkeypatch.setattr(serve, "status", fail)
    assert has_replica("dataml", "PredictorPool")
