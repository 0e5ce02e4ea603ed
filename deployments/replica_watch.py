"""Calls of a deployment that end as soon as it has no replica: Serve lets them wait for the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from deployments.applications import count_running

T = TypeVar("T")
_ASK_AFTER_S = 0.5
_ASK_AGAIN_S = 0.2


class NoReplica(Exception):
    """No replica of the deployment runs."""


class ReplicaWatch:
    """Whether a deployment has a replica. Serve is asked only while a call takes long, or while there is none."""

    def __init__(self, has_replica: Callable[[], bool]) -> None:
        """`has_replica` asks Serve, and may block."""
        self._has_replica = has_replica
        self._asking: asyncio.Task[bool] | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a call.

        Raises:
            NoReplica: there is none, or the last one has died meanwhile.
        """
        if self._waiting is not None and not self._waiting.done():
            raise NoReplica
        running = asyncio.ensure_future(call())
        try:
            while not (await asyncio.wait((running,), timeout=_ASK_AFTER_S))[0]:
                if not await self._ask():
                    self._waiting = asyncio.create_task(self._wait_for_replica())
                    raise NoReplica
            return running.result()
        finally:
            running.cancel()

    async def _ask(self) -> bool:
        # All calls that wait share one question.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._has_replica))
        return await asyncio.shield(self._asking)

    async def _wait_for_replica(self) -> None:
        while not await self._ask():  # noqa: ASYNC110 - Serve is polled: there is no event
            await asyncio.sleep(_ASK_AGAIN_S)


def has_replica(application: str, deployment: str) -> bool:
    """Return whether a replica of a deployment runs; also True when Serve cannot tell. Blocking."""
    try:
        found = serve.status().applications.get(application)
    except (RayError, RayServeException):
        return True
    status = found and found.deployments.get(deployment)
    return status is not None and count_running(status) > 0
