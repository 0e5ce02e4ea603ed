"""How a lake is asked: in a few threads of its own, for a limited time, and no longer than somebody waits."""

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
_LOOK_S: Final = 0.25


class Patience:
    """How long a question may take; work looks at it between two steps."""

    def __init__(self, limit_s: float) -> None:
        self._deadline = time.monotonic() + limit_s
        self._ended = threading.Event()
        self._on_end: Callable[[], None] | None = None

    @property
    def left_s(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raises:
        Unavailable: `lake_timeout`: the time is over, or nobody waits any more.
        """
        if self._ended.is_set() or time.monotonic() > self._deadline:
            raise too_slow()

    def on_end(self, stop: Callable[[], None] | None) -> None:
        """What ends work that cannot look, for example a query on another machine."""
        self._on_end = stop

    def end(self) -> None:
        self._ended.set()
        if self._on_end is not None:
            self._on_end()


class Asker:
    """The threads for one lake: a slow one keeps nothing else waiting, and no more than `threads` of ours."""

    def __init__(self, name: str, limit_s: float, threads: int = 4) -> None:
        self._limit_s = limit_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def ask(self, work: Callable[[Patience], T], http: Request | None = None) -> T:
        """What `work` answers; it is told to end when the time is over or the client of `http` has gone.

        Raises:
            Unavailable: `lake_timeout`.
        """
        patience = Patience(self._limit_s)

        def run() -> T:
            patience.check()
            return work(patience)

        future = asyncio.get_running_loop().run_in_executor(self._pool, run)
        deadline = time.monotonic() + self._limit_s
        try:
            while not future.done() and time.monotonic() < deadline:
                await asyncio.wait({future}, timeout=min(_LOOK_S, self._limit_s))
                if not future.done() and http is not None and await http.is_disconnected():
                    break
            if not future.done():
                future.add_done_callback(_forget)
                raise too_slow()
            return future.result()
        finally:
            if not future.done():
                future.cancel()
                await asyncio.to_thread(patience.end)


def too_slow() -> Unavailable:
    detail = "The lake did not answer within DATAML_LAKE_TIMEOUT_S: the table is too large for that, or a part is away."
    return Unavailable(detail, code="lake_timeout")


def _forget(future: "asyncio.Future[T]") -> None:
    with suppress(asyncio.CancelledError):
        future.exception()
