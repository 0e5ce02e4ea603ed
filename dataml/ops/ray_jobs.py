"""The call that ends a job."""

from typing import Annotated, Final

from fastapi import Query

from dataml.access.dependencies import Terminator
from dataml.access.schemas import StatusAnswer
from dataml.audit import service as audit
from dataml.errors import Conflict, Invalid
from dataml.http.dependencies import Db
from dataml.http.routing import Router
from dataml.jobs import service
from dataml.jobs.dependencies import JobResults, Jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind
from dataml.suggestions import describe_unknown

router = Router(prefix="/ray", tags=["Ray"])
# The words of API users for each kind of job, besides the kind itself; the first one is documented.
_USAGES: Final = {
    JobKind.VALIDATE: ("validation",),
    JobKind.DESCRIBE: ("statistics",),
    JobKind.TRAIN: ("training",),
    JobKind.EXPLAIN: ("feature_importance", "explanation", "shap"),
    JobKind.SCORE: ("prediction", "batch_prediction"),
    JobKind.FORECAST: ("forecast", "prediction", "batch_prediction"),
}


@router.post("/terminate_ray_job")
async def terminate_ray_job(
    user: Terminator,
    database: Db,
    jobs: Jobs,
    results: JobResults,
    ray_job_id: Annotated[str, Query(description="Id of the job, e.g. `train-job-12`.", max_length=100)],
    usage: Annotated[
        str,
        Query(
            description="What the job is for, which must be so: `validation`, `statistics`, `training`, "
            "`feature_importance`, `prediction` or `forecast`, or the `kind` of the job. Not needed to find it.",
            max_length=100,
        ),
    ] = "",
) -> StatusAnswer:
    """End a job of the own tenant.

    The job is cancelled when this call answers, and its worker is ended within seconds. A job that has ended already
    stays as it is. A job of another `usage` is not ended.
    """
    async with database.transaction() as session:
        job = await service.find(session, user.scope, ray_job_id)
        _check_usage(job, usage)
        if await results.cancel(session, job):
            audit.record(session, user.scope, "job.terminate", f"job:{job.public_id}")
            message = f"Termination request for Ray job '{job.public_id}' has been sent."
        else:
            message = f"Ray job '{job.public_id}' had already ended."
    await jobs.notify()
    return StatusAnswer(status="success", message=message)


def _check_usage(job: Job, usage: str) -> None:
    """Refuse a usage that is not that of the job; none was sent where it is empty.

    Raises:
        Invalid: `unknown_job_usage`.
        Conflict: `wrong_job_usage`.
    """
    sent = usage.strip().casefold().replace("-", "_").replace(" ", "_")
    if not sent:
        return
    kinds = [kind for kind, words in _USAGES.items() if sent in (kind.value, *words)]
    if not kinds:
        known = [words[0] for words in _USAGES.values()]
        raise Invalid(describe_unknown("usage of a job", usage, known, is_listed=True), code="unknown_job_usage")
    if JobKind(job.kind) not in kinds:
        detail = f"The usage of this job is {_USAGES[JobKind(job.kind)][0]!r}; it was not ended."
        raise Conflict(detail, code="wrong_job_usage")
