"""The database engine and its sessions: SQLite on one node by default, PostgreSQL through psycopg 3 elsewhere."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Row, Select, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dataml import tracing
from dataml.concurrency import ConcurrencyLimiter
from dataml.db.outage_log import OutageLog
from dataml.errors import StorageFull, Unavailable
from dataml.metrics.definitions import DATABASE_DURATION, DATABASE_ERRORS
from dataml.settings import Settings
from dataml.storage.space import is_exhausted, is_storage_full, storage_full

# Threads and connections of the statements that every request runs.
_LOOKUPS = 4
# How long they may take, in seconds.
LOOKUP_TIMEOUT_S: Final = 4.5
# Connections of everything else that stay open; more are opened under load, up to `database_connections`.
_POOL_SIZE = 5
# How long a writer waits for those before it, and how many may wait. SQLite has one writer at a time.
_MAX_WRITE_WAIT_S, _MAX_WAITING_WRITERS = 30, 10_000
# How long to wait for a connection, and the age at which one is replaced, before a firewall drops it.
_POOL_TIMEOUT_S, _POOL_RECYCLE_S = 10, 1800
# No statement of the platform takes longer, unless it is blocked.
_POSTGRESQL: Final = {
    "connect_timeout": 10,
    "application_name": "dataml",
    "options": "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s",
}
# PostgreSQL's code of an error for lack of space.
_DISK_FULL: Final = "53100"
# The database is away or overloaded, or two transactions deadlocked: a retry may succeed.
UNREACHABLE: Final = (OperationalError, InterfaceError, PoolTimeoutError)


def is_database_full(error: SQLAlchemyError, settings: Settings) -> bool:
    """Return whether the database has failed for lack of space on its disk."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlstate", None) == _DISK_FULL or is_storage_full(error):
        return True
    # SQLite names the file that it could not open or write, such as its journal, and no reason.
    return settings.is_sqlite and isinstance(cause, sqlite3.OperationalError) and is_exhausted(settings.root)


def database_full(settings: Settings) -> StorageFull:
    """Return the answer of a call that met a full database; nothing was changed."""
    return storage_full("the database", settings.root if settings.is_sqlite else None)


def unavailable() -> Unavailable:
    """Return the answer of a call that met one of `UNREACHABLE`.

    Nothing was changed, unless the connection broke during the commit itself.
    """
    return Unavailable("The database cannot be reached; try again in a moment.", code="database_unavailable")


def log_failure(log: logging.Logger, error: SQLAlchemyError, message: str, *arguments: object) -> None:
    """Log the failure of work that is tried again; only for debugging when the database is away.

    `Database` logs the beginning of the outage, with the error.
    """
    if isinstance(error, UNREACHABLE):
        log.debug(message, *arguments)
    else:
        log.error(message, *arguments, exc_info=error)


class Database:
    """One database: `reading()`, `transaction()`, and `look_up()` for a single fast statement.

    What fails because it is away is logged here, once an outage: its callers need not log it.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = _engine(settings)
        # Rows stay readable after the commit: answers are built from them.
        self._write = async_sessionmaker(self.engine, expire_on_commit=False)
        # A writer that waits for the lock of SQLite would hold a connection, and many of them all connections.
        self._writers = _one_writer() if settings.is_sqlite else None
        self._read = async_sessionmaker(
            self.engine.execution_options(**_snapshot_options(settings)), expire_on_commit=False
        )
        self._lookups = _lookup_engine(settings)
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")
        self._outages = OutageLog()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session for reads of one snapshot; it never waits for a writer's lock before it starts."""
        with self._measuring("read"):
            async with self._read() as session:
                yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a session that is committed at the end and rolled back on any error."""
        with self._measuring("write"):
            async with self._turn_to_write(), self._write() as session, session.begin():
                yield session

    @asynccontextmanager
    async def _turn_to_write(self) -> AsyncIterator[None]:
        """Wait until no other transaction of this process writes, where the database has one writer at a time.

        Raises:
            Unavailable: `database_unavailable`: those before it take too long.
        """
        if self._writers is None:
            yield
            return
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_MAX_WRITE_WAIT_S):
                    await stack.enter_async_context(self._writers.acquire())
            except TimeoutError as error:
                raise unavailable() from error
            yield

    async def look_up(self, statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]) -> Sequence[Row[Any]]:
        """Return all rows of one statement, as committed at this moment.

        Raises:
            Unavailable: `database_unavailable`: it does not answer within `LOOKUP_TIMEOUT_S`.

        It takes one thread switch and back. A session of the async engine switches for each of its five or more calls
        of the driver, which takes ten times as long.
        """
        loop = asyncio.get_running_loop()
        with self._measuring("lookup"):
            try:
                async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                    return await loop.run_in_executor(self._threads, self._fetch, statement, parameters)
            except TimeoutError as error:
                raise unavailable() from error

    @contextmanager
    def _measuring(self, kind: Literal["read", "write", "lookup"]) -> Iterator[None]:
        """Measure a transaction, and note whether the database answers."""
        try:
            with tracing.span(f"database {kind}"), DATABASE_DURATION.time(kind):
                yield
        except (*UNREACHABLE, Unavailable) as error:
            if not isinstance(error, Unavailable) or error.code == "database_unavailable":
                DATABASE_ERRORS.add(kind)
                self._outages.record_failure(error)
            raise
        self._outages.record_success()

    def _fetch(self, statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]) -> Sequence[Row[Any]]:
        with self._lookups.connect() as connection:
            return connection.execute(statement, parameters).all()

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        self._threads.shutdown()
        self._lookups.dispose()


def _one_writer() -> ConcurrencyLimiter:
    return ConcurrencyLimiter(max_concurrency=1, max_waiting=_MAX_WAITING_WRITERS, rejection=unavailable)


def _lookup_engine(settings: Settings) -> Engine:
    """Return the engine of single reading statements, each a transaction of its own."""
    engine = create_engine(
        settings.blocking_url,
        isolation_level="AUTOCOMMIT",
        pool_size=_LOOKUPS,
        max_overflow=0,
        hide_parameters=True,
        **_reconnect_options(settings),
    )
    if settings.is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "connect", _limit_wait_of_sqlite)
    return engine


def _engine(settings: Settings) -> AsyncEngine:
    # A failed statement is logged without its parameters: a hash or a name may be among them.
    if not settings.is_sqlite:
        return create_async_engine(
            settings.sqlalchemy_url,
            **_pool_options(settings),
            hide_parameters=True,
            **_reconnect_options(settings),
        )
    engine = create_async_engine(
        settings.sqlalchemy_url, connect_args={"timeout": 30}, **_pool_options(settings), hide_parameters=True
    )
    configure_sqlite(engine.sync_engine)
    return engine


def _pool_options(settings: Settings) -> dict[str, Any]:
    size = min(_POOL_SIZE, settings.database_connections)
    return {
        "pool_size": size,
        "max_overflow": settings.database_connections - size,
        "pool_timeout": _POOL_TIMEOUT_S,
    }


def _snapshot_options(settings: Settings) -> dict[str, Any]:
    """Return engine options with which a transaction reads the snapshot of its beginning, as SQLite always does.

    Rows that refer to each other are then found together.
    """
    if settings.is_sqlite:
        return {"read_only": True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _reconnect_options(settings: Settings) -> dict[str, Any]:
    """Return engine options with which a pool notices a restart of the server: it tests a connection before use."""
    if settings.is_sqlite:
        return {}
    # An option that the URL sets is its owner's choice.
    from_url = make_url(settings.blocking_url).query
    arguments = {name: value for name, value in _POSTGRESQL.items() if name not in from_url}
    return {"pool_pre_ping": True, "pool_recycle": _POOL_RECYCLE_S, "connect_args": arguments}


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


def _limit_wait_of_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The thread must not wait for a lock any longer than the caller waits for the thread.
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={LOOKUP_TIMEOUT_S * 1000:.0f}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail to upgrade its lock; a writer takes the lock at once
    # and waits for it instead.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")
