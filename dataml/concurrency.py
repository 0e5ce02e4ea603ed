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


class Slot:
    """A place within a limit; released at the end of its context, or earlier by its holder."""

    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore: asyncio.Semaphore | None = semaphore

    def release(self) -> None:
        """Give the place to another; a second call does nothing."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release()


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
    async def acquire(self) -> AsyncIterator[Slot]:
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
        slot = Slot(queue.semaphore)
        try:
            yield slot
        finally:
            slot.release()

    def _queue(self) -> _Queue:
        loop = asyncio.get_running_loop()
        return self._queues.setdefault(loop, _Queue(asyncio.Semaphore(self.max_concurrency)))
