"""The ledger of jobs: every change of a job's state is one conditional statement here.

    queued ──claim──> running ──accept──> succeeded | failed
       │                 │ └──give_up──> queued (another attempt) | failed
       └────cancel───────┴──────────────> cancelled

A state on the right never changes again: each statement names the state and the attempt it expects, and one that finds
another changes nothing.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import CursorResult, Update
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.errors import NotFound
from dataml.jobs.models import Job, SupervisorLease
from dataml.jobs.spec import (
    Attempt,
    DescribeSpec,
    ExplainSpec,
    ForecastSpec,
    JobFailure,
    JobKind,
    JobSpec,
    JobState,
    Payload,
    ScoreSpec,
    TrainSpec,
    ValidateSpec,
)
from dataml.storage.storage import ATTEMPTS

_PAYLOADS: dict[JobKind, TypeAdapter[Any]] = {
    JobKind.VALIDATE: TypeAdapter(ValidateSpec),
    JobKind.DESCRIBE: TypeAdapter(DescribeSpec),
    JobKind.TRAIN: TypeAdapter(TrainSpec),
    JobKind.EXPLAIN: TypeAdapter(ExplainSpec),
    JobKind.SCORE: TypeAdapter(ScoreSpec),
    JobKind.FORECAST: TypeAdapter(ForecastSpec),
}
_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)
# Fields of payloads that are storage names.
_READ = ("parquet", "bundle", "parent", "future", "observations")
_OUTPUT = re.compile(rf"{ATTEMPTS}/([0-9]{{1,18}})\.", re.ASCII)
_PUBLIC_ID = re.compile(r"(?:[a-z]+-job-)?([0-9]{1,18})", re.ASCII)


async def enqueue(session: AsyncSession, scope: Scope, kind: JobKind, subject_id: int, payload: Payload) -> Job:
    """Add a job in the caller's transaction, together with the row it serves."""
    job = Job(
        tenant_id=scope.tenant_id,
        kind=kind.value,
        subject_id=subject_id,
        payload=_PAYLOADS[kind].dump_python(payload, mode="json"),
        created_by=scope.username,
        created_at=utc_now(),
    )
    session.add(job)
    await session.flush()
    return job


async def find(session: AsyncSession, scope: Scope, public_id: str) -> Job:
    """The job with this id, written as answers carry it (`shap-job-12`) or as its number alone.

    Raises:
        NotFound: `job_not_found`.
    """
    match = _PUBLIC_ID.fullmatch(public_id)
    job = await scope.find(session, Job, Job.id == int(match[1])) if match else None
    if job is None or public_id not in (job.public_id, str(job.id)):
        raise NotFound("There is no job with this id.", code="job_not_found")
    return job


async def latest(session: AsyncSession, scope: Scope, kind: JobKind, subject_id: int) -> Job | None:
    """The newest job of this kind for this row."""
    rows = scope.select(Job).where(Job.kind == kind.value, Job.subject_id == subject_id)
    return await session.scalar(rows.order_by(Job.id.desc()).limit(1))


async def unfinished(session: AsyncSession, scope: Scope, kind: JobKind, subject_id: int) -> Job | None:
    """The newest job of this kind for this row that has not ended."""
    job = await latest(session, scope, kind, subject_id)
    return job if job is not None and not JobState(job.state).is_terminal else None


async def list_of(session: AsyncSession, scope: Scope, kinds: Sequence[JobKind], subject_id: int) -> Sequence[Job]:
    """Every job of these kinds for this row."""
    of_kinds = Job.kind.in_([kind.value for kind in kinds])
    return (await session.scalars(scope.select(Job).where(of_kinds, Job.subject_id == subject_id))).all()


async def of_output(session: AsyncSession, scope: Scope, storage_name: str) -> Job | None:
    """The job that wrote what has this storage name; None for what no job did."""
    match = _OUTPUT.match(storage_name)
    return await scope.find(session, Job, Job.id == int(match[1])) if match else None


async def list_unfinished(session: AsyncSession, scope: Scope) -> Sequence[Job]:
    """Every job of the tenant that has not ended."""
    return (await session.scalars(scope.select(Job).where(Job.state.in_(_UNFINISHED)))).all()


async def claim(session: AsyncSession) -> JobSpec | None:
    """Take the oldest queued job, as a new attempt; None when there is none."""
    waiting = every_tenant.select(Job.id).where(Job.state == JobState.QUEUED.value)
    # One that another transaction is just claiming or cancelling is not waited for.
    oldest = waiting.order_by(Job.id).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    taken = (
        every_tenant.update(Job)
        .where(Job.id == oldest, Job.state == JobState.QUEUED.value)
        .values(
            state=JobState.RUNNING.value,
            attempt=Job.attempt + 1,
            started_at=utc_now(),
            progress=0.0,
            phrase="Starting",
        )
        .returning(Job)
    )
    job = await session.scalar(taken)
    return spec_of(job) if job is not None else None


def spec_of(job: Job) -> JobSpec:
    kind = JobKind(job.kind)
    return JobSpec(job.id, job.attempt, kind, _PAYLOADS[kind].validate_python(job.payload), job.directory)


async def running(session: AsyncSession) -> Sequence[Job]:
    """Every job that some worker should be at."""
    rows = every_tenant.select(Job).where(Job.state == JobState.RUNNING.value)
    return (await session.scalars(rows)).all()


async def is_waiting(session: AsyncSession) -> bool:
    """Whether a job is queued; asked before `claim` so that an idle platform writes nothing."""
    waiting = every_tenant.select(Job.id).where(Job.state == JobState.QUEUED.value)
    return await session.scalar(waiting.limit(1)) is not None


async def ended_elsewhere(session: AsyncSession, job_ids: Sequence[int]) -> set[int]:
    """Which of these jobs need no worker any more: cancelled, or reported from outside the cluster."""
    ended = (Job.state == JobState.CANCELLED.value) | Job.callback_digest.is_not(None)
    query = every_tenant.select(Job.id).where(Job.id.in_(job_ids), ended)
    return set((await session.scalars(query)).all())


async def directories(session: AsyncSession) -> tuple[set[str], set[str]]:
    """Folders of attempts that are under way, and of those that ended with a result."""

    async def of(state: JobState) -> set[str]:
        rows = every_tenant.select(Job.id, Job.attempt).where(Job.state == state.value)
        return {Attempt(job_id, attempt).directory for job_id, attempt in await session.execute(rows)}

    return await of(JobState.RUNNING), await of(JobState.SUCCEEDED)


async def storage_names(session: AsyncSession) -> set[str]:
    """What the jobs of every tenant that have not ended will read."""
    payloads = await session.scalars(every_tenant.select(Job.payload).where(Job.state.in_(_UNFINISHED)))
    return {payload[key] for payload in payloads for key in _READ if payload.get(key)}


async def by_id(session: AsyncSession, job_id: int) -> Job | None:
    """The job of a worker's report, of whatever tenant."""
    return await session.scalar(every_tenant.select(Job).where(Job.id == job_id))


async def record_progress(session: AsyncSession, job_id: int, attempt: int, fraction: float, phrase: str) -> None:
    fraction = min(max(fraction, 0.0), 1.0)
    await _changed(session, _attempt(job_id, attempt).values(progress=fraction, phrase=phrase[:200]))


async def accept(session: AsyncSession, job_id: int, attempt: int, failure: JobFailure | None) -> Job | None:
    """End this attempt; the job when it was this call that ended it, None when it had ended or another attempt runs."""
    values: dict[str, Any] = {"state": JobState.SUCCEEDED.value, "progress": 1.0, "phrase": "Done"}
    if failure is not None:
        values = {
            "state": JobState.FAILED.value,
            "phrase": "Failed",
            "failure_code": failure.code,
            "failure_detail": failure.detail,
        }
    if not await _changed(session, _attempt(job_id, attempt).values(finished_at=utc_now(), **values)):
        return None
    return await by_id(session, job_id)


async def give_up(session: AsyncSession, job_id: int, attempt: int, attempts: int) -> Job | None:
    """The worker of this attempt is gone. The job goes back to the queue, or fails after `attempts` of them; the job
    when it failed."""
    if attempt >= attempts:
        failure = JobFailure("worker_lost", f"The worker ended unexpectedly, {attempt} times; see the platform's log.")
        return await accept(session, job_id, attempt, failure)
    again = _attempt(job_id, attempt).values(state=JobState.QUEUED.value, progress=0.0, phrase="Waiting for a worker")
    await _changed(session, again)
    return None


async def cancel(session: AsyncSession, job: Job) -> bool:
    """End a job from outside; False when it had ended."""
    statement = every_tenant.update(Job).where(Job.id == job.id, Job.state.in_(_UNFINISHED))
    return await _changed(
        session, statement.values(state=JobState.CANCELLED.value, phrase="Cancelled", finished_at=utc_now())
    )


async def hold_lease(session: AsyncSession, holder: str, lifetime_s: float) -> bool:
    """Take or renew the supervisor's lease; False while another holds it."""
    now = utc_now()
    values = {"holder": holder, "expires_at": now + timedelta(seconds=lifetime_s)}
    ours_or_expired = (SupervisorLease.holder == holder) | (SupervisorLease.expires_at <= now)
    if await _changed(
        session, every_tenant.update(SupervisorLease).where(SupervisorLease.id == 1, ours_or_expired).values(**values)
    ):
        return True
    if await _lease(session) is not None:
        return False
    session.add(SupervisorLease(id=1, **values))
    return True


async def lease_holder(session: AsyncSession) -> str | None:
    """Name of the supervisor in charge."""
    lease = await _lease(session)
    return lease.holder if lease is not None else None


async def release_lease(session: AsyncSession, holder: str) -> None:
    """Let the next supervisor in at once."""
    ours = every_tenant.update(SupervisorLease).where(SupervisorLease.id == 1, SupervisorLease.holder == holder)
    await _changed(session, ours.values(expires_at=utc_now()))


async def _lease(session: AsyncSession) -> SupervisorLease | None:
    return await session.scalar(every_tenant.select(SupervisorLease).where(SupervisorLease.id == 1))


def _attempt(job_id: int, attempt: int) -> Update:
    return every_tenant.update(Job).where(Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING.value)


async def _changed(session: AsyncSession, statement: Update) -> bool:
    # The statement's own condition decides; rows in the session are read again after it.
    result = await session.execute(statement.execution_options(synchronize_session="fetch"))
    return isinstance(result, CursorResult) and result.rowcount == 1
