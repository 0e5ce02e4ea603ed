"""The job queue: every change of a job's state is one conditional statement here.

    queued ──claim──> running ──finish──> succeeded | failed
       │                 │ ├──retry_or_fail──> queued (another attempt) | failed
       │                 │ └──time_out───────> failed
       └────cancel───────┴──────────────> cancelled

A final state never changes again: each statement names the state and the attempt that it expects, and changes nothing
when the row has others.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import CursorResult, Update, bindparam
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from dataml import tracing
from dataml.db import every_tenant
from dataml.db.after_commit import after_commit
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.errors import NotFound
from dataml.iceberg.names import TableName
from dataml.jobs.models import WAITING_FOR_WORKER, Job
from dataml.jobs.spec import (
    STARTING,
    Attempt,
    DescribeSpec,
    ExplainSpec,
    ForecastSpec,
    JobFailure,
    JobKind,
    JobProgress,
    JobSpec,
    JobState,
    Payload,
    ScoreSpec,
    TrainSpec,
    ValidateSpec,
)
from dataml.metrics.definitions import JOB_DURATION, JOBS_FINISHED
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
_ENDED_WITHOUT_RESULT = (JobState.CANCELLED.value, JobState.FAILED.value)
_TIMEOUT = "job_timeout"
# A key beside the fields of payloads, which specs do not have.
_TRACE = "traceparent"
# Fields of payloads that are storage names.
_INPUT_FIELDS = ("parquet", "bundle", "parent", "future", "observations")
_OUTPUT = re.compile(rf"{ATTEMPTS}/([0-9]{{1,18}})\.", re.ASCII)
# What `jobs.watcher` reads of jobs of any tenant.
STATUSES = every_tenant.select(
    Job.id, Job.state, Job.progress, Job.message, Job.leaderboard, Job.attempt, Job.failure_code, Job.failure_detail
).where(Job.id.in_(bindparam("job_ids", expanding=True)))
_PUBLIC_ID = re.compile(r"(?:[a-z]+-job-)?([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True)
class RunTime:
    """The time of an attempt that runs: the limit that was asked for it, and what is recorded of it, in seconds."""

    attempt: Attempt
    kind: JobKind
    requested_limit_s: int | None
    elapsed_s: float


async def enqueue(
    session: AsyncSession,
    scope: Scope,
    kind: JobKind,
    subject_id: int,
    payload: Payload,
    *,
    time_limit_s: int | None = None,
) -> Job:
    """Add a job in the caller's transaction, together with the row it works for."""
    traceparent = tracing.current_traceparent()
    job = Job(
        tenant_id=scope.tenant_id,
        kind=kind.value,
        subject_id=subject_id,
        payload=_PAYLOADS[kind].dump_python(payload, mode="json") | ({_TRACE: traceparent} if traceparent else {}),
        time_limit_s=time_limit_s,
        created_by=scope.username,
        created_at=utc_now(),
    )
    session.add(job)
    await session.flush()
    return job


async def find(session: AsyncSession, scope: Scope, public_id: str) -> Job:
    """Return the job with this id, written as in API responses (`shap-job-12`) or as its number alone.

    Raises:
        NotFound: `job_not_found`.
    """
    match = _PUBLIC_ID.fullmatch(public_id)
    job = await scope.find(session, Job, Job.id == int(match[1])) if match else None
    if job is None or public_id not in (job.public_id, str(job.id)):
        raise NotFound("There is no job with this id.", code="job_not_found")
    return job


async def find_latest(session: AsyncSession, scope: Scope, kind: JobKind, subject_id: int) -> Job | None:
    """Return the newest job of this kind for this row."""
    rows = scope.select(Job).where(Job.kind == kind.value, Job.subject_id == subject_id)
    return await session.scalar(rows.order_by(Job.id.desc()).limit(1))


async def find_unfinished(session: AsyncSession, scope: Scope, kind: JobKind, subject_id: int) -> Job | None:
    """Return the newest job of this kind for this row, unless it has ended."""
    job = await find_latest(session, scope, kind, subject_id)
    return job if job is not None and not JobState(job.state).is_terminal else None


async def list_for(
    session: AsyncSession, scope: Scope, kinds: Sequence[JobKind], subject_id: int, *, unfinished: bool = False
) -> Sequence[Job]:
    """Return every job of these kinds for this row, in the order of their numbers, or those that have not ended."""
    rows = scope.select(Job).where(Job.kind.in_([kind.value for kind in kinds]), Job.subject_id == subject_id)
    if unfinished:
        rows = rows.where(Job.state.in_(_UNFINISHED))
    return (await session.scalars(rows.order_by(Job.id))).all()


async def find_by_output(session: AsyncSession, scope: Scope, storage_name: str) -> Job | None:
    """Return the job that wrote the file or folder of this storage name; None when no job did."""
    match = _OUTPUT.match(storage_name)
    return await scope.find(session, Job, Job.id == int(match[1])) if match else None


async def list_unfinished(session: AsyncSession, scope: Scope) -> Sequence[Job]:
    """Return every job of the tenant that has not ended."""
    return (await session.scalars(scope.select(Job).where(Job.state.in_(_UNFINISHED)))).all()


async def find_using_table(session: AsyncSession, scope: Scope, table: TableName) -> Job | None:
    """Return a job of the tenant that has not ended and reads this lake table or writes to it, or None."""
    wanted = asdict(table)
    return next((job for job in await list_unfinished(session, scope) if _has_value(job.payload, wanted)), None)


def _has_value(payload: Any, wanted: Any) -> bool:
    """Return whether a value stands anywhere in a payload."""
    if payload == wanted:
        return True
    parts = payload.values() if isinstance(payload, dict) else payload if isinstance(payload, list) else ()
    return any(_has_value(part, wanted) for part in parts)


async def claim(session: AsyncSession, busy: Collection[int] = (), waiting: Collection[int] = ()) -> JobSpec | None:
    """Claim the oldest queued job that is not `waiting`, as a new attempt; None when there is none.

    `busy` are the jobs that workers run. While one that was cancelled or ran too long is among them, the job that has
    taken its place waits: nothing that the ended one still does comes after the new one has begun.
    """
    queued = every_tenant.select(Job.id).where(Job.state == JobState.QUEUED.value, Job.id.not_in(waiting))
    if busy:
        ending = aliased(Job)
        is_ending = every_tenant.select(ending.id).where(ending.id.in_(busy), ending.state.in_(_ENDED_WITHOUT_RESULT))
        same_work = is_ending.where(ending.kind == Job.kind, ending.subject_id == Job.subject_id)
        queued = queued.where(~same_work.correlate(Job).exists())
    # A row that another transaction is claiming or cancelling at the moment is skipped.
    oldest = queued.order_by(Job.id).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    claimed = (
        every_tenant.update(Job)
        .where(Job.id == oldest, Job.state == JobState.QUEUED.value)
        .values(
            state=JobState.RUNNING.value,
            attempt=Job.attempt + 1,
            started_at=utc_now(),
            elapsed_s=0.0,
            progress=0.0,
            message=STARTING,
            leaderboard=None,
        )
        .returning(Job)
    )
    job = await session.scalar(claimed)
    return load_spec(job) if job is not None else None


def load_spec(job: Job) -> JobSpec:
    """Return the spec of the job's current attempt, its payload read from the stored JSON."""
    kind = JobKind(job.kind)
    payload = _PAYLOADS[kind].validate_python(job.payload)
    return JobSpec(job.id, job.attempt, kind, payload, job.directory, job.payload.get(_TRACE))


async def list_running(session: AsyncSession) -> Sequence[Job]:
    """Return every job that some worker should be running, of all tenants."""
    rows = every_tenant.select(Job).where(Job.state == JobState.RUNNING.value)
    return (await session.scalars(rows)).all()


async def has_queued(session: AsyncSession, waiting: Collection[int] = ()) -> bool:
    """Return whether a job is queued that is not `waiting`; before `claim`, so that an idle platform writes nothing."""
    queued = every_tenant.select(Job.id).where(Job.state == JobState.QUEUED.value, Job.id.not_in(waiting))
    return await session.scalar(queued.limit(1)) is not None


async def find_ended_elsewhere(session: AsyncSession, job_ids: Sequence[int]) -> set[int]:
    """Return which of these jobs need no worker any more: cancelled, overdue, or reported from outside the cluster."""
    ended = (Job.state == JobState.CANCELLED.value) | Job.callback_digest.is_not(None) | (Job.failure_code == _TIMEOUT)
    query = every_tenant.select(Job.id).where(Job.id.in_(job_ids), ended)
    return set((await session.scalars(query)).all())


async def list_directories(session: AsyncSession) -> tuple[set[str], set[str]]:
    """Return the folders of attempts that run, and of attempts that ended with a result."""

    async def in_state(state: JobState) -> set[str]:
        rows = every_tenant.select(Job.id, Job.attempt).where(Job.state == state.value)
        return {Attempt(job_id, attempt).directory for job_id, attempt in await session.execute(rows)}

    return await in_state(JobState.RUNNING), await in_state(JobState.SUCCEEDED)


async def list_storage_names(session: AsyncSession) -> set[str]:
    """Return the storage names that unfinished jobs of every tenant will read."""
    rows = await session.scalars(every_tenant.select(Job.payload).where(Job.state.in_(_UNFINISHED)))
    payloads = rows.all()
    names = {payload[key] for payload in payloads for key in _INPUT_FIELDS if payload.get(key)}
    inputs = (each for payload in payloads for each in payload.get("inputs", {}).values() if isinstance(each, dict))
    return names | {each["parquet"] for each in inputs}


async def list_states(session: AsyncSession, job_ids: Collection[int]) -> dict[int, JobState]:
    """Return the states of jobs of any tenant by their numbers, without those that do not exist."""
    rows = every_tenant.select(Job.id, Job.state).where(Job.id.in_(job_ids))
    return {job_id: JobState(state) for job_id, state in await session.execute(rows)}


async def find_by_id(session: AsyncSession, job_id: int) -> Job | None:
    """Return a job by its number, of any tenant: for the report of a worker."""
    return await session.scalar(every_tenant.select(Job).where(Job.id == job_id))


async def record_progress(session: AsyncSession, job_id: int, attempt: int, progress: JobProgress) -> None:
    """Write the progress of an attempt, unless the attempt has ended."""
    values = {
        "progress": min(max(progress.fraction, 0.0), 1.0),
        "message": progress.message[:200],
        "leaderboard": [asdict(each) for each in progress.leaderboard] or None,
    }
    await _update_one(session, _update_attempt(job_id, attempt).values(**values))


async def finish(session: AsyncSession, job_id: int, attempt: int, failure: JobFailure | None) -> Job | None:
    """End this attempt, as failed when there is a `failure`.

    Returns:
        The job when this call has ended it; None when it had ended before, or another attempt runs.
    """
    values: dict[str, Any] = {"state": JobState.SUCCEEDED.value, "progress": 1.0, "message": "Done"}
    if failure is not None:
        values = {
            "state": JobState.FAILED.value,
            "message": "Failed",
            "failure_code": failure.code,
            "failure_detail": failure.detail,
        }
    if not await _update_one(session, _update_attempt(job_id, attempt).values(finished_at=utc_now(), **values)):
        return None
    job = await find_by_id(session, job_id)
    if job is not None:
        _count(session, job, JobState(job.state))
    return job


async def retry_or_fail(session: AsyncSession, job_id: int, attempt: int, attempts: int) -> Job | None:
    """Put the job of a lost worker back into the queue, or fail it when `attempts` attempts have lost their worker.

    Returns:
        The job when this call has failed it.
    """
    job = await find_by_id(session, job_id)
    lost = attempt - (job.space_failures if job is not None else 0)
    if lost >= attempts:
        failure = JobFailure(
            "worker_lost", f"The worker ended unexpectedly or hung, {lost} times; see the platform's log."
        )
        return await finish(session, job_id, attempt, failure)
    await _update_one(session, _requeue(job_id, attempt, WAITING_FOR_WORKER))
    return None


async def retry_for_space(session: AsyncSession, job_id: int, attempt: int, attempts: int, message: str) -> int | None:
    """Put a job that found no space back into the queue, unless that was so in `attempts` attempts now.

    Returns:
        How many of its attempts have found no space; None when it is not tried again, or the attempt had ended before.
    """
    again = _requeue(job_id, attempt, message).values(space_failures=Job.space_failures + 1)
    again = again.where(Job.space_failures < attempts - 1)
    return await session.scalar(again.returning(Job.space_failures))


def _requeue(job_id: int, attempt: int, message: str) -> Update:
    again = _update_attempt(job_id, attempt)
    return again.values(state=JobState.QUEUED.value, progress=0.0, message=message, leaderboard=None)


async def describe_queued(session: AsyncSession, message: str, but: Collection[int] = ()) -> None:
    """Write what queued jobs of every tenant wait for, but for some of them."""
    queued = every_tenant.update(Job).where(Job.state == JobState.QUEUED.value, Job.id.not_in(but))
    await session.execute(queued.values(message=message).execution_options(synchronize_session=False))


async def list_run_times(session: AsyncSession, attempts: Collection[Attempt]) -> Sequence[RunTime]:
    """Return what is recorded about the time of those of these attempts that run."""
    columns = every_tenant.select(Job.id, Job.attempt, Job.kind, Job.time_limit_s, Job.elapsed_s)
    running = columns.where(Job.id.in_([each.job_id for each in attempts]), Job.state == JobState.RUNNING.value)
    found = [
        RunTime(Attempt(job_id, attempt), JobKind(kind), time_limit_s, elapsed_s)
        for job_id, attempt, kind, time_limit_s, elapsed_s in await session.execute(running)
    ]
    return [each for each in found if each.attempt in attempts]


async def record_run_time(session: AsyncSession, attempt: Attempt, elapsed_s: float) -> None:
    """Write how long an attempt has run, unless it has ended."""
    await _update_one(session, _update_attempt(attempt.job_id, attempt.attempt).values(elapsed_s=elapsed_s))


async def time_out(session: AsyncSession, attempt: Attempt, limit_s: int) -> Job | None:
    """Fail the job of an attempt that has run longer than its limit; return it, None when it had ended before."""
    detail = f"The job ran longer than its limit of {limit_s} s; give it less to do, or a larger time limit."
    return await finish(session, attempt.job_id, attempt.attempt, JobFailure(_TIMEOUT, detail))


async def cancel(session: AsyncSession, job: Job, message: str = "Cancelled") -> bool:
    """Cancel a job; False when it had ended before."""
    statement = every_tenant.update(Job).where(Job.id == job.id, Job.state.in_(_UNFINISHED))
    is_cancelled = await _update_one(
        session, statement.values(state=JobState.CANCELLED.value, message=message, finished_at=utc_now())
    )
    if is_cancelled:
        _count(session, job, JobState.CANCELLED)
    return is_cancelled


def _count(session: AsyncSession, job: Job, state: JobState) -> None:
    """Count the end of a job, once it is committed."""
    kind, started_at = job.kind, job.started_at

    def count() -> None:
        JOBS_FINISHED.add(kind, state.value)
        if started_at is not None:
            JOB_DURATION.observe(max((utc_now() - started_at).total_seconds(), 0.0), kind)

    after_commit(session, count)


def _update_attempt(job_id: int, attempt: int) -> Update:
    return every_tenant.update(Job).where(Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING.value)


async def _update_one(session: AsyncSession, statement: Update) -> bool:
    # The statement's own condition decides; rows in the session are refreshed after it.
    result = await session.execute(statement.execution_options(synchronize_session="fetch"))
    return isinstance(result, CursorResult) and result.rowcount == 1
