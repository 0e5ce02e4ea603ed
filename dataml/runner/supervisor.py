"""The supervisor: takes jobs off the queue, gives each to a worker, and writes down how it ended.

It holds nothing that the database does not: a new one finds the living workers again, takes their reports, and puts the
jobs of dead ones back into the queue. A lease row lets only one supervisor write at a time. Knows no Ray: workers are
reached through the `Workers` protocol.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.session import Database
from dataml.jobs import service
from dataml.jobs.spec import Attempt, JobKind, JobReport, JobSpec, JobState
from dataml.runner.orphans import sweep
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.settings import Settings
from dataml.storage.storage import Storage

log = logging.getLogger(__name__)


class WorkerLost(Exception):
    """The worker's process is gone."""


class Workers(Protocol):
    """Named places where one job runs at a time; the names are the same after a restart of the supervisor."""

    names: tuple[str, ...]

    async def attach(self, name: str) -> Attempt | None:
        """Make the worker report here from now on; what it is at, None when it is idle or was never started."""
        ...

    async def warm(self, name: str) -> None:
        """Return when the worker is there, imports done. Raises WorkerLost."""
        ...

    async def start(self, name: str, spec: JobSpec) -> None:
        """Begin this attempt. Raises WorkerLost."""
        ...

    async def join(self, name: str) -> None:
        """Return when the worker is idle again, its report accepted. Raises WorkerLost."""
        ...

    async def end(self, name: str) -> None:
        """Kill the worker with whatever it runs; no error when there is none."""
        ...


class Supervisor:
    """One loop that is woken by `wake()` and by itself every `TICK_S`: a lost wake-up costs that long."""

    TICK_S = 1.0
    LEASE_S = 6.0
    SWEEP_EVERY_S = 24 * 3600.0
    SWEEP_RETRY_S = 60.0

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workers: Workers,
        on_models_changed: Callable[[], None],
        name: str,
    ) -> None:
        """`name` is what others find this supervisor by; the lease carries it."""
        self._database = database
        self._settings = settings
        self._storage = Storage.from_settings(settings)
        self._workers = workers
        self._on_models_changed = on_models_changed
        self._holder = name
        self._leads = False
        self._lease_renewed = 0.0
        self._sweep_due = 0.0
        self._busy: dict[str, Attempt] = {}
        # Warm workers with nothing to do: a job rather waits for one of them than for a cold start.
        self._idle: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._joining: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop`; a round that the database refuses is tried again."""
        while not self._stopping:
            self._wake.clear()
            try:
                await self._round()
            except SQLAlchemyError:
                log.exception("the database refused; the next round tries again")
            if not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self.TICK_S)
        await self._resign()

    def stop(self) -> None:
        """Let `run` end after its round and give the lease back; workers stay as they are, for a successor."""
        self._stopping = True
        self._wake.set()

    async def report(self, report: JobReport) -> bool:
        """Take a worker's report: True when the worker may forget it (it was written, or came too late to matter),
        False while this supervisor does not lead."""
        async with self._database.transaction() as session:
            if not await self._holds_lease(session):
                return False
            job = await service.finish(session, report.job_id, report.attempt, report.failure)
            if job is not None:
                await RESULT_HANDLERS.apply(session, job, report.result)
        await self._tidy(Attempt(report.job_id, report.attempt))
        self.wake()
        if job is not None and job.kind == JobKind.TRAIN and report.result is not None:
            self._on_models_changed()
        return True

    async def progress(self, job_id: int, attempt: int, fraction: float, message: str) -> None:
        async with self._database.transaction() as session:
            await service.record_progress(session, job_id, attempt, fraction, message)

    async def _round(self) -> None:
        if not await self._lead():
            return
        await self._end_needless()
        if time.monotonic() >= self._sweep_due:
            self._sweep_due = float("inf")
            self._keep(self._sweep())
        while self._idle and await self._dispatch():
            pass

    async def _lead(self) -> bool:
        """True while the lease is ours; taking it over recovers what the last holder left."""
        if self._leads and time.monotonic() - self._lease_renewed < self.LEASE_S / 3:
            return True
        async with self._database.transaction() as session:
            holds = await self._holds_lease(session)
        if holds and not self._leads:
            # Until this has succeeded we do not lead, and the next round does it again.
            await self._recover()
        self._leads = holds
        return holds

    async def _holds_lease(self, session: AsyncSession) -> bool:
        held = await service.acquire_lease(session, self._holder, self.LEASE_S)
        if held:
            self._lease_renewed = time.monotonic()
        return held

    async def _recover(self) -> None:
        self._idle.clear()
        for name in self._workers.names:
            attempt = await self._workers.attach(name)
            if attempt is not None and name not in self._busy:
                self._watch(name, attempt)
        async with self._database.reading() as session:
            orphans = {Attempt(job.id, job.attempt) for job in await service.list_running(session)} - set(
                self._busy.values()
            )
        for orphan in orphans:
            await self._lost(orphan)
        self._sweep_due = 0.0
        self._keep(self._warm_up([name for name in self._workers.names if name not in self._busy]))
        self._on_models_changed()

    async def _warm_up(self, names: Sequence[str]) -> None:
        """Make these workers ready, one after the other: each start takes seconds of a core."""
        for name in names:
            while not self._stopping:
                try:
                    await self._workers.warm(name)
                except WorkerLost:
                    log.warning("worker %s did not start; tried again", name)
                    await asyncio.sleep(self.TICK_S)
                else:
                    if name not in self._idle:
                        self._idle.append(name)
                    self.wake()
                    break

    async def _dispatch(self) -> bool:
        """Give the oldest job to an idle worker; False when there is none."""
        async with self._database.reading() as session:
            if not await service.has_queued(session):
                return False
        async with self._database.transaction() as session:
            spec = await service.claim(session) if await self._holds_lease(session) else None
        if spec is None:
            return False
        self._watch(self._idle.pop(), Attempt(spec.job_id, spec.attempt), spec)
        return True

    def _watch(self, name: str, attempt: Attempt, spec: JobSpec | None = None) -> None:
        self._busy[name] = attempt
        self._keep(self._see_through(name, attempt, spec))

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_through(self, name: str, attempt: Attempt, spec: JobSpec | None) -> None:
        try:
            if spec is not None:
                await self._workers.start(name, spec)
            await self._join(name)
        except WorkerLost:
            log.warning("worker %s was lost at job %s", name, attempt.job_id)
            # It may be out of reach rather than dead: nothing of it may go on once the job is given to another.
            await self._workers.end(name)
        # An attempt that is still running has no report: its worker is gone. Otherwise this changes nothing.
        while not await self._gave_up(attempt):  # noqa: ASYNC110 - the database is asked, no event tells
            await asyncio.sleep(self.TICK_S)
        del self._busy[name]
        await self._warm_up([name])

    async def _join(self, name: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joining.add(task)
        try:
            await self._workers.join(name)
        finally:
            self._joining.discard(task)

    async def _lost(self, attempt: Attempt) -> None:
        async with self._database.transaction() as session:
            job = await service.retry_or_fail(session, attempt.job_id, attempt.attempt, self._settings.job_attempts)
            if job is not None:
                await RESULT_HANDLERS.apply(session, job, None)
        await self._tidy(attempt)

    async def _gave_up(self, attempt: Attempt) -> bool:
        try:
            await self._lost(attempt)
        except SQLAlchemyError:
            log.exception("the database refused; tried again")
            return False
        return True

    async def _tidy(self, attempt: Attempt) -> None:
        """Remove the folder of an attempt that has ended, unless its result lives there."""
        async with self._database.reading() as session:
            job = await service.find_by_id(session, attempt.job_id)
        if job is None or job.attempt != attempt.attempt or job.state not in (JobState.SUCCEEDED, JobState.RUNNING):
            await self._storage.delete(attempt.directory)

    async def _sweep(self) -> None:
        swept = False
        try:
            swept = await sweep(self._database, self._storage)
        except SQLAlchemyError:
            log.exception("the database refused; swept later")
        finally:
            self._sweep_due = time.monotonic() + (self.SWEEP_EVERY_S if swept else self.SWEEP_RETRY_S)

    async def _end_needless(self) -> None:
        """Kill the workers whose job was cancelled, or ended by a callback; their watchers tidy up."""
        if not self._busy:
            return
        async with self._database.reading() as session:
            ended = await service.find_ended_elsewhere(session, [attempt.job_id for attempt in self._busy.values()])
        for name, attempt in list(self._busy.items()):
            if attempt.job_id in ended:
                await self._workers.end(name)

    async def _resign(self) -> None:
        # Only those that wait for a worker are cancelled: a transaction is never cut off in the middle.
        for task in list(self._joining):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._database.transaction() as session:
            await service.release_lease(session, self._holder)
