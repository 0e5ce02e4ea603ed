"""The concurrency limiter: how many run at once, how many wait, and what becomes of the rest."""

import asyncio
from functools import partial

import pytest

from dataml.concurrency import ConcurrencyLimiter


class Rejected(Exception):
    """The error of a limiter under test."""


def limiter(max_concurrency: int = 2, max_waiting: int = 3) -> ConcurrencyLimiter:
    """Return a limiter that rejects with `Rejected`."""
    rejection = partial(Rejected, "try again")
    return ConcurrencyLimiter(max_concurrency=max_concurrency, max_waiting=max_waiting, rejection=rejection)


async def hold(limit: ConcurrencyLimiter, started: list[int], release: asyncio.Event, number: int = 0) -> None:
    """Hold the limiter until `release` is set, and record the number when the turn has come."""
    async with limit.acquire():
        started.append(number)
        await release.wait()


async def let_others_run() -> None:
    """Let other tasks of the loop go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_more_than_the_limit_run_at_once_and_the_others_follow_in_order() -> None:
    async def run() -> tuple[list[int], list[int]]:
        limit, started, release = limiter(), list[int](), asyncio.Event()
        tasks = [asyncio.create_task(hold(limit, started, release, number)) for number in range(5)]
        await let_others_run()
        first = list(started)
        release.set()
        await asyncio.gather(*tasks)
        return first, started

    assert asyncio.run(run()) == ([0, 1], [0, 1, 2, 3, 4])


def test_one_more_than_may_wait_is_rejected_and_later_ones_are_served() -> None:
    async def run() -> None:
        limit, started, release = limiter(), list[int](), asyncio.Event()
        tasks = [asyncio.create_task(hold(limit, started, release)) for _ in range(5)]
        await let_others_run()
        with pytest.raises(Rejected, match="try again"):
            await hold(limit, started, release)
        release.set()
        await asyncio.gather(*tasks)
        await hold(limit, started, release)
        assert len(started) == 6

    asyncio.run(run())


def test_a_slot_is_free_again_after_an_error() -> None:
    async def run() -> None:
        limit = limiter(max_concurrency=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with limit.acquire():
                    raise ZeroDivisionError

    asyncio.run(run())


def test_a_cancelled_waiter_gives_its_place_to_another() -> None:
    async def run() -> list[int]:
        limit, started, release = limiter(max_concurrency=1, max_waiting=1), list[int](), asyncio.Event()
        holder = asyncio.create_task(hold(limit, started, release, 0))
        await let_others_run()
        waiter = asyncio.create_task(hold(limit, started, release, 1))
        await let_others_run()
        waiter.cancel()
        await let_others_run()
        next_waiter = asyncio.create_task(hold(limit, started, release, 2))
        await let_others_run()
        release.set()
        await asyncio.gather(holder, next_waiter)
        return started

    assert asyncio.run(run()) == [0, 2]


def test_one_limiter_serves_several_event_loops_one_after_another() -> None:
    limit, started, release = limiter(max_concurrency=1), list[int](), asyncio.Event()
    release.set()
    for number in range(3):
        asyncio.run(hold(limit, started, release, number))
    assert started == [0, 1, 2]
