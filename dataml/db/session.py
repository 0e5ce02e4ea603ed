"""The engine and its sessions: SQLite on one node by default, PostgreSQL through psycopg 3 elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dataml.settings import Settings


class Database:
    """One engine and the two ways into it: `reading()` and `transaction()`."""

    def __init__(self, settings: Settings) -> None:
        self.engine = _engine(settings)
        # Rows stay readable after the commit: answers are built from them.
        self._write = async_sessionmaker(self.engine, expire_on_commit=False)
        self.read_engine = self.engine.execution_options(read_only=True)
        self._read = async_sessionmaker(self.read_engine, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reads; it never waits for a writer's lock before it starts."""
        async with self._read() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that is committed at the end and rolled back on any error."""
        async with self._write() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def _engine(settings: Settings) -> AsyncEngine:
    # A statement that fails is logged without its parameters: a hash or a name may be among them.
    if not settings.is_sqlite:
        return create_async_engine(settings.sqlalchemy_url, pool_pre_ping=True, hide_parameters=True)
    engine = create_async_engine(settings.sqlalchemy_url, connect_args={"timeout": 30}, hide_parameters=True)
    configure_sqlite(engine.sync_engine)
    return engine


def configure_sqlite(engine: Engine) -> None:
    """Make every connection of this SQLite engine durable, checked and transactional."""
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late for reads; SQLAlchemy's "begin" event below takes over.
    connection.isolation_level = None
    cursor = connection.cursor()
    # Rollback journal: SQLite 3.40's WAL can lose a commit when several connections checkpoint.
    cursor.execute("PRAGMA journal_mode=DELETE")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail to upgrade its lock; a writer takes the lock at once
    # and waits for it instead.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")
