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


async def show_all(visit: Visit) -> Response:
    """Show the jobs, newest first."""
    rows = await listing.read(visit.request, visit.api, "/jobs/list", [field.name for field in _FILTERS])
    return visit.render("jobs.html", listing=rows, fields=_FILTERS, busy=_BUSY)


async def show(visit: Visit) -> Response:
    """Show one job, live while it runs."""
    job = await visit.api.get(f"/jobs/{visit.request.path_params['job_id']}")
    return visit.render("job.html", job=job, busy=_BUSY)


async def cancel(visit: Visit) -> Response:
    """Cancel a job."""
    job_id = visit.request.path_params["job_id"]
    await visit.api.cancel_job(job_id)
    return visit.redirect(f"/jobs/{job_id}", notice="The job is cancelled.")
