"""Values of the database while it does not answer."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from dataml.access.service import Authenticator
from dataml.access.tokens import TokenKeys
from dataml.db import outage_cache, session
from dataml.db.outage_cache import STALE_S, OutageCache, within_timeout
from dataml.db.session import Database
from dataml.errors import NotFound, Unavailable
from tests.client import Client
from tests.conftest import Platform, log_in, needs_sqlite

FRESH_S = 5.0


class Clock:
    """The monotonic clock of the cache."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outage_cache, "time", clock)
    monkeypatch.setattr(outage_cache, "PATIENCE_S", 0.02)
    monkeypatch.setattr(outage_cache, "TIMEOUT_S", 0.05)
    return clock


class Source:
    """A database: it answers with `value`, raises it, or does not answer while it is `hung`."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.hung = False
        self.asked = 0
        self.begun, self.answers = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Any:
        self.asked += 1
        self.begun.set()
        value = self.value
        if self.hung:
            await self.answers.wait()
        if isinstance(value, Exception):
            raise value
        return value


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 10))


def away() -> OperationalError:
    return OperationalError("SELECT", {}, Exception("database is locked"))


def test_a_value_is_looked_up_once_while_it_is_fresh(clock: Clock) -> None:
    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source("a")
        assert [await cache.get("k", source) for _ in range(3)] == ["a"] * 3
        assert source.asked == 1
        source.value = "b"
        clock.ahead_s = FRESH_S + 0.1
        assert await cache.get("k", source) == "b"

    run(body)


@pytest.mark.parametrize("hung", [True, False])
def test_a_value_is_used_for_a_minute_while_the_database_is_away(clock: Clock, hung: bool) -> None:
    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source("a")
        await cache.get("k", source)
        source.hung, source.value = hung, "b" if hung else away()
        for clock.ahead_s in (FRESH_S + 1, FRESH_S + STALE_S - 1):
            assert await cache.get("k", source) == "a"
        clock.ahead_s = FRESH_S + STALE_S + 1
        with pytest.raises(Unavailable) as caught:
            await cache.get("k", source)
        assert caught.value.code == "database_unavailable"
        source.hung, source.value = False, "c"
        source.answers.set()
        assert await cache.get("k", source) in ("b", "c")

    run(body)


@pytest.mark.parametrize("hung", [True, False])
def test_without_a_value_an_outage_is_an_error(clock: Clock, hung: bool) -> None:
    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source(away())
        source.hung = hung
        with pytest.raises(Unavailable):
            await cache.get("k", source)

    run(body)


def test_requests_do_not_wait_each_for_a_database_that_hangs(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage_cache, "PATIENCE_S", 3600.0)

    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source("a")
        await cache.get("k", source)
        source.hung = True
        clock.ahead_s = FRESH_S + 1
        first = asyncio.create_task(cache.get("k", source))
        await asyncio.sleep(0)
        monkeypatch.setattr(outage_cache, "PATIENCE_S", 0.0)
        assert [await cache.get("k", source) for _ in range(10)] == ["a"] * 10
        assert source.asked == 2
        source.answers.set()
        assert await first == "a"

    run(body)


def test_what_is_gone_is_gone_at_once(clock: Clock) -> None:
    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source("a")
        await cache.get("k", source)
        source.value = NotFound("gone")
        clock.ahead_s = FRESH_S + 1
        with pytest.raises(NotFound):
            await cache.get("k", source)
        source.value = away()
        with pytest.raises(Unavailable):
            await cache.get("k", source)

    run(body)


def test_a_lookup_that_began_before_the_cache_was_cleared_is_not_kept(clock: Clock) -> None:
    async def body() -> None:
        cache, source = OutageCache[str](FRESH_S), Source("old")
        source.hung = True
        early = asyncio.create_task(cache.get("k", source))
        await source.begun.wait()
        cache.clear()
        source.value = "new"
        source.answers.set()
        assert await early == "old"
        assert await cache.get("k", source) == "new"

    run(body)


def test_a_lookup_can_take_others_along_that_are_in_use(clock: Clock) -> None:
    async def body() -> None:
        cache = OutageCache[str](FRESH_S)
        for key in ("used", "unused", "removed", "newer", "fresh"):
            clock.ahead_s = FRESH_S if key == "fresh" else 0.0
            await cache.get(key, Source("old"))
            if key != "unused":
                await cache.get(key, Source("old"))
        clock.ahead_s = FRESH_S + 0.1
        due, now = cache.list_due(10)
        assert due == ["used", "removed", "newer"]
        assert cache.list_due(1)[0] == ["used"]
        cache.remove("removed")
        clock.ahead_s = FRESH_S + 0.2
        await cache.get("newer", Source("newer"))
        cache.renew(dict.fromkeys(due, "renewed"), now)
        found = [cache.find(key) for key in ("used", "unused", "removed", "newer", "fresh")]
        assert found == ["renewed", None, None, "newer", "old"]
        # What is not used any more is not looked up for ever.
        cache.renew({"used": "again"}, now + 0.1)
        clock.ahead_s = 3 * FRESH_S
        assert "used" not in cache.list_due(10)[0]

    run(body)


def test_work_that_hangs_is_not_waited_for(clock: Clock) -> None:
    async def body() -> None:
        source = Source("late")
        assert await within_timeout(source()) == "late"
        source.hung = True
        with pytest.raises(Unavailable):
            await within_timeout(source())

    run(body)


@contextmanager
def locked(platform: Platform) -> Iterator[None]:
    """Hold SQLite's exclusive lock, with which nobody else can read."""
    connection = sqlite3.connect(platform.settings.root / "dataml.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@needs_sqlite
def test_a_caller_stays_known_while_sqlite_is_locked(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOOKUP_TIMEOUT_S", 0.5)
    header = log_in(platform.anonymous, "analyst").headers["Authorization"]
    other = log_in(platform.anonymous, "analyst").headers["Authorization"]
    clock = SimpleNamespace(monotonic=time.monotonic)
    monkeypatch.setattr(outage_cache, "time", clock)

    async def body() -> None:
        database = Database(platform.settings)
        authenticator = Authenticator(database, TokenKeys.load(platform.settings.key_file), FRESH_S)
        first = await authenticator.authenticate(header)
        with locked(platform):
            clock.monotonic = lambda: time.monotonic() + FRESH_S + 1
            assert await authenticator.authenticate(header) == first
            with pytest.raises(Unavailable):
                await authenticator.authenticate(other)
        assert (await authenticator.authenticate(other)).username == "analyst"
        await database.close()

    run(body)


@needs_sqlite
def test_every_call_answers_in_time_while_sqlite_is_locked(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOOKUP_TIMEOUT_S", 0.05)
    with locked(platform):
        answer = client.get("/dataset/list")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_unavailable"
    assert answer.headers["Retry-After"] == "1"
