"""Values of the database that stay usable for a while when it does not answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from dataml.db.session import UNREACHABLE, unavailable
from dataml.errors import DatamlError, Unavailable

V = TypeVar("V")
STALE_S: Final = 60.0
"""For how long a value is used while the database does not answer."""

PATIENCE_S: Final = 0.25
"""How long the database may take while there is a value to use instead."""

TIMEOUT_S: Final = 5.0
"""How long it may take while there is none."""

_MAX_SIZE: Final = 10_000


async def within_timeout(work: Awaitable[V]) -> V:
    """Return the result of work in the database that a request waits for.

    Raises:
        Unavailable: it takes longer than `TIMEOUT_S`.
    """
    task = asyncio.ensure_future(work)
    if not (await asyncio.wait((task,), timeout=TIMEOUT_S))[0]:
        # A statement that SQLite blocks ends only later: nobody waits for that.
        task.cancel()
        raise unavailable()
    return task.result()


@dataclass
class _Entry(Generic[V]):
    value: V
    looked_up_at: float
    was_used: bool = False


@dataclass(frozen=True)
class _Lookup(Generic[V]):
    task: "asyncio.Task[V]"
    started_at: float


class OutageCache(Generic[V]):
    """Values by key: looked up again after `fresh_s`, and used for `STALE_S` more while the database does not answer.

    A value that the database does not have any more is gone at once. Requests for one key share a look-up.
    """

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._entries: dict[Hashable, _Entry[V]] = {}
        self._lookups: dict[Hashable, _Lookup[V]] = {}

    def find(self, key: Hashable) -> V | None:
        """Return a value that is fresh, if there is one."""
        entry = self._entries.get(key)
        if entry is None or time.monotonic() >= entry.looked_up_at + self._fresh_s:
            return None
        entry.was_used = True
        return entry.value

    async def get(self, key: Hashable, look_up: Callable[[], Awaitable[V]]) -> V:
        """Return a value; `look_up` gets it from the database.

        Raises:
            Unavailable: the database does not answer, and there is no value that is recent enough.
            DatamlError: whatever `look_up` raises.
        """
        found = self.find(key)
        if found is not None:
            return found
        lookup = self._lookups.get(key) or self._start(key, look_up)
        entry = self._entries.get(key)
        now = time.monotonic()
        is_usable = entry is not None and now < entry.looked_up_at + self._fresh_s + STALE_S
        await asyncio.wait(
            (lookup.task,), timeout=max(0.0, lookup.started_at + PATIENCE_S - now) if is_usable else TIMEOUT_S
        )
        error = lookup.task.exception() if lookup.task.done() else None
        is_away = not lookup.task.done() or isinstance(error, (Unavailable, *UNREACHABLE))
        if not is_away:
            return lookup.task.result()
        if entry is not None and is_usable:
            return entry.value
        raise unavailable() from error

    def list_due(self, limit: int) -> tuple[list[Any], float]:
        """Return keys whose values are not fresh any more and were used while they were, and the time for `renew`.

        A look-up can take these along, where one statement reads many: each of them would need its own otherwise.
        """
        now = time.monotonic()
        due = (
            key
            for key, entry in self._entries.items()
            if entry.was_used and now >= entry.looked_up_at + self._fresh_s and key not in self._lookups
        )
        return list(islice(due, limit)), now

    def renew(self, values: Mapping[Hashable, V], looked_up_at: float) -> None:
        """Take values that were read at the time that `list_due` has returned, unless newer ones are known by now."""
        for key, value in values.items():
            entry = self._entries.get(key)
            # One that is gone has been cleared since.
            if entry is not None and entry.looked_up_at < looked_up_at:
                self._entries[key] = _Entry(value, looked_up_at)

    def remove(self, key: Hashable) -> None:
        """Forget a value."""
        self._entries.pop(key, None)
        self._lookups.pop(key, None)

    def clear(self) -> None:
        """Forget all values, also those that are being looked up."""
        self._entries.clear()
        self._lookups.clear()

    def _start(self, key: Hashable, look_up: Callable[[], Awaitable[V]]) -> _Lookup[V]:
        lookup = _Lookup(asyncio.ensure_future(_run(look_up)), time.monotonic())
        self._lookups[key] = lookup
        lookup.task.add_done_callback(lambda _: self._store(key, lookup))
        return lookup

    def _store(self, key: Hashable, lookup: _Lookup[V]) -> None:
        error = None if lookup.task.cancelled() else lookup.task.exception()
        if self._lookups.get(key) is not lookup:
            return  # the value was removed meanwhile
        del self._lookups[key]
        if lookup.task.cancelled():
            return
        if error is None:
            if len(self._entries) >= _MAX_SIZE:
                self._entries.clear()
            self._entries[key] = _Entry(lookup.task.result(), lookup.started_at)
        elif isinstance(error, DatamlError) and not isinstance(error, Unavailable):
            self._entries.pop(key, None)


async def _run(look_up: Callable[[], Awaitable[V]]) -> V:
    return await look_up()
