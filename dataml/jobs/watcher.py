"""Watches jobs for requests that wait for them: one query at a time for all of them, and none while nobody waits.

States are read from the database, so it does not matter which process runs a job, or which one ends it.
"""

import asyncio
import json
import logging
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from dataml.db.chunks import chunks
from dataml.db.session import UNREACHABLE, Database
from dataml.errors import TooManyRequests, Unavailable
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import JobState

TICK_S: Final = 0.25
"""Time between two queries: the longest delay after a change."""

MAX_WATCHES: Final = 1024
"""How many requests may wait in one process."""

MAX_WATCHES_OF_TENANT: Final = 768
"""How many requests of one tenant may wait, so that requests of other tenants can wait as well."""

_RETRY_AFTER: Final = {"Retry-After": "5"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobStatus:
    """What changes of a job while it is worked on."""

    state: JobState
    progress: float
    message: str
    leaderboard: list[dict[str, Any]] | None
    attempt: int
    failure_code: str | None
    failure_detail: str | None

    @classmethod
    def of(cls, job: Job) -> "JobStatus":
        """Return the status of a job that was read."""
        state = JobState(job.state)
        return cls(state, job.progress, job.message, job.leaderboard, job.attempt, job.failure_code, job.failure_detail)

    @property
    def version(self) -> str:
        """A short text that differs between two statuses of a job; the same in every process."""
        words = self.message if not self.leaderboard else self.message + json.dumps(self.leaderboard)
        return f"{self.attempt}-{self.state}-{self.progress:.4f}-{zlib.crc32(words.encode()):08x}"

    def to_json(self, job_id: str) -> str:
        """Return the status as JSON, with the names of `GET /jobs/{job_id}`."""
        error = {"code": self.failure_code, "detail": self.failure_detail or ""} if self.failure_code else None
        fields: dict[str, Any] = {
            "job_id": job_id,
            "state": self.state,
            "progress": self.progress,
            "phrase": self.message,
        }
        fields |= {"leaderboard": self.leaderboard or [], "attempts": self.attempt, "error": error}
        return json.dumps(fields)


@dataclass(eq=False)
class Watch:
    """One request that waits for changes of a job."""

    status: JobStatus
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, status: JobStatus) -> None:
        """Note the status as it is now."""
        if status != self.status:
            self.status = status
            self._changed.set()

    async def changed(self, timeout_s: float) -> bool:
        """Wait for the next change; return False when there was none in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True


class JobWatcher:
    """The jobs that the requests of one process wait for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: dict[int, set[Watch]] = {}
        self._tenants = Counter[str]()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    @asynccontextmanager
    async def watch(self, job: Job) -> AsyncIterator[Watch]:
        """Watch a job within the context; it has the status that was read with the job.

        Raises:
            TooManyRequests: `too_many_waiters`: too many requests of the tenant wait.
            Unavailable: `too_many_waiters`: too many requests wait.
        """
        self._require_place(job.tenant_id)
        self._tenants[job.tenant_id] += 1
        watch = Watch(JobStatus.of(job))
        self._watches.setdefault(job.id, set()).add(watch)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield watch
        finally:
            self._tenants[job.tenant_id] -= 1
            self._watches[job.id].discard(watch)
            if not self._watches[job.id]:
                del self._watches[job.id]

    @property
    def count(self) -> int:
        """How many requests wait."""
        return self._tenants.total()

    def _require_place(self, tenant_id: str) -> None:
        detail = "Too many requests wait for jobs; wait for fewer at once, or ask again in a moment."
        if self.count >= MAX_WATCHES:
            raise Unavailable(detail, code="too_many_waiters", headers=_RETRY_AFTER)
        if self._tenants[tenant_id] >= MAX_WATCHES_OF_TENANT:
            raise TooManyRequests(detail, code="too_many_waiters", headers=_RETRY_AFTER)

    async def _run(self) -> None:
        while self._watches:
            await asyncio.sleep(TICK_S)
            await self._read_statuses(list(self._watches))

    async def _read_statuses(self, job_ids: list[int]) -> None:
        for chunk in chunks(job_ids):
            for row in await self._query(chunk):
                status = JobStatus(JobState(row[1]), *row[2:])
                for watch in self._watches.get(row[0], ()):
                    watch.set(status)

    async def _query(self, job_ids: Sequence[int]) -> Any:
        try:
            rows = await self._database.look_up(service.STATUSES, {"job_ids": job_ids})
        except (Unavailable, *UNREACHABLE) as error:
            if not self._is_away:
                log.warning("the states of jobs cannot be read: %s", error)
            self._is_away = True
            return ()
        self._is_away = False
        return rows


async def wait_for_end(watch: Watch, timeout_s: float) -> JobStatus:
    """Wait until a job has ended, at most so long, and return its status."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not watch.status.state.is_terminal and await watch.changed(deadline - loop.time()):
        pass
    return watch.status
