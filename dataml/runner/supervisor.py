"""The supervisor: claims jobs from the queue, gives each to a worker, and records how it ended.

It holds no state that is not in the database: a new supervisor finds the living workers again, takes their reports, and
puts the jobs of dead workers back into the queue. A lease row lets only one supervisor write at a time. This module
does not depend on Ray: workers are reached through the `Workers` protocol.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.clocks import steady_time
from dataml.dataset.deleted_files import collect_deleted_files
from dataml.db.session import Database, is_database_full, log_failure
from dataml.errors import Unavailable
from dataml.http.idempotency.store import delete_expired
from dataml.iceberg.catalog import LakeConfig
from dataml.jobs import lease, service
from dataml.jobs.models import WAITING_FOR_WORKER, Job
from dataml.jobs.spec import Attempt, JobKind, JobProgress, JobReport, JobSpec, JobState
from dataml.jobs.time_limits import effective_time_limit_s
from dataml.metrics.definitions import WORKER_RESTARTS
from dataml.runner import heartbeat
from dataml.runner.lake_orphans import LakeOrphanCollector
from dataml.runner.orphans import collect_orphans
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.runner.run_timer import RunTimer
from dataml.runner.workers import WorkerLost, Workers
from dataml.settings import Settings
from dataml.storage.logs import remove_old_logs
from dataml.storage.space import DiskSpace
from dataml.storage.storage import Storage

T = TypeVar("T")
log = logging.getLogger(__name__)
# Failures of an attempt that another one may not meet, once somebody has made room.
_SPACE_CODES = ("storage_full", "lake_full")
_DAY_S = 24 * 3600
_WAITING_FOR_SPACE = "Waiting for free space"


class Supervisor:
    """One loop that runs at each `wake()` and every `POLL_INTERVAL_S`: the longest delay after a lost wake-up."""

    POLL_INTERVAL_S = 1.0
    LEASE_S = 6.0
    ORPHAN_INTERVAL_S = 24 * 3600.0
    ORPHAN_RETRY_S = 60.0
    DELETED_FILES_INTERVAL_S = 60.0
    # A supervisor that dies forgets no more than this of how long a job has run.
    RUN_TIME_INTERVAL_S = 30.0
    # Attempts at a job that finds no space, and the pause after the first one; it doubles after each.
    SPACE_ATTEMPTS = 5
    SPACE_RETRY_S = 30.0

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workers: Workers,
        on_models_changed: Callable[[], None],
        name: str,
    ) -> None:
        """Create a supervisor; others find it by the lease, which has its `name`."""
        self._database = database
        self._settings = settings
        self._storage = Storage.from_settings(settings)
        self._lake_orphans = LakeOrphanCollector(LakeConfig.from_settings(settings))
        self._space = DiskSpace.from_settings(settings)
        self._workers = workers
        self._on_models_changed = on_models_changed
        self._holder = name
        # The term of the lease that this supervisor holds, as far as it knows: it may have been taken over meanwhile.
        self._term: int | None = None
        self._has_led = False
        self._lease_renewed_at = 0.0
        self._orphans_due_at = 0.0
        self._is_space_low = False
        # Jobs that found no space, and when each may be tried again.
        self._waiting: dict[int, float] = {}
        self._deleted_files_due_at = 0.0
        self._busy: dict[str, Attempt] = {}
        self._timers: dict[Attempt, RunTimer] = {}
        self._times_due_at = 0.0
        # Warm workers without a job: a job waits for one of them rather than for a cold start.
        self._idle: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker_calls: set[asyncio.Task[Any]] = set()
        self._killing: set[str] = set()
        # Workers whose job had to end: that they are lost is no failure.
        self._stopped: set[str] = set()
        self._recovery = asyncio.Lock()
        # Until all have ended no job is claimed: it would look as one that no worker runs.
        self._recoveries = 0
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look at the queue at once: a job was added, cancelled or ended."""
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop`; what fails because of the database is tried again in the next round."""
        while not self._stopping:
            self._wake.clear()
            try:
                await self._run_once()
            except SQLAlchemyError as error:
                log_failure(log, error, "the database failed; the next round tries again")
            if not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self.POLL_INTERVAL_S)
        await self._shut_down()

    def stop(self) -> None:
        """Make `run` end after its round and release the lease; workers go on, for the next supervisor."""
        self._stopping = True
        self._wake.set()

    async def report(self, report: JobReport) -> bool:
        """Record a worker's report.

        Returns:
            True when the worker may drop the report, because it is recorded or came too late to matter; False while
            this supervisor does not hold the lease, or the database is full.
        """
        try:
            async with self._leading() as session:
                if session is None:
                    return False
                job = await self._record(session, report)
        except SQLAlchemyError as error:
            if not is_database_full(error, self._settings):
                raise
            log.error("the database has no space for the report of job %s, which is sent again", report.job_id)
            return False
        await self._clean_up(Attempt(report.job_id, report.attempt))
        if job is not None and job.kind == JobKind.VALIDATE:
            self._deleted_files_due_at = 0.0
        self.wake()
        if job is not None and job.kind == JobKind.TRAIN and report.result is not None:
            self._on_models_changed()
        return True

    async def _record(self, session: AsyncSession, report: JobReport) -> Job | None:
        """Record a report; return the job that has ended by it, None when it had ended before or waits for space."""
        lacks_space = report.failure is not None and report.failure.code in _SPACE_CODES
        if lacks_space:
            failures = await service.retry_for_space(
                session, report.job_id, report.attempt, self.SPACE_ATTEMPTS, _WAITING_FOR_SPACE
            )
            if failures is not None:
                self._waiting[report.job_id] = time.monotonic() + self.SPACE_RETRY_S * 2 ** (failures - 1)
                return None
        job = await service.finish(session, report.job_id, report.attempt, report.failure)
        if job is not None:
            await RESULT_HANDLERS.apply(session, job, report.result)
        return job

    async def record_progress(self, job_id: int, attempt: int, progress: JobProgress) -> None:
        """Write the progress of an attempt."""
        async with self._leading() as session:
            if session is not None:
                await service.record_progress(session, job_id, attempt, progress)

    async def _run_once(self) -> None:
        if not await self._acquire_lease():
            return
        await self._check_run_times()
        await self._kill_needless_workers()
        if time.monotonic() >= self._orphans_due_at:
            self._orphans_due_at = float("inf")
            self._spawn(self._collect_orphans())
        if time.monotonic() >= self._deleted_files_due_at:
            self._deleted_files_due_at = float("inf")
            self._spawn(self._collect_deleted_files())
        while self._idle and not self._recoveries and await self._dispatch():
            pass

    async def _acquire_lease(self) -> bool:
        """Return whether this supervisor holds the lease; a new holder first recovers what the last one left."""
        now = time.monotonic()
        if self._term is not None and now - self._lease_renewed_at < self.LEASE_S / 3:
            return True
        async with self._database.transaction() as session:
            term = self._term
            if term is None or not await lease.renew(session, term, self.LEASE_S):
                # Serve starts a supervisor under the name of the one that has died. One that has led has not.
                is_successor = not self._has_led
                term = await lease.take(session, self._holder, self.LEASE_S, is_successor=is_successor)
        self._lease_renewed_at = now
        if term != self._term:
            self._term = term
            self._forget_workers()
            if term is not None:
                self._has_led = True
                # The lease is renewed meanwhile, while a worker may be slow to answer.
                self._recoveries += 1
                self._spawn(self._recover(term))
        return term is not None

    def _forget_workers(self) -> None:
        """Forget what an earlier term knew: another supervisor may have given the workers other jobs."""
        self._cancel_worker_calls()
        self._busy.clear()
        self._idle.clear()
        self._timers.clear()

    @contextlib.asynccontextmanager
    async def _leading(self, term: int | None = None) -> AsyncIterator[AsyncSession | None]:
        """Open a transaction during which this supervisor holds the lease, in this `term` where it is given.

        Yields:
            None when it does not hold it: then nothing may be changed.
        """
        term = self._term if term is None else term
        async with self._database.transaction() as session:
            yield session if term is not None and await lease.is_held(session, term) else None

    async def _recover(self, term: int) -> None:
        try:
            async with self._recovery:
                await self._adopt_workers(term)
        finally:
            self._recoveries -= 1
        if term != self._term:
            return
        self._orphans_due_at = 0.0
        self._spawn(self._warm_up([name for name in self._workers.names if name not in self._busy], term))
        self._on_models_changed()

    async def _adopt_workers(self, term: int) -> None:
        """Watch the attempts that living workers run, and give up those that nobody runs."""
        names = self._workers.names
        attempts = await asyncio.gather(*(self._attach(name, term) for name in names))
        if term != self._term:
            return
        for name, attempt in zip(names, attempts, strict=True):
            if attempt is not None:
                self._watch(name, attempt, term)
        while not await self._try(lambda: self._retry_abandoned(term)):  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(self.POLL_INTERVAL_S)

    async def _attach(self, name: str, term: int) -> Attempt | None:
        """Return the attempt of a worker; one that does not answer is killed, because its attempt is not known."""
        try:
            return await self._wait(heartbeat.call_within(heartbeat.TIMEOUT_S, self._workers.attach(name, term)))
        except TimeoutError:
            log.warning("worker %s does not answer this supervisor and is killed", name)
            WORKER_RESTARTS.add("lost")
            await self._kill(name, term)
            return None

    async def _retry_abandoned(self, term: int) -> None:
        """Give up the running attempts that no worker runs."""
        async with self._database.reading() as session:
            running = {Attempt(job.id, job.attempt) for job in await service.list_running(session)}
        for attempt in running - set(self._busy.values()):
            await self._handle_lost(attempt, term)

    async def _warm_up(self, names: Sequence[str], term: int) -> None:
        """Start these workers one after the other: each start takes seconds of a core."""
        for name in names:
            while self._term == term and not self._stopping:
                if await self._warm(name, term):
                    break
                await asyncio.sleep(self.POLL_INTERVAL_S)

    async def _warm(self, name: str, term: int) -> bool:
        try:
            await self._call(name, self._workers.warm(name, term))
        except WorkerLost:
            log.warning("worker %s did not start; trying again", name)
            WORKER_RESTARTS.add("not_started")
            await self._kill(name, term)
            return False
        if self._term == term and name not in self._idle and name not in self._busy:
            self._idle.append(name)
        self.wake()
        return True

    async def _dispatch(self) -> bool:
        """Give the oldest queued job to an idle worker; False when there is none."""
        self._waiting = {job: due_at for job, due_at in self._waiting.items() if due_at > time.monotonic()}
        async with self._database.reading() as session:
            if not await service.has_queued(session, self._waiting):
                return False
        if not await self._has_space():
            return False
        term = self._term
        async with self._leading(term) as session:
            busy = [attempt.job_id for attempt in self._busy.values()]
            spec = await service.claim(session, busy, self._waiting) if session is not None else None
        if spec is None or term is None:
            return False
        self._watch(self._idle.pop(), Attempt(spec.job_id, spec.attempt), term, spec)
        return True

    async def _has_space(self) -> bool:
        """Return whether jobs may start; when that changes, queued jobs say what they wait for."""
        is_low = self._space.is_low()
        if is_low != self._is_space_low:
            message = _WAITING_FOR_SPACE if is_low else WAITING_FOR_WORKER
            async with self._leading() as session:
                if session is not None:
                    await service.describe_queued(session, message, self._waiting)
            self._is_space_low = is_low
        return not is_low

    def _watch(self, name: str, attempt: Attempt, term: int, spec: JobSpec | None = None) -> None:
        self._busy[name] = attempt
        self._timers[attempt] = RunTimer()
        self._spawn(self._supervise(name, attempt, term, spec))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _supervise(self, name: str, attempt: Attempt, term: int, spec: JobSpec | None) -> None:
        try:
            if spec is not None:
                await self._call(name, self._workers.start(name, spec, term))
            await self._call(name, self._workers.join(name))
        except WorkerLost:
            log.warning("worker %s was lost during job %s", name, attempt.job_id)
            WORKER_RESTARTS.add("stopped" if name in self._stopped else "lost")
            # It may hang or be unreachable: it must not go on once the job is given to another worker.
            await self._kill(name, term)
        # An attempt that is still running has no report: its worker is gone. Otherwise this changes nothing.
        while not await self._try(lambda: self._handle_lost(attempt, term)):  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(self.POLL_INTERVAL_S)
        self._stopped.discard(name)
        if self._term == term:
            del self._busy[name]
            del self._timers[attempt]
            await self._warm_up([name], term)

    async def _call(self, name: str, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call of a worker returns. Raises WorkerLost: the worker is gone, or hangs."""
        return await self._wait(heartbeat.call_while_alive(self._workers, name, call))

    async def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call returns that `_shut_down` may cancel."""
        task = asyncio.current_task()
        assert task is not None
        self._worker_calls.add(task)
        try:
            return await call
        finally:
            self._worker_calls.discard(task)

    async def _kill(self, name: str, term: int) -> None:
        """Return when the worker is killed: before that its job must not be given to another one.

        After this term it is not: it may work for another supervisor.
        """
        self._killing.add(name)
        try:
            while not await self._try_kill(name, term):  # noqa: ASYNC110 - the database and Ray are polled
                await asyncio.sleep(self.POLL_INTERVAL_S)
        finally:
            self._killing.discard(name)

    async def _try_kill(self, name: str, term: int) -> bool:
        try:
            async with self._leading(term) as session:
                if session is None:
                    return True
            await self._wait(heartbeat.call_within(heartbeat.TIMEOUT_S, self._workers.kill(name)))
        except TimeoutError:
            log.warning("worker %s could not be killed; trying again", name)
            return False
        except SQLAlchemyError as error:
            log_failure(log, error, "the database failed; worker %s is killed later", name)
            return False
        return True

    async def _handle_lost(self, attempt: Attempt, term: int) -> None:
        async with self._leading(term) as session:
            if session is None:
                return
            job = await service.retry_or_fail(session, attempt.job_id, attempt.attempt, self._settings.job_attempts)
            if job is not None:
                await RESULT_HANDLERS.apply(session, job, None)
        await self._clean_up(attempt)

    async def _try(self, change: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Return whether a change of the database has succeeded."""
        try:
            await change()
        except SQLAlchemyError as error:
            log_failure(log, error, "the database failed; trying again")
            return False
        return True

    async def _clean_up(self, attempt: Attempt) -> None:
        """Remove the folder of an attempt that has ended, unless its result lives there.

        That needs no lease: an attempt that has ended without a result never runs again.
        """
        async with self._database.reading() as session:
            job = await service.find_by_id(session, attempt.job_id)
        if job is None or job.attempt != attempt.attempt or job.state not in (JobState.SUCCEEDED, JobState.RUNNING):
            await self._storage.delete(attempt.directory)

    async def _collect_orphans(self) -> None:
        is_done = False
        try:
            is_done = await collect_orphans(self._database, self._storage)
            if is_done:
                oldest = steady_time() - self._settings.job_log_days * _DAY_S
                await asyncio.to_thread(remove_old_logs, self._storage, oldest)
                await self._lake_orphans.collect(self._database)
        except SQLAlchemyError as error:
            log_failure(log, error, "the database failed; orphans are collected later")
        except Unavailable:
            # The store has gone away since the orphans were removed.
            is_done = False
        finally:
            self._orphans_due_at = time.monotonic() + (self.ORPHAN_INTERVAL_S if is_done else self.ORPHAN_RETRY_S)

    async def _collect_deleted_files(self) -> None:
        try:
            await collect_deleted_files(self._database, self._storage)
            await delete_expired(self._database)
        except SQLAlchemyError as error:
            log_failure(log, error, "the database failed; deleted files and expired keys are removed later")
        finally:
            self._deleted_files_due_at = time.monotonic() + self.DELETED_FILES_INTERVAL_S

    async def _check_run_times(self) -> None:
        """Fail the jobs that run longer than their limits, and record from time to time how long the others have."""
        timers = dict(self._timers)
        if not timers:
            return
        async with self._database.reading() as session:
            runs = await service.list_run_times(session, timers)
        elapsed_s = {run.attempt: timers[run.attempt].elapsed_s(run.elapsed_s) for run in runs}
        for run in runs:
            limit_s = effective_time_limit_s(self._settings, run.kind, run.requested_limit_s)
            if elapsed_s[run.attempt] >= limit_s:
                await self._time_out(run.attempt, limit_s)
        if time.monotonic() >= self._times_due_at:
            self._times_due_at = time.monotonic() + self.RUN_TIME_INTERVAL_S
            async with self._leading() as session:
                if session is not None:
                    for attempt, attempt_s in elapsed_s.items():
                        await service.record_run_time(session, attempt, attempt_s)

    async def _time_out(self, attempt: Attempt, limit_s: int) -> None:
        log.warning("job %s has run longer than %s s", attempt.job_id, limit_s)
        async with self._leading() as session:
            if session is None:
                return
            job = await service.time_out(session, attempt, limit_s)
            if job is not None:
                await RESULT_HANDLERS.apply(session, job, None)

    async def _kill_needless_workers(self) -> None:
        """Kill the workers whose job was cancelled, ran too long or was ended by a callback.

        `_supervise` cleans up after them.
        """
        term = self._term
        if not self._busy or term is None:
            return
        async with self._database.reading() as session:
            ended = await service.find_ended_elsewhere(session, [attempt.job_id for attempt in self._busy.values()])
        for name, attempt in self._busy.items():
            if attempt.job_id in ended and name not in self._killing:
                self._stopped.add(name)
                self._spawn(self._kill(name, term))

    def _cancel_worker_calls(self) -> None:
        # Only tasks that wait for a worker are cancelled: a transaction is never interrupted.
        for task in list(self._worker_calls):
            task.cancel()

    async def _shut_down(self) -> None:
        self._cancel_worker_calls()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._term is not None:
            async with self._database.transaction() as session:
                await lease.release(session, self._term)
