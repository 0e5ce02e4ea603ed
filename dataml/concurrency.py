"""A limit on how many coroutines run a piece of work at once, and on how many may wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary


@dataclass
class _Queue:
    semaphore: asyncio.Semaphore
    waiting: int = 0


@dataclass(frozen=True, kw_only=True)
class ConcurrencyLimiter:
    """A semaphore with a bounded queue, for expensive work that must not pile up.

    It may be a module's constant: each event loop has a queue of its own, made when it is first used. A process that
    serves has one loop.

    Attributes:
        max_concurrency: How many may hold the limiter at once.
        max_waiting: How many may wait for it; one more is rejected.
        rejection: Makes the error of one that is rejected.
    """

    max_concurrency: int
    max_waiting: int
    rejection: Callable[[], Exception]
    _queues: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue]" = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for a free slot, in order of arrival, and hold it within the context.

        Raises:
            Exception: the one that `rejection` makes, at once, when `max_waiting` others wait already.
        """
        queue = self._queue()
        if queue.waiting >= self.max_waiting:
            raise self.rejection()
        queue.waiting += 1
        try:
            await queue.semaphore.acquire()
        finally:
            queue.waiting -= 1
        try:
            yield
        finally:
            queue.semaphore.release()

    def _queue(self) -> _Queue:
        loop = asyncio.get_running_loop()
        return self._queues.setdefault(loop, _Queue(asyncio.Semaphore(self.max_concurrency)))
