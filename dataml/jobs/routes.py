"""Look at jobs."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from dataml.access.dependencies import Keys, Trainer, Viewer
from dataml.http.dependencies import Db, Paged
from dataml.http.routing import Router
from dataml.jobs import callbacks, service
from dataml.jobs.models import Job
from dataml.jobs.schemas import CallbackToken, JobAnswer, JobList
from dataml.jobs.spec import JobKind, JobState

router = Router(prefix="/jobs", tags=["Jobs"])


@router.get("/list")
async def list_jobs(
    user: Viewer,
    database: Db,
    page: Paged,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
) -> JobList:
    """Jobs of the tenant, newest first."""
    where = [column == value.value for column, value in ((Job.kind, kind), (Job.state, state)) if value is not None]
    async with database.reading() as session:
        total, jobs = await user.scope.list(session, Job, page, *where)
    return JobList(total=total, data=[JobAnswer.of(job) for job in jobs])


@router.get("/{job_id}")
async def get_job(job_id: str, user: Viewer, database: Db) -> JobAnswer:
    """State, progress, attempts, times and the error of one job."""
    async with database.reading() as session:
        return JobAnswer.of(await service.find(session, user.scope, job_id))


@router.post("/{job_id}/callback-token")
async def grant_callback_token(job_id: str, user: Trainer, database: Db, keys: Keys) -> CallbackToken:
    """A token with which a worker outside the cluster reports the training or feature importance that runs, by
    `POST /train/result` or `/train/shap-result`, and what it needs to do the work."""
    async with database.transaction() as session:
        granted = await callbacks.grant(session, keys, user.scope, job_id)
    job = granted.job
    return CallbackToken(
        token=granted.token,
        job_id=job.public_id,
        attempt=job.attempt,
        expires_at=datetime.fromtimestamp(granted.expires_at, UTC),
        directory=job.directory,
        spec=job.payload,
    )
