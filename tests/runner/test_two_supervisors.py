"""A supervisor that stops for longer than its lease, and goes on after another one has taken over."""

# These tests wait for what a supervisor has done: there is no event to await.
# ruff: noqa: ASYNC110

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from dataml.db.session import Database
from dataml.installation import prepare
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import Attempt, DescribeResult, JobProgress, JobReport, JobSpec, JobState
from dataml.runner.supervisor import Supervisor
from dataml.runner.workers import WorkerLost
from dataml.settings import Settings
from tests.conftest import NewHome
from tests.database import read_all_tables
from tests.runner.test_supervisor import ScriptedWorkers, failure_of, queue, run, wait_for_state


class FencingWorkers(ScriptedWorkers):
    """Workers that take a job only from the supervisor that has attached last, as real ones do."""

    names = ("one", "two")

    def __init__(self) -> None:
        super().__init__()
        self.term = 0

    async def attach(self, name: str, term: int) -> Attempt | None:
        self.term = max(term, self.term)
        return await super().attach(name, term)

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        if term != self.term:
            raise WorkerLost(name)
        await super().start(name, spec, term)


@dataclass
class Takeover:
    """An elder supervisor that was stopped during its job, and the younger one that has taken over."""

    settings: Settings
    database: Database
    workers: FencingWorkers
    elder: Supervisor
    younger: Supervisor
    term: int
    job: Job
    spec: JobSpec

    @property
    def attempt(self) -> Attempt:
        return Attempt(self.spec.job_id, self.spec.attempt)


@pytest.fixture
def settings(new_home: NewHome, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(Supervisor, "LEASE_S", 0.3)
    settings = new_home(describe_time_limit_s=1000)
    prepare(settings)
    return settings


@asynccontextmanager
async def taken_over(settings: Settings) -> AsyncIterator[Takeover]:
    databases = [Database(settings), Database(settings)]
    workers = FencingWorkers()
    elder, younger = (
        Supervisor(database, settings, workers, lambda: None, name)
        for database, name in zip(databases, ("elder", "younger"), strict=True)
    )
    running = asyncio.create_task(elder.run())
    job = await queue(databases[0], elder)
    spec = await workers.started.get()
    term = elder._term
    assert term is not None
    # From here on the elder does not run its loop: it is stopped, or its machine is.
    elder._run_once = _never  # type: ignore[method-assign]
    # What it records of the running time would hide what the elder one writes.
    younger._times_due_at = float("inf")
    task = asyncio.create_task(younger.run())
    while younger._term is None or younger._recoveries:
        await asyncio.sleep(0.01)
    try:
        yield Takeover(settings, databases[1], workers, elder, younger, term, job, spec)
    finally:
        for supervisor in (elder, younger):
            supervisor.stop()
        await asyncio.gather(running, task)
        for database in databases:
            await database.close()


async def _never() -> None:
    return


Act = Callable[[Takeover], Awaitable[object]]


async def report_failure(state: Takeover) -> None:
    assert not await state.elder.report(failure_of(state.spec)), "the worker keeps the report for the younger one"


async def report_success(state: Takeover) -> None:
    assert not await state.elder.report(JobReport(state.spec.job_id, state.spec.attempt, result=DescribeResult({})))


async def fail_overdue(state: Takeover) -> None:
    for timer in state.elder._timers.values():
        timer._began -= 100_000
    assert state.elder._timers
    await state.elder._check_run_times()


async def run_round(state: Takeover) -> None:
    await Supervisor._run_once(state.elder)
    assert state.elder._term is None
    assert not state.elder._busy, "what it knew of the workers is forgotten"


ACTS: dict[str, Act] = {
    "report a failure": report_failure,
    "report a success": report_success,
    "record progress": lambda state: state.elder.record_progress(
        state.spec.job_id, state.spec.attempt, JobProgress(0.7, "Late")
    ),
    "give the attempt up": lambda state: state.elder._handle_lost(state.attempt, state.term),
    "give all attempts up": lambda state: state.elder._retry_abandoned(state.term),
    "fail an overdue job": fail_overdue,
    "describe queued jobs": lambda state: state.elder._has_space(),
    "collect orphans": lambda state: state.elder._collect_orphans(),
    "collect deleted files": lambda state: state.elder._collect_deleted_files(),
    "clean up": lambda state: state.elder._clean_up(state.attempt),
    "kill the worker": lambda state: state.elder._kill("one", state.term),
    "run a round": run_round,
}


@pytest.mark.parametrize("act", ACTS)
def test_an_elder_supervisor_changes_nothing(settings: Settings, act: str) -> None:
    async def body() -> None:
        async with taken_over(settings) as state:
            folder = settings.storage_root / state.spec.directory
            folder.mkdir(parents=True)
            before = await asyncio.to_thread(read_rows, settings)
            await ACTS[act](state)
            assert await asyncio.to_thread(read_rows, settings) == before
            assert folder.exists()
            assert state.workers.kills == 0
            assert state.attempt in state.workers.alive.values()
            # The younger one goes on as if nothing had happened.
            assert await state.younger.report(failure_of(state.spec))
            assert (await wait_for_state(state.database, state.job, JobState.FAILED)).failure_code == "broken"

    run(body)


def read_rows(settings: Settings) -> object:
    rows = read_all_tables(settings)
    del rows["supervisor_lease"]
    return rows


def test_an_elder_supervisor_claims_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with taken_over(settings) as state:
            await state.younger.report(failure_of(state.spec))
            state.workers.finish(next(iter(state.workers.alive)))
            monkeypatch.setattr(state.younger, "_dispatch", _no_job)
            async with state.database.transaction() as session:
                job = await session.get_one(Job, state.job.id)
                job.state = JobState.QUEUED.value
            state.elder._idle = ["one", "two"]
            assert not await state.elder._dispatch()
            async with state.database.reading() as session:
                assert (await session.get_one(Job, state.job.id)).state == JobState.QUEUED
        assert state.workers.started.empty()

    run(body)


async def _no_job() -> bool:
    return False


def test_a_job_that_the_elder_has_claimed_is_not_started_after_the_takeover(settings: Settings) -> None:
    """It stopped between the claim and the call of the worker; by now the younger one has retried the job."""

    async def body() -> None:
        async with taken_over(settings) as state:
            state.workers.die("two" if "two" in state.workers.alive else "one")
            again = await state.workers.started.get()
            assert (again.job_id, again.attempt) == (state.spec.job_id, 2)
            idle = next(name for name in state.workers.names if name not in state.workers.alive)
            state.elder._watch(idle, state.attempt, state.term, state.spec)
            while state.elder._tasks:
                await asyncio.gather(*state.elder._tasks, return_exceptions=True)
            assert list(state.workers.alive.values()) == [Attempt(again.job_id, again.attempt)]
            assert state.workers.kills <= 1, "only the younger one kills"
            async with state.database.reading() as session:
                job = await session.get_one(Job, state.job.id)
            assert (job.state, job.attempt) == (JobState.RUNNING, 2)

    run(body)


def test_the_elder_leads_again_after_the_younger_and_finds_its_jobs(settings: Settings) -> None:
    async def body() -> None:
        async with taken_over(settings) as state:
            state.younger._run_once = _never  # type: ignore[method-assign]
            del state.elder._run_once
            while state.elder._term is None or state.elder._term == state.term or state.elder._recoveries:
                await asyncio.sleep(0.01)
            assert list(state.elder._busy.values()) == [state.attempt]
            async with state.database.reading() as session:
                assert [job.attempt for job in await service.list_running(session)] == [1]
            assert not await state.younger.report(failure_of(state.spec))
            assert await state.elder.report(failure_of(state.spec))

    run(body)
