"""Jobs: the list, and one job."""

from typing import Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("queued", "running", "succeeded", "failed", "cancelled")),
    Filter("kind", "Kind", ("validate", "describe", "train", "explain", "score", "forecast")),
)
_BUSY: Final = ("queued", "running")
# What a job of a kind is about, and what `terminate_ray_job` calls the kind.
_SUBJECTS: Final = {
    "validate": "/datasets",
    "describe": "/datasets",
    "train": "/predictors",
    "explain": "/predictors",
}
_USAGES: Final = {
    "validate": "validation",
    "describe": "statistics",
    "train": "training",
    "explain": "shap",
    "score": "prediction",
    "forecast": "prediction",
}


async def show_all(visit: Visit) -> Response:
    """Show the jobs, newest first."""
    rows = await listing.read(visit.request, visit.api, "/jobs/list", [field.name for field in _FILTERS])
    return visit.render("jobs.html", listing=rows, fields=_FILTERS)


async def show(visit: Visit) -> Response:
    """Show one job, live while it runs."""
    job = await visit.api.get(f"/jobs/{visit.request.path_params['job_id']}")
    folder = _SUBJECTS.get(job["kind"])
    subject = f"{folder}/{job['subject_id']}" if folder and job["subject_id"] else None
    return visit.render("job.html", job=job, subject=subject, busy=_BUSY)


async def cancel(visit: Visit) -> Response:
    """Cancel a job."""
    job = await visit.api.get(f"/jobs/{visit.request.path_params['job_id']}")
    body = {"ray_job_id": job["job_id"], "usage": _USAGES[job["kind"]]}
    await visit.api.call("POST", "/ray/terminate_ray_job", body=body)
    return visit.redirect(f"/jobs/{job['job_id']}", notice="The job is cancelled.")
