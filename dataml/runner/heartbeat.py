"""Calls of workers that hang: every call ends, with an answer or because the worker shows no sign of life.

A heartbeat is the answer to a ping, which the event loop of a worker gives beside the thread of its job. All times are
of the supervisor's monotonic clock. Nothing is written to the database.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

from dataml.runner.workers import WorkerLost, Workers

INTERVAL_S: Final = 2.0
TIMEOUT_S: Final = 15.0
"""A worker that has neither answered nor worked for so long hangs."""
BUSY_TIMEOUT_S: Final = 600.0
"""So does one that has not answered for so long, whatever it does."""
_STEP_S: Final = 1.0
# From this silence on it is looked at whether the process works: most pings are answered in milliseconds.
_INSPECT_AFTER_S: Final = 5.0
T = TypeVar("T")


class OnTimeTimer:
    """Counts seconds in which the event loop of this process ran on time.

    A loop that comes late has not read the answers that have arrived meanwhile: of the time between two steps no more
    than `max_step_s` counts.
    """

    def __init__(self, max_step_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_step_s = max_step_s
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Count from zero again."""
        self.elapsed_s = 0.0
        self._last = self._clock()

    def step(self) -> None:
        """Count the time since the last step."""
        now = self._clock()
        self.elapsed_s += min(now - self._last, self._max_step_s)
        self._last = now


async def call_within(timeout_s: float, call: Coroutine[Any, Any, T]) -> T:
    """Return what a call returns.

    Raises:
        TimeoutError: it has not ended in this time, of the kind that `OnTimeTimer` counts.
    """
    task = asyncio.create_task(call)
    timer = OnTimeTimer(2 * _STEP_S)
    try:
        while not task.done():
            if timer.elapsed_s >= timeout_s:
                raise TimeoutError
            await asyncio.wait({task}, timeout=min(_STEP_S, timeout_s))
            timer.step()
        return task.result()
    finally:
        await _cancel(task)


async def call_while_alive(workers: Workers, name: str, call: Coroutine[Any, Any, T]) -> T:
    """Return what a call of this worker returns, however long it takes.

    Raises:
        WorkerLost: the worker hangs, or the call has raised it.
    """
    calling = asyncio.create_task(call)
    watching = asyncio.create_task(_raise_when_hung(workers, name))
    try:
        await asyncio.wait({calling, watching}, return_when=asyncio.FIRST_COMPLETED)
        return calling.result() if calling.done() else watching.result()
    finally:
        await _cancel(calling, watching)


async def _raise_when_hung(workers: Workers, name: str) -> NoReturn:
    while True:
        await _wait_for_answer(workers, name)
        await asyncio.sleep(INTERVAL_S)


async def _wait_for_answer(workers: Workers, name: str) -> None:
    """Return when the worker has answered a ping.

    Raises:
        WorkerLost: it hangs, or is gone.
    """
    ping = asyncio.create_task(workers.ping(name))
    inspection: asyncio.Task[bool] | None = None
    silence = OnTimeTimer(2 * _STEP_S)
    active_at_s = 0.0
    try:
        while True:
            await asyncio.wait({ping}, timeout=_STEP_S)
            silence.step()
            if ping.done():
                return ping.result()
            # An inspection that does not end shows nothing: its node is busy, or away. Ray ends actors of such a node.
            if inspection is not None and inspection.done():
                if inspection.result():
                    active_at_s = silence.elapsed_s
                elif silence.elapsed_s - active_at_s >= TIMEOUT_S:
                    raise WorkerLost(name)
                inspection = None
            if inspection is None and silence.elapsed_s >= _INSPECT_AFTER_S:
                inspection = asyncio.create_task(workers.is_active(name))
            if silence.elapsed_s >= BUSY_TIMEOUT_S:
                raise WorkerLost(name)
    finally:
        await _cancel(ping, *([inspection] if inspection is not None else []))


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    # An error that nobody asks for any more is taken, or the event loop would log it.
    await asyncio.gather(*tasks, return_exceptions=True)
