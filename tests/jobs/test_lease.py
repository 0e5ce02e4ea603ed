"""The supervisor's lease: one holder at a time, whatever the clocks say, and one term for each takeover."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest

from dataml.db.base import utc_now
from dataml.db.session import Database
from dataml.installation import prepare
from dataml.jobs import lease
from dataml.settings import Settings
from tests.conftest import NewHome, needs_postgresql

LIFETIME_S = 6.0


class Leases:
    """The lease of a database, as supervisors use it, each call in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, holder: str, *, is_successor: bool = False) -> int | None:
        async with self._database.transaction() as session:
            return await lease.take(session, holder, LIFETIME_S, is_successor=is_successor)

    async def renew(self, term: int) -> bool:
        async with self._database.transaction() as session:
            return await lease.renew(session, term, LIFETIME_S)

    async def is_held(self, term: int) -> bool:
        async with self._database.transaction() as session:
            return await lease.is_held(session, term)

    async def release(self, term: int) -> None:
        async with self._database.transaction() as session:
            await lease.release(session, term)


class Clock:
    """The clock of the database."""

    def __init__(self) -> None:
        self.now = utc_now()

    async def read(self, session: object) -> datetime:
        return self.now


Run = Callable[[Callable[[Leases], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease, "_now", clock.read)
    return clock


@pytest.fixture
def run(new_home: NewHome) -> Run:
    settings: Settings = new_home()
    prepare(settings)

    def start(body: Callable[[Leases], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            database = Database(settings)
            await body(Leases(database))
            await database.close()

        asyncio.run(main())

    return start


def test_one_supervisor_at_a_time_holds_the_lease(run: Run, clock: Clock) -> None:
    async def body(leases: Leases) -> None:
        assert await leases.take("first") == 1
        assert await leases.take("second") is None
        assert await leases.is_held(1)
        clock.now += timedelta(seconds=LIFETIME_S - 1)
        assert await leases.renew(1)
        clock.now += timedelta(seconds=LIFETIME_S - 1)
        assert await leases.take("second") is None
        clock.now += timedelta(seconds=1)
        assert await leases.take("second") == 2
        assert not await leases.is_held(1)
        assert not await leases.renew(1)
        assert await leases.take("first") is None

    run(body)


def test_a_lease_that_has_ended_is_its_holders_until_another_takes_it(run: Run, clock: Clock) -> None:
    async def body(leases: Leases) -> None:
        await leases.take("first")
        clock.now += timedelta(days=1)
        assert await leases.is_held(1)
        assert await leases.renew(1)
        assert await leases.take("second") is None

    run(body)


def test_a_released_lease_is_taken_at_once(run: Run, clock: Clock) -> None:
    async def body(leases: Leases) -> None:
        await leases.take("first")
        await leases.release(1)
        assert await leases.take("second") == 2
        await leases.release(1)
        assert await leases.is_held(2), "an earlier holder releases nothing"
        assert await leases.take("third") is None

    run(body)


def test_a_successor_of_the_same_name_need_not_wait(run: Run, clock: Clock) -> None:
    async def body(leases: Leases) -> None:
        await leases.take("first")
        assert await leases.take("first") is None
        assert await leases.take("second", is_successor=True) is None
        assert await leases.take("first", is_successor=True) == 2
        assert not await leases.renew(1)

    run(body)


@pytest.mark.parametrize("by", [timedelta(hours=-1), timedelta(days=1)])
def test_a_clock_that_is_set_makes_neither_two_holders_nor_none(run: Run, clock: Clock, by: timedelta) -> None:
    async def body(leases: Leases) -> None:
        assert await leases.take("first") == 1
        clock.now += by
        assert await leases.renew(1), "the holder stays the holder where it comes first"
        assert await leases.take("second") is None
        clock.now += by
        assert await leases.take("second") == 2, "nobody waits for an hour"
        assert not await leases.is_held(1)
        assert not await leases.renew(1)

    run(body)


@needs_postgresql
def test_the_clock_of_the_supervisors_node_does_not_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(leases: Leases) -> None:
        assert await leases.take("first") == 1
        for by in (timedelta(hours=-1), timedelta(days=1)):
            monkeypatch.setattr(lease, "utc_now", lambda by=by: utc_now() + by)
            assert await leases.take("second") is None
            assert await leases.renew(1)

    run(body)
