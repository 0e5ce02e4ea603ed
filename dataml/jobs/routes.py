"""The routes of jobs."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from dataml.access.dependencies import Keys, Trainer, Viewer
from dataml.http.dependencies import AppSettings, Db, Paged
from dataml.http.routing import Router
from dataml.jobs import callbacks, service
from dataml.jobs.models import Job
from dataml.jobs.schemas import CallbackToken, JobAnswer, JobDetail, JobList
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
    """List the jobs of the tenant, newest first."""
    where = [column == value.value for column, value in ((Job.kind, kind), (Job.state, state)) if value is not None]
    async with database.reading() as session:
        total, jobs = await user.scope.list(session, Job, page, *where, without=(Job.payload,))
    return JobList(total=total, data=[JobAnswer.of(job) for job in jobs])


@router.get("/{job_id}")
async def get_job(job_id: str, user: Viewer, database: Db, settings: AppSettings) -> JobDetail:
    """Return the state, progress, attempts, times, time limit and error of one job, and of a batch what was asked."""
    async with database.reading() as session:
        return JobDetail.for_job(await service.find(session, user.scope, job_id), settings)


@router.post("/{job_id}/callback-token")
async def grant_callback_token(job_id: str, user: Trainer, database: Db, keys: Keys) -> CallbackToken:
    """Issue a token to report a training or feature importance from outside the cluster, with the work to do.

    The worker reports by `POST /train/result` or `/train/shap-result`.
    """
    async with database.transaction() as session:
        grant = await callbacks.grant(session, keys, user.scope, job_id)
    job = grant.job
    return CallbackToken(
        token=grant.token,
        job_id=job.public_id,
        attempt=job.attempt,
        expires_at=datetime.fromtimestamp(grant.expires_at, UTC),
        directory=job.directory,
        spec=job.payload,
    )
