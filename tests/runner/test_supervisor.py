"""The supervisor with workers that die, reports sent twice, and another supervisor that still holds the lease."""

# These tests wait for a row of the database or a folder: there is no event to await.
# ruff: noqa: ASYNC110

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from dataml.access import tenants
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.installation import prepare
from dataml.jobs import lease, service
from dataml.jobs.models import Job
from dataml.jobs.spec import Attempt, DescribeResult, DescribeSpec, JobFailure, JobKind, JobReport, JobSpec, JobState
from dataml.metrics.definitions import WORKER_RESTARTS
from dataml.runner import heartbeat
from dataml.runner import supervisor as supervisor_module
from dataml.runner.run_timer import RunTimer
from dataml.runner.supervisor import Supervisor
from dataml.runner.workers import WorkerLost
from dataml.settings import Settings
from tests.conftest import NewHome

CONTRACT = Contract.build([Column("n", DataType.INTEGER)])


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedWorkers:
    """Workers under a test's control: each start is put on `started`, and ends when and how the test says."""

    names = ("one",)

    def __init__(self) -> None:
        self.started: asyncio.Queue[JobSpec] = asyncio.Queue()
        self.alive: dict[str, Attempt] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}
        # While it is cleared the workers do not answer, as stopped processes.
        self.answering = asyncio.Event()
        self.answering.set()
        self.kills = 0

    async def attach(self, name: str, term: int) -> Attempt | None:
        await self.answering.wait()
        return self.alive.get(name)

    async def warm(self, name: str, term: int) -> None:
        await self.answering.wait()

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        await self.answering.wait()
        self.alive[name] = Attempt(spec.job_id, spec.attempt)
        self._ends[name] = asyncio.get_running_loop().create_future()
        await self.started.put(spec)

    async def join(self, name: str) -> None:
        if name not in self._ends:
            self._ends[name] = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._ends[name])

    async def ping(self, name: str) -> None:
        await self.answering.wait()

    async def is_active(self, name: str) -> bool:
        return False

    async def kill(self, name: str) -> None:
        self.kills += 1
        self.answering.set()
        self.die(name)

    def die(self, name: str) -> None:
        self.alive.pop(name, None)
        if name in self._ends and not self._ends[name].done():
            self._ends[name].set_exception(WorkerLost(name))

    def finish(self, name: str) -> None:
        self.alive.pop(name, None)
        self._ends[name].set_result(None)


@pytest.fixture
def settings(new_home: NewHome) -> Settings:
    settings = new_home()
    prepare(settings)
    return settings


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 30))


@asynccontextmanager
async def supervising(
    settings: Settings, workers: ScriptedWorkers, name: str = "first", *, releases_lease: bool = True
) -> AsyncIterator[tuple[Supervisor, Database]]:
    """Run a supervisor; with `releases_lease=False` it ends as a killed process does, its lease still held."""
    database = Database(settings)
    supervisor = Supervisor(database, settings, workers, lambda: None, name)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor, database
    finally:
        supervisor.stop()
        await task
        if not releases_lease:
            async with database.transaction() as session:
                await lease.take(session, name, Supervisor.LEASE_S)
        await database.close()


async def queue(database: Database, supervisor: Supervisor, time_limit_s: int | None = None) -> Job:
    async with database.transaction() as session:
        tenant = await tenants.add(session, "tenant")
        spec = DescribeSpec(1, "jobs/1.1/validated.parquet", CONTRACT)
        scope = Scope(tenant.id, "tester")
        job = await service.enqueue(session, scope, JobKind.DESCRIBE, 1, spec, time_limit_s=time_limit_s)
    supervisor.wake()
    return job


async def queue_statistics(database: Database, supervisor: Supervisor) -> None:
    """Queue a job whose result has a dataset to be written to."""
    async with database.transaction() as session:
        tenant = await tenants.add(session, "tenant")
        dataset = Dataset(tenant_id=tenant.id, name="d", usage="t", data_source="csv", created_by="tester")
        session.add(dataset)
        await session.flush()
        spec = DescribeSpec(dataset.id, "jobs/1.1/data.parquet", CONTRACT)
        await service.enqueue(session, Scope(tenant.id, "tester"), JobKind.DESCRIBE, dataset.id, spec)
    supervisor.wake()


async def wait_for_state(database: Database, job: Job, state: JobState) -> Job:
    while True:
        async with database.reading() as session:
            row = await session.get_one(Job, job.id)
        if row.state == state:
            return row
        await asyncio.sleep(0.01)


def failure_of(spec: JobSpec) -> JobReport:
    return JobReport(spec.job_id, spec.attempt, failure=JobFailure("broken", "It broke."))


def test_a_lost_job_is_retried_in_a_new_folder(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            first = await workers.started.get()
            left = settings.storage_root / first.directory
            left.mkdir(parents=True)
            workers.die("one")
            second = await workers.started.get()
            assert (second.job_id, second.attempt) == (job.id, 2)
            assert second.directory != first.directory
            assert not left.exists()
            workers.die("one")
            ended = await wait_for_state(database, job, JobState.FAILED)
        assert ended.failure_code == "worker_lost"

    WORKER_RESTARTS.take()
    run(body)
    assert WORKER_RESTARTS.take() == {("lost",): 2}


def test_a_report_is_recorded_once(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            spec = await workers.started.get()
            assert await supervisor.report(failure_of(spec))
            late = JobReport(spec.job_id, spec.attempt, result=DescribeResult({}))
            assert await supervisor.report(late), "a report that came too late may be dropped"
            workers.finish("one")
            assert (await wait_for_state(database, job, JobState.FAILED)).failure_detail == "It broke."

    run(body)


def test_a_repeated_report_keeps_the_files_of_a_success(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            await queue_statistics(database, supervisor)
            spec = await workers.started.get()
            written = settings.storage_root / spec.directory / "result"
            written.parent.mkdir(parents=True)
            written.touch()
            report = JobReport(spec.job_id, spec.attempt, result=DescribeResult({}))
            assert await supervisor.report(report)
            assert await supervisor.report(report), "the response to the first one was lost"
            workers.finish("one")
            assert written.exists()

    run(body)


def test_a_new_supervisor_attaches_to_a_living_worker_and_records_its_report(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            spec = await workers.started.get()
        async with supervising(settings, workers, "second") as (supervisor, database):
            assert await wait_for_state(database, job, JobState.RUNNING)
            while not await supervisor.report(failure_of(spec)):
                await asyncio.sleep(0.01)
            workers.finish("one")
            assert (await wait_for_state(database, job, JobState.FAILED)).attempt == 1
        assert workers.started.empty(), "nothing was started again"

    run(body)


def test_a_new_supervisor_retries_the_jobs_of_dead_workers(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            await queue(database, supervisor)
            await workers.started.get()
        async with supervising(settings, ScriptedWorkers(), "second") as (supervisor, database):
            spec = await supervisor._workers.started.get()  # type: ignore[attr-defined]
            assert spec.attempt == 2

    run(body)


def test_without_the_lease_a_report_is_neither_recorded_nor_dropped(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers, releases_lease=False) as (supervisor, database):
            job = await queue(database, supervisor)
            spec = await workers.started.get()
        async with supervising(settings, workers, "second") as (supervisor, database):
            assert not await supervisor.report(failure_of(spec))
            assert (await wait_for_state(database, job, JobState.RUNNING)).failure_code is None

    run(body)


@pytest.mark.parametrize("code", ["storage_full", "lake_full"])
def test_job_without_space_is_tried_again_after_a_pause(settings: Settings, code: str) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            supervisor.SPACE_RETRY_S = 0.3  # type: ignore[misc]
            job = await queue(database, supervisor)
            for attempt in range(1, supervisor.SPACE_ATTEMPTS + 1):
                spec = await workers.started.get()
                assert spec.attempt == attempt
                failure = JobFailure(code, "No space is left.")
                supervisor.SPACE_RETRY_S = 0.3 if attempt == 1 else 0.0  # type: ignore[misc]
                reported_at = time.monotonic()
                assert await supervisor.report(JobReport(spec.job_id, spec.attempt, failure=failure))
                if attempt == 1:
                    waiting = await wait_for_state(database, job, JobState.QUEUED)
                    assert (waiting.message, waiting.failure_code) == ("Waiting for free space", None)
                    workers.finish("one")
                    supervisor.wake()
                    await workers.started.put(await workers.started.get())
                    assert time.monotonic() - reported_at >= 0.3
                else:
                    workers.finish("one")
            ended = await wait_for_state(database, job, JobState.FAILED)
        assert (ended.failure_code, ended.attempt) == (code, supervisor.SPACE_ATTEMPTS)

    run(body)


def test_report_that_finds_the_database_full_is_kept_by_the_worker(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OperationalError("UPDATE job", {}, sqlite3.OperationalError("database or disk is full"))

    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            spec = await workers.started.get()
            with monkeypatch.context() as full:
                full.setattr(service, "finish", fail)
                assert not await supervisor.report(failure_of(spec))
            assert await supervisor.report(failure_of(spec))
            assert await wait_for_state(database, job, JobState.FAILED)
            workers.finish("one")

    run(body)


def test_the_worker_of_a_cancelled_job_is_killed(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            await workers.started.get()
            async with database.transaction() as session:
                assert await service.cancel(session, job)
            supervisor.wake()
            while workers.alive:
                await asyncio.sleep(0.01)
            assert (await wait_for_state(database, job, JobState.CANCELLED)).attempt == 1
        assert workers.started.empty()

    WORKER_RESTARTS.take()
    run(body)
    assert WORKER_RESTARTS.take() == {("stopped",): 1}


def test_the_worker_of_a_job_reported_from_outside_is_killed(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            await queue_statistics(database, supervisor)
            spec = await workers.started.get()
            written = settings.storage_root / spec.directory / "result"
            written.parent.mkdir(parents=True)
            written.touch()
            async with database.transaction() as session:
                job = await service.finish(session, spec.job_id, spec.attempt, None)
                assert job is not None
                job.callback_digest = "d" * 64
            supervisor.wake()
            while workers.alive:
                await asyncio.sleep(0.01)
            assert (await wait_for_state(database, job, JobState.SUCCEEDED)).attempt == 1
        assert workers.started.empty()
        assert written.exists(), "the result stays where the attempt wrote it"

    run(body)


@pytest.fixture
def short_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL_S", "TIMEOUT_S", "_STEP_S", "_INSPECT_AFTER_S"):
        monkeypatch.setattr(heartbeat, name, getattr(heartbeat, name) / 100)


@pytest.mark.usefixtures("short_heartbeats")
def test_the_job_of_a_worker_that_hangs_is_retried(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            await workers.started.get()
            workers.answering.clear()
            second = await workers.started.get()
            assert (second.job_id, second.attempt, workers.kills) == (job.id, 2, 1)

    run(body)


@pytest.mark.usefixtures("short_heartbeats")
def test_a_worker_that_hangs_when_its_job_starts_is_killed(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            # The worker is warm once it has a job; then it hangs without one.
            await queue(database, supervisor)
            await supervisor.report(failure_of(await workers.started.get()))
            workers.finish("one")
            while not supervisor._idle:
                await asyncio.sleep(0.01)
            workers.answering.clear()
            async with database.transaction() as session:
                tenant = await tenants.add(session, "another")
                spec = DescribeSpec(1, "jobs/1.1/validated.parquet", CONTRACT)
                await service.enqueue(session, Scope(tenant.id, "tester"), JobKind.DESCRIBE, 1, spec)
            supervisor.wake()
            assert ((await workers.started.get()).attempt, workers.kills) == (2, 1)

    run(body)


@pytest.mark.usefixtures("short_heartbeats")
def test_a_worker_that_does_not_answer_a_new_supervisor_is_killed(settings: Settings) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            await queue(database, supervisor)
            await workers.started.get()
        workers.answering.clear()
        async with supervising(settings, workers, "second"):
            assert ((await workers.started.get()).attempt, workers.kills) == (2, 1)

    run(body)


@pytest.mark.usefixtures("short_heartbeats")
def test_a_kill_without_an_answer_is_tried_again_before_the_job_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        tries = 0

        async def kill(name: str) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                await asyncio.Event().wait()
            assert workers.started.empty(), "the job waits until its worker is dead"
            await ScriptedWorkers.kill(workers, name)

        monkeypatch.setattr(workers, "kill", kill)
        async with supervising(settings, workers) as (supervisor, database):
            await queue(database, supervisor)
            await workers.started.get()
            workers.answering.clear()
            assert ((await workers.started.get()).attempt, tries) == (2, 2)

    run(body)


def test_a_job_that_takes_too_long_fails_and_is_not_retried(new_home: NewHome) -> None:
    settings = new_home(describe_time_limit_s=1)
    prepare(settings)

    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor)
            spec = await workers.started.get()
            left = settings.storage_root / spec.directory
            left.mkdir(parents=True)
            failed = await wait_for_state(database, job, JobState.FAILED)
            assert (failed.failure_code, failed.attempt) == ("job_timeout", 1)
            assert "its limit of 1 s" in (failed.failure_detail or "")
            while workers.alive or left.exists():
                await asyncio.sleep(0.01)
            assert await supervisor.report(JobReport(spec.job_id, spec.attempt, result=DescribeResult({})))
            assert (await wait_for_state(database, job, JobState.FAILED)).failure_code == "job_timeout"
        assert workers.started.empty()

    run(body)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of how long jobs run, which is recorded in each round."""
    clock = Clock()
    monkeypatch.setattr(supervisor_module, "RunTimer", lambda: RunTimer(clock))
    monkeypatch.setattr(Supervisor, "RUN_TIME_INTERVAL_S", 0.0)
    return clock


async def wait_for_run_time(supervisor: Supervisor, database: Database, job: Job, elapsed_s: float) -> None:
    while (await wait_for_state(database, job, JobState.RUNNING)).elapsed_s != elapsed_s:
        supervisor.wake()
        await asyncio.sleep(0.01)


def test_the_time_of_a_job_is_kept_by_the_next_supervisor(settings: Settings, clock: Clock) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor, time_limit_s=100)
            await workers.started.get()
            clock.now += 60
            await wait_for_run_time(supervisor, database, job, 60)
        # Nobody watches: this time does not count.
        clock.now += 1000
        async with supervising(settings, workers, "second") as (supervisor, database):
            while not supervisor._timers:
                await asyncio.sleep(0.01)
            clock.now += 39
            await wait_for_run_time(supervisor, database, job, 99)
            clock.now += 1
            supervisor.wake()
            assert (await wait_for_state(database, job, JobState.FAILED)).failure_code == "job_timeout"

    run(body)


def test_another_attempt_counts_from_zero(settings: Settings, clock: Clock) -> None:
    async def body() -> None:
        workers = ScriptedWorkers()
        async with supervising(settings, workers) as (supervisor, database):
            job = await queue(database, supervisor, time_limit_s=100)
            await workers.started.get()
            clock.now += 99
            await wait_for_run_time(supervisor, database, job, 99)
            workers.die("one")
            assert (await workers.started.get()).attempt == 2
            clock.now += 98
            await wait_for_run_time(supervisor, database, job, 98)

    run(body)


def test_orphaned_folders_are_collected_at_start(settings: Settings) -> None:
    async def body() -> None:
        stray = settings.storage_root / "jobs" / "999.1"
        stray.mkdir(parents=True)
        async with supervising(settings, ScriptedWorkers()):
            while stray.exists():
                await asyncio.sleep(0.01)

    run(body)
