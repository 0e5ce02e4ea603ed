"""Look at jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from dataml.dependencies import Db, Paged, Viewer
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.schemas import JobAnswer, JobList
from dataml.jobs.spec import JobKind, JobState

router = APIRouter(prefix="/jobs", tags=["Jobs"])


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
