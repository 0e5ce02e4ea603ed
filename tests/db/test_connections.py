"""Connections of a process to the database: transactions that wait for each other do not hold all of them."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db import session as sessions
from dataml.db.session import Database
from dataml.errors import Unavailable
from dataml.settings import load_settings
from tests.conftest import needs_sqlite

pytestmark = needs_sqlite
_WRITERS = 40


async def write(session: AsyncSession, number: int) -> None:
    await session.execute(text("INSERT INTO note VALUES (:number)"), {"number": number})


async def new_database(home: Path) -> Database:
    database = Database(load_settings(home=home, database_connections=5))
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE note (number INTEGER)"))
    return database


def test_reads_find_a_connection_while_many_transactions_wait_to_write(tmp_path: Path) -> None:
    async def run() -> None:
        database = await new_database(tmp_path)
        pool = database.engine.pool
        begun = asyncio.Event()
        go_on = asyncio.Event()

        async def add(number: int) -> None:
            async with database.transaction() as session:
                await write(session, number)
                begun.set()
                await go_on.wait()

        writers = [asyncio.create_task(add(number)) for number in range(_WRITERS)]
        await begun.wait()
        assert pool.checkedout() == 1  # type: ignore[attr-defined]
        async with asyncio.timeout(5), database.reading() as session:
            assert await session.scalar(text("SELECT count(*) FROM note")) == 0
        go_on.set()
        await asyncio.gather(*writers)
        async with database.reading() as session:
            assert await session.scalar(text("SELECT count(*) FROM note")) == _WRITERS
        await database.close()

    asyncio.run(run())


def test_transaction_that_waits_too_long_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        database = await new_database(tmp_path)
        monkeypatch.setattr(sessions, "_MAX_WRITE_WAIT_S", 0.01)
        async with database.transaction() as session:
            await write(session, 1)
            with pytest.raises(Unavailable, match="database cannot be reached"):
                async with database.transaction():
                    raise AssertionError("two transactions write at once")
        async with database.transaction() as session:
            await write(session, 2)
        await database.close()

    asyncio.run(run())
