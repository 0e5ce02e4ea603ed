"""Runs blocking calls to a lake in threads of its own, for a limited time, and no longer than the client waits."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from starlette.requests import Request

from dataml.errors import Unavailable

T = TypeVar("T")
_POLL_INTERVAL_S: Final = 0.25


class Deadline:
    """The time limit of a call, which can also be cancelled earlier; work checks it between two steps."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s
        self._cancelled = threading.Event()
        self._on_cancel: Callable[[], None] | None = None

    @property
    def remaining_s(self) -> float:
        """The seconds that remain, at least 0.001: clients of other systems take no timeout of zero."""
        return max(self._ends_at - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raise an error when the time is over or the call was cancelled.

        Raises:
            Unavailable: `lake_timeout`.
        """
        if self._cancelled.is_set() or time.monotonic() > self._ends_at:
            raise lake_timeout()

    def on_cancel(self, stop: Callable[[], None] | None) -> None:
        """Set what stops work that cannot check, for example a query on another machine; None removes it."""
        self._on_cancel = stop

    def cancel(self) -> None:
        """End the work: the next `check` raises, and the function of `on_cancel` is called."""
        self._cancelled.set()
        if self._on_cancel is not None:
            self._on_cancel()


class LakeExecutor:
    """The threads for one lake: a slow lake keeps no other work waiting, and takes at most `threads` of ours."""

    def __init__(self, name: str, timeout_s: float, threads: int = 4) -> None:
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[Deadline], T], http: Request | None = None) -> T:
        """Return the result of `work`, which is cancelled when the time is over or the client of `http` has gone.

        The time that the work waits for a thread counts.

        Raises:
            Unavailable: `lake_timeout`.
        """
        deadline = Deadline(self._timeout_s)

        def run_in_time() -> T:
            deadline.check()
            return work(deadline)

        future = asyncio.get_running_loop().run_in_executor(self._pool, run_in_time)
        ends_at = time.monotonic() + self._timeout_s
        try:
            while not future.done() and time.monotonic() < ends_at:
                await asyncio.wait({future}, timeout=min(_POLL_INTERVAL_S, self._timeout_s))
                if not future.done() and http is not None and await http.is_disconnected():
                    break
            if not future.done():
                future.add_done_callback(_ignore_error)
                raise lake_timeout()
            return future.result()
        finally:
            if not future.done():
                future.cancel()
                await asyncio.to_thread(deadline.cancel)


def lake_timeout() -> Unavailable:
    """Return the error of a call that the lake did not answer in time."""
    detail = "The lake did not answer within DATAML_LAKE_TIMEOUT_S: the table is too large for that, or a part is away."
    return Unavailable(detail, code="lake_timeout")


def _ignore_error(future: "asyncio.Future[T]") -> None:
    # An error that nobody reads would be logged by asyncio.
    with suppress(asyncio.CancelledError):
        future.exception()
