"""A database whose transactions are committed later, so that what a request writes and its answer are one commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.session import Database
from dataml.metrics.definitions import DATABASE_DURATION


class DeferringDatabase(Database):
    """The database of one request: each `transaction()` stays open until `commit()`, or until the next one begins.

    Its statements are sent at the end of `transaction()`, so a violated constraint is raised there, as usual. Reads
    commit first: they see what the request has written.
    """

    def __init__(self, database: Database, before_commit: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Share the connections of `database`; `before_commit` may add to each transaction."""
        self.__dict__.update(database.__dict__)
        self._before_commit = before_commit
        self._pending: AsyncSession | None = None
        self._began_at = 0.0
        self._callbacks: list[Callable[[], Awaitable[None]]] = []

    @property
    def is_pending(self) -> bool:
        """Whether a transaction has ended that is not committed."""
        return self._pending is not None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Commit, and open a session for reads as `Database.reading`."""
        await self.commit()
        async with super().reading() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit the last transaction, and open one that is rolled back on any error."""
        await self.commit()
        session = self._write()
        self._began_at = perf_counter()
        try:
            await session.begin()
            yield session
            await session.flush()
        except BaseException:
            await asyncio.shield(session.close())
            raise
        self._pending = session

    async def commit(self) -> None:
        """Commit the transaction that is pending, if there is one."""
        session, self._pending = self._pending, None
        if session is None:
            return
        async with session:
            await self._before_commit(session)
            await session.commit()
        DATABASE_DURATION.observe(perf_counter() - self._began_at, "write")
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            await callback()

    async def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call back once the transaction that is pending is committed; at once if there is none."""
        if self._pending is None:
            await callback()
        else:
            self._callbacks.append(callback)
