"""A model of jobs, workers and two supervisors: whatever happens in whatever order, some things always hold.

Workers are of this process; the supervisors, the queue and the lease are the real ones. Between two steps nothing
runs: a supervisor to which no step belongs is a stopped process.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import tenants
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.installation import prepare
from dataml.jobs import lease, service
from dataml.jobs.models import Job
from dataml.jobs.results import ResultHandler, ResultHandlers
from dataml.jobs.spec import (
    Attempt,
    DescribeResult,
    DescribeSpec,
    JobFailure,
    JobKind,
    JobProgress,
    JobReport,
    JobSpec,
    JobState,
)
from dataml.runner import supervisor as supervisor_module
from dataml.runner.run_timer import RunTimer
from dataml.runner.supervisor import Supervisor
from dataml.runner.workers import WorkerLost
from dataml.settings import Settings
from tests.conftest import NewHome

CONTRACT = Contract.build([Column("n", DataType.INTEGER)])
WORKERS = ("one", "two")
TIME_LIMIT_S = 1000
LEASE_NAMES = ("elder", "younger")
# More rounds than any job needs once nothing fails any more.
MAX_ROUNDS = 60
# More turns of the event loop than a call of a worker takes.
CALL_TURNS = 30
# An example takes as long as dozens of others: it is a whole history of jobs.
EXAMPLES_BY = 10
NUMBERS = itertools.count(1)


@dataclass
class Clocks:
    """The clock of the database, which is set at will, and the monotonic clock of running times."""

    database: datetime = field(default_factory=utc_now)
    running_s: float = 0.0

    async def read_database(self, session: object) -> datetime:
        return self.database

    def read_running(self) -> float:
        return self.running_s


@dataclass
class Process:
    """A worker's process: what `dataml.runner.worker.Worker` holds."""

    term: int = 0
    supervisor: "Host | None" = None
    attempt: Attempt | None = None
    report: JobReport | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def end_job(self) -> None:
        self.attempt = self.report = None
        self.idle.set()

    async def join(self, name: str) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self.idle, self.died)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.died.is_set():
            raise WorkerLost(name)


class Cluster:
    """The processes that live, by the names of their workers."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}

    def kill(self, name: str) -> None:
        process = self.processes.pop(name, None)
        if process is not None:
            process.died.set()

    def busy(self) -> list[Process]:
        return [process for process in self.processes.values() if process.attempt is not None]


class Host:
    """A supervisor's actor, and the `Workers` that it sees."""

    names = WORKERS

    def __init__(self, cluster: Cluster, settings: Settings, database: Database, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.is_dead = False
        self.supervisor = Supervisor(database, settings, self, lambda: None, name)

    async def attach(self, name: str, term: int) -> Attempt | None:
        process = self.cluster.processes.get(name)
        if process is None or term < process.term:
            return None
        process.term, process.supervisor = term, self
        return process.attempt

    async def warm(self, name: str, term: int) -> None:
        process = self.cluster.processes.setdefault(name, Process())
        if term < process.term:
            # A real one refuses, and is asked again until the next round of its supervisor. That may never come here.
            await asyncio.Event().wait()
        process.term, process.supervisor = term, self

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        process = self.cluster.processes.get(name)
        if process is None or term != process.term or process.attempt is not None:
            raise WorkerLost(name)
        process.attempt = Attempt(spec.job_id, spec.attempt)
        process.idle.clear()

    async def join(self, name: str) -> None:
        process = self.cluster.processes.get(name)
        if process is not None and process.attempt is not None:
            await process.join(name)

    async def ping(self, name: str) -> None:
        return

    async def is_active(self, name: str) -> bool:
        return True

    async def kill(self, name: str) -> None:
        self.cluster.kill(name)

    def is_settled(self) -> bool:
        """Return whether the supervisor's tasks wait for workers, and for nothing else."""
        return self.is_dead or not self.supervisor._tasks - self.supervisor._worker_calls

    async def crash(self) -> None:
        """End as a killed process does: the lease is not released."""
        self.is_dead = True
        tasks = list(self.supervisor._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Jobs(RuleBasedStateMachine):
    """The steps, and what holds after each of them."""

    def __init__(self, settings: Settings, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.settings = settings
        self.clocks = clocks
        self.applied: list[tuple[int, str, bool]] = []
        self.seen: dict[int, tuple[str, int, float, str | None]] = {}
        self.reports: list[JobReport] = []
        self.handlers = ResultHandlers({JobKind.DESCRIBE: ResultHandler(DescribeResult, self._apply)})
        monkeypatch.setattr(supervisor_module, "RESULT_HANDLERS", self.handlers)
        self.runner = asyncio.Runner()
        self.cluster = Cluster()
        self._run(self._start())

    async def _start(self) -> None:
        self.database = Database(self.settings)
        async with self.database.transaction() as session:
            tenant = await tenants.add(session, f"tenant {next(NUMBERS)}")
        self.scope = Scope(tenant.id, "tester")
        self.hosts = [self._new_host(name) for name in LEASE_NAMES]
        # The machine before this one has left a lease.
        self.clocks.database += timedelta(seconds=Supervisor.LEASE_S + 1)
        for subject in (1, 1, 2):
            await self._submit(subject, None)
        for _ in range(3):
            await self._round(self.hosts[0])
            await self._settle()

    def _new_host(self, role: str) -> Host:
        host = Host(self.cluster, self.settings, self.database, role)
        # Nothing here writes files.
        host.supervisor._collect_orphans = host.supervisor._collect_deleted_files = _nothing  # type: ignore[method-assign]
        return host

    async def _apply(self, session: AsyncSession, job: Job, result: DescribeResult | None) -> None:
        if result is not None:
            assert result.statistics == {"attempt": job.attempt}, "only the attempt that runs ends its job"
        self.applied.append((job.id, job.state, result is not None))

    async def _settle(self) -> None:
        """Return when nothing goes on any more: a call of a worker takes a few turns of the event loop."""
        turns = 0
        while turns < CALL_TURNS:
            turns = turns + 1 if all(host.is_settled() for host in self.hosts) else 0
            await asyncio.sleep(0)

    def _run(self, body: Coroutine[Any, Any, Any]) -> Any:
        async def bounded() -> Any:
            result = await asyncio.wait_for(body, 60)
            await asyncio.wait_for(self._settle(), 60)
            return result

        return self.runner.run(bounded())

    @rule(subject=st.integers(1, 2), limit=st.sampled_from([None, TIME_LIMIT_S // 2]))
    def submit(self, subject: int, limit: int | None) -> None:
        """A job is added, and the supervisor that leads is woken."""
        self._run(self._submit(subject, limit))
        for host in self.hosts:
            if host.supervisor._term is not None:
                self._run(self._round(host))

    async def _submit(self, subject: int, limit: int | None) -> None:
        async with self.database.transaction() as session:
            spec = DescribeSpec(subject, "jobs/1.1/data.parquet", CONTRACT)
            job = await service.enqueue(session, self.scope, JobKind.DESCRIBE, subject, spec, time_limit_s=limit)
        self.seen[job.id] = (JobState.QUEUED.value, 0, 0.0, None)

    @rule(which=st.integers(0, 1), rounds=st.integers(1, 3))
    def run_rounds(self, which: int, rounds: int) -> None:
        for _ in range(rounds):
            self._run(self._round(self.hosts[which]))

    async def _round(self, host: Host) -> None:
        # The lease is looked at in every round: the steps have no time of their own.
        host.supervisor._lease_renewed_at = float("-inf")
        await host.supervisor._run_once()

    @rule(which=st.integers(0, 1))
    def take_over(self, which: int) -> None:
        """The other one is stopped for longer than its lease."""
        self.clocks.database += timedelta(seconds=Supervisor.LEASE_S + 1)
        self.run_rounds(which, 2)

    @rule(by_s=st.sampled_from([1.0, 86_400.0, -3_600.0]))
    def set_clock(self, by_s: float) -> None:
        self.clocks.database += timedelta(seconds=by_s)

    @rule(by_s=st.sampled_from([TIME_LIMIT_S / 4, 2.0 * TIME_LIMIT_S]))
    def pass_running_time(self, by_s: float) -> None:
        self.clocks.running_s += by_s

    @precondition(lambda self: self.cluster.busy())
    @rule(number=st.integers(0, 1), fails=st.booleans())
    def end_task(self, number: int, fails: bool) -> None:
        process = self.cluster.busy()[number % len(self.cluster.busy())]
        if process.report is None and process.attempt is not None:
            process.report = self._report(process.attempt, fails)

    def _report(self, attempt: Attempt, fails: bool) -> JobReport:
        failure = JobFailure("broken", "It broke.") if fails else None
        result = None if fails else DescribeResult({"attempt": attempt.attempt})
        report = JobReport(attempt.job_id, attempt.attempt, result=result, failure=failure)
        self.reports.append(report)
        return report

    @precondition(lambda self: any(process.report for process in self.cluster.busy()))
    @rule()
    def deliver(self) -> None:
        async def body() -> None:
            for process in self.cluster.busy():
                host, report = process.supervisor, process.report
                can_send = report is not None and host is not None and not host.is_dead
                if can_send and await host.supervisor.report(report):
                    process.end_job()

        self._run(body())

    @precondition(lambda self: self.reports)
    @rule(which=st.integers(0, 1), number=st.integers(0, 50))
    def deliver_again(self, which: int, number: int) -> None:
        """A report of any attempt comes late, or twice, to any supervisor."""
        report = self.reports[number % len(self.reports)]
        self._run(self.hosts[which].supervisor.report(report))

    @precondition(lambda self: self.cluster.busy())
    @rule(which=st.integers(0, 1), number=st.integers(0, 1), fraction=st.floats(0, 1))
    def progress(self, which: int, number: int, fraction: float) -> None:
        attempt = self.cluster.busy()[number % len(self.cluster.busy())].attempt
        assert attempt is not None
        progress = JobProgress(fraction, "Working")
        self._run(self.hosts[which].supervisor.record_progress(attempt.job_id, attempt.attempt, progress))

    @precondition(lambda self: self.cluster.processes)
    @rule(name=st.sampled_from(WORKERS), which=st.integers(0, 1))
    def lose_worker(self, name: str, which: int) -> None:
        """A process dies, and one supervisor has time to go on."""

        async def body() -> None:
            self.cluster.kill(name)
            await asyncio.sleep(0)

        self._run(body())
        self.run_rounds(which, 1)

    @precondition(lambda self: self.seen)
    @rule(number=st.integers(0, 20))
    def cancel(self, number: int) -> None:
        async def body() -> None:
            async with self.database.transaction() as session:
                job = await service.find_by_id(session, sorted(self.seen)[number % len(self.seen)])
                assert job is not None
                await self.handlers.cancel(session, job)

        self._run(body())

    @precondition(lambda self: self.cluster.busy())
    @rule(number=st.integers(0, 1))
    def report_from_outside(self, number: int) -> None:
        async def body(attempt: Attempt) -> None:
            async with self.database.transaction() as session:
                job = await service.finish(session, attempt.job_id, attempt.attempt, None)
                if job is not None:
                    job.callback_digest = "d" * 64
                    await self.handlers.apply(session, job, DescribeResult({"attempt": attempt.attempt}))

        attempt = self.cluster.busy()[number % len(self.cluster.busy())].attempt
        assert attempt is not None
        self._run(body(attempt))

    @rule(which=st.integers(0, 1), same_name=st.booleans())
    def restart_supervisor(self, which: int, same_name: bool) -> None:
        async def body() -> None:
            elder = self.hosts[which]
            await elder.crash()
            self.hosts[which] = self._new_host(elder.name if same_name else f"{LEASE_NAMES[which]}-{next(NUMBERS)}")

        self._run(body())

    @invariant()
    def hold_what_always_holds(self) -> None:
        self._check_that_jobs_go_forward()
        self._check_that_each_end_is_applied_once()
        running = [process.attempt.job_id for process in self.cluster.busy() if process.attempt is not None]
        assert len(running) == len(set(running)), "nothing runs twice at a time"

    def _check_that_jobs_go_forward(self) -> None:
        for job in self._run(self._read_jobs()):
            before = self.seen[job.id]
            found = (job.state, job.attempt, job.progress, job.failure_code)
            assert job.attempt >= before[1], "attempts only grow"
            assert found == before or not JobState(before[0]).is_terminal, "a job that has ended never changes"
            self.seen[job.id] = found

    def _check_that_each_end_is_applied_once(self) -> None:
        ends = [(job, state) for job, (state, *_) in self.seen.items() if JobState(state).is_terminal]
        assert sorted(self.applied) == sorted((job, state, state == JobState.SUCCEEDED) for job, state in ends)

    async def _read_jobs(self) -> list[Job]:
        async with self.database.reading() as session:
            return [job for number in self.seen if (job := await service.find_by_id(session, number)) is not None]

    def teardown(self) -> None:
        """Let one supervisor go on alone: every job ends, because every queued job is claimed at some time."""
        if not hasattr(self, "hosts"):
            return
        try:
            self._run(self.hosts[1].crash())
            for _ in range(MAX_ROUNDS):
                self.clocks.database += timedelta(seconds=Supervisor.LEASE_S + 1)
                self._run(self._round(self.hosts[0]))
                for process in self.cluster.busy():
                    if process.report is None and process.attempt is not None:
                        process.report = self._report(process.attempt, fails=False)
                if any(process.report for process in self.cluster.busy()):
                    self.deliver()
                self.hold_what_always_holds()
                if all(JobState(state).is_terminal for state, *_ in self.seen.values()):
                    break
            left = {job: state for job, (state, *_) in self.seen.items() if not JobState(state).is_terminal}
            assert not left, "every job ends"
        finally:
            self.runner.run(self._close())
            self.runner.close()

    async def _close(self) -> None:
        for host in self.hosts:
            await host.crash()
        async with self.database.transaction() as session:
            for job in await service.list_running(session):
                await service.cancel(session, job)
            while (spec := await service.claim(session)) is not None:
                await service.finish(session, spec.job_id, spec.attempt, None)
        await self.database.close()


async def _nothing() -> None:
    return


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(lease, "_now", clocks.read_database)
    monkeypatch.setattr(supervisor_module, "RunTimer", lambda: RunTimer(clocks.read_running))
    monkeypatch.setattr(Supervisor, "RUN_TIME_INTERVAL_S", 0.0)
    monkeypatch.setattr(Supervisor, "POLL_INTERVAL_S", 0.001)
    return clocks


def test_jobs_end_once_whatever_happens(new_home: NewHome, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = new_home(describe_time_limit_s=TIME_LIMIT_S, job_attempts=3)
    prepare(settings)
    profile = hypothesis.settings.default
    assert profile is not None
    run_state_machine_as_test(
        lambda: Jobs(settings, clocks, monkeypatch),
        settings=hypothesis.settings(
            profile,
            max_examples=max(profile.max_examples // EXAMPLES_BY, 1),
            stateful_step_count=30,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
