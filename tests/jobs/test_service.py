"""The job queue: each change of a job's state happens once, and a final state never changes."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from dataml.access import tenants
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import NotFound
from dataml.installation import prepare
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import DescribeSpec, JobFailure, JobKind, JobProgress, JobState
from dataml.metrics.definitions import JOB_DURATION, JOBS_FINISHED
from dataml.ml.leaderboard import CandidateScore
from dataml.settings import Settings
from tests.conftest import NewHome

CONTRACT = Contract.build([Column("n", DataType.INTEGER)])
Run = Callable[[Callable[[Database, Scope], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    settings = new_home()
    prepare(settings)
    return settings


@pytest.fixture
def run(settings: Settings) -> Run:
    """Return a function that runs a coroutine function with a database and a new tenant's scope."""

    def start(body: Callable[[Database, Scope], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            database = Database(settings)
            async with database.transaction() as session:
                tenant = await tenants.add(session, f"tenant-{body.__qualname__}")
                for job in await service.list_running(session):
                    await service.cancel(session, job)
                while (spec := await service.claim(session)) is not None:
                    await service.finish(session, spec.job_id, spec.attempt, None)
            await body(database, Scope(tenant.id, "tester"))
            await database.close()

        asyncio.run(main())

    return start


async def queue(database: Database, scope: Scope, subject_id: int = 1) -> Job:
    async with database.transaction() as session:
        spec = DescribeSpec(subject_id, "jobs/1.1/validated.parquet", CONTRACT)
        return await service.enqueue(session, scope, JobKind.DESCRIBE, subject_id, spec)


async def state(database: Database, job: Job) -> str:
    async with database.reading() as session:
        return (await session.get_one(Job, job.id)).state


def test_jobs_are_claimed_in_queue_order(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        first, second = await queue(database, scope), await queue(database, scope)
        async with database.transaction() as session:
            claimed = [await service.claim(session), await service.claim(session), await service.claim(session)]
        assert [spec and spec.job_id for spec in claimed] == [first.id, second.id, None]

    run(body)


def test_a_spec_survives_the_database(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope, subject_id=7)
        async with database.transaction() as session:
            spec = await service.claim(session)
        assert spec is not None
        assert spec.payload == DescribeSpec(7, "jobs/1.1/validated.parquet", CONTRACT)
        assert (spec.attempt, spec.directory) == (1, f"jobs/{job.id}.1")

    run(body)


def test_an_uncommitted_job_is_never_claimed(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        with suppress(RuntimeError):
            async with database.transaction() as session:
                spec = DescribeSpec(1, "x", CONTRACT)
                await service.enqueue(session, scope, JobKind.DESCRIBE, 1, spec)
                raise RuntimeError("the process dies here")
        async with database.transaction() as session:
            assert await service.claim(session) is None

    run(body)


def test_a_job_finishes_once(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        async with database.transaction() as session:
            await service.claim(session)
        async with database.transaction() as session:
            first = await service.finish(session, job.id, 1, None)
            second = await service.finish(session, job.id, 1, JobFailure("late", "too late"))
        assert first is not None
        assert second is None
        assert await state(database, job) == JobState.SUCCEEDED

    run(body)


def test_an_earlier_attempt_cannot_finish_the_job(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        async with database.transaction() as session:
            await service.claim(session)
            await service.retry_or_fail(session, job.id, 1, attempts=2)
            again = await service.claim(session)
            stale = await service.finish(session, job.id, 1, None)
        assert again is not None
        assert again.attempt == 2
        assert stale is None
        assert await state(database, job) == JobState.RUNNING

    run(body)


def test_a_lost_job_is_retried_and_then_fails(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        for attempt in (1, 2):
            async with database.transaction() as session:
                await service.claim(session)
                failed = await service.retry_or_fail(session, job.id, attempt, attempts=2)
            assert (failed is None) == (attempt == 1)
        async with database.reading() as session:
            ended = await session.get_one(Job, job.id)
        assert (ended.state, ended.failure_code) == (JobState.FAILED, "worker_lost")

    run(body)


def test_lack_of_space_and_lost_workers_have_limits_of_their_own(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        outcomes: list[Job | int | None] = []
        for attempt, finds_space in enumerate((False, True, False, True, False), start=1):
            async with database.transaction() as session:
                spec = await service.claim(session)
                assert spec is not None
                assert spec.attempt == attempt
                if finds_space:
                    outcomes.append(await service.retry_or_fail(session, job.id, attempt, attempts=3))
                else:
                    outcomes.append(await service.retry_for_space(session, job.id, attempt, 3, "Waiting"))
        # The third attempt without space is not repeated, nor is one that has ended.
        assert outcomes == [1, None, 2, None, None]
        assert await state(database, job) == JobState.RUNNING
        async with database.transaction() as session:
            assert await service.retry_for_space(session, job.id, 4, 9, "Waiting") is None
            assert await service.retry_or_fail(session, job.id, 5, attempts=4) is None
            await service.claim(session)
            failed = await service.retry_or_fail(session, job.id, 6, attempts=4)
        assert failed is not None
        assert failed.failure_detail is not None
        assert "4 times" in failed.failure_detail

    run(body)


@pytest.mark.parametrize("claimed", [False, True])
def test_a_cancelled_job_stays_cancelled(run: Run, claimed: bool) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        async with database.transaction() as session:
            if claimed:
                await service.claim(session)
        async with database.transaction() as session:
            assert await service.cancel(session, job)
            assert not await service.cancel(session, job)
            assert await service.finish(session, job.id, 1, None) is None
            await service.retry_or_fail(session, job.id, 1, attempts=9)
            assert await service.claim(session) is None
        assert await state(database, job) == JobState.CANCELLED

    body.__qualname__ += str(claimed)
    run(body)


def test_progress_of_an_ended_job_is_not_recorded(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        async with database.transaction() as session:
            await service.claim(session)
            await service.record_progress(session, job.id, 1, JobProgress(0.5, "half"))
            await service.finish(session, job.id, 1, None)
            await service.record_progress(session, job.id, 1, JobProgress(0.7, "late"))
        async with database.reading() as session:
            ended = await session.get_one(Job, job.id)
        assert (ended.progress, ended.message) == (1.0, "Done")

    run(body)


def test_leaderboard_is_of_the_attempt_that_runs(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        waiting, scored = CandidateScore("Linear", "rmse"), CandidateScore("LightGBM", "rmse", 1.5, 2.0)
        async with database.transaction() as session:
            await service.claim(session)
            await service.record_progress(session, job.id, 1, JobProgress(0.5, "half", (scored, waiting)))
        async with database.reading() as session:
            found = (await session.get_one(Job, job.id)).leaderboard
        assert found == [
            {"candidate": "LightGBM", "metric": "rmse", "score": 1.5, "seconds": 2.0, "state": "waiting"},
            {"candidate": "Linear", "metric": "rmse", "score": None, "seconds": None, "state": "waiting"},
        ]
        async with database.transaction() as session:
            await service.retry_or_fail(session, job.id, 1, 3)
        async with database.reading() as session:
            assert (await session.get_one(Job, job.id)).leaderboard is None

    run(body)


def test_a_job_is_found_by_its_public_id(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        job = await queue(database, scope)
        async with database.reading() as session:
            assert (await service.find(session, scope, f"stat-job-{job.id}")).id == job.id
            assert (await service.find(session, scope, str(job.id))).id == job.id
            for wrong in (f"train-job-{job.id}", f"0{job.id}", f"stat-job-{job.id} ", "stat-job-", "9" * 30, "-1"):
                with pytest.raises(NotFound):
                    await service.find(session, scope, wrong)
            with pytest.raises(NotFound):
                await service.find(session, Scope("another", "x"), f"stat-job-{job.id}")

    run(body)


def test_end_of_a_job_is_counted_once_it_is_committed(run: Run) -> None:
    async def body(database: Database, scope: Scope) -> None:
        await queue(database, scope)
        await queue(database, scope)
        async with database.transaction() as session:
            spec = await service.claim(session)
        assert spec is not None
        JOBS_FINISHED.take()
        JOB_DURATION.take()
        with suppress(KeyError):
            async with database.transaction() as session:
                assert await service.finish(session, spec.job_id, spec.attempt, None)
                raise KeyError
        assert JOBS_FINISHED.take() == {}
        for _ in range(2):
            async with database.transaction() as session:
                await service.finish(session, spec.job_id, spec.attempt, JobFailure("too_bad", "Too bad."))
        async with database.transaction() as session:
            (waiting,) = await service.list_unfinished(session, scope)
            assert await service.cancel(session, waiting)
        assert JOBS_FINISHED.take() == {("describe", "failed"): 1, ("describe", "cancelled"): 1}
        # One that has never begun has no duration.
        assert {labels: sum(values[:-1]) for labels, values in JOB_DURATION.take().items()} == {("describe",): 1}

    run(body)
