"""The call that ends a job."""

from typing import Annotated

from fastapi import Query

from dataml.access.dependencies import Terminator
from dataml.access.schemas import StatusAnswer
from dataml.audit import service as audit
from dataml.http.dependencies import Db
from dataml.http.routing import Router
from dataml.jobs import service
from dataml.jobs.dependencies import JobResults, Jobs

router = Router(prefix="/ray", tags=["Ray"])


@router.post("/terminate_ray_job")
async def terminate_ray_job(
    user: Terminator,
    database: Db,
    jobs: Jobs,
    results: JobResults,
    ray_job_id: Annotated[str, Query(description="Id of the job, e.g. `train-job-12`.", max_length=100)],
    usage: Annotated[str, Query(description="What the job is for, e.g. `training`; not needed to find it.")] = "",
) -> StatusAnswer:
    """End a job of the own tenant.

    The job is cancelled when this call answers, and its worker is ended within seconds. A job that has ended already
    stays as it is.
    """
    async with database.transaction() as session:
        job = await service.find(session, user.scope, ray_job_id)
        if await results.cancel(session, job):
            audit.record(session, user.scope, "job.terminate", f"job:{job.public_id}")
            message = f"Termination request for Ray job '{job.public_id}' has been sent."
        else:
            message = f"Ray job '{job.public_id}' had already ended."
    await jobs.notify()
    return StatusAnswer(status="success", message=message)
