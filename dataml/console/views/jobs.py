"""Jobs: the list, and one job."""

import asyncio
from typing import Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.listing import Filter, whole_number
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("queued", "running", "succeeded", "failed", "cancelled")),
    Filter("kind", "Kind", ("validate", "describe", "train", "explain", "score", "forecast")),
)
_BUSY: Final = ("queued", "running")
_SHOWN_LINES: Final = 200


async def show_all(visit: Visit) -> Response:
    """Show the jobs, newest first."""
    rows = await listing.read(visit.request, visit.api, "/jobs/list", [field.name for field in _FILTERS])
    return visit.render("jobs.html", listing=rows, fields=_FILTERS, busy=_BUSY)


async def show(visit: Visit) -> Response:
    """Show one job, live while it runs."""
    job_id, attempt = visit.request.path_params["job_id"], whole_number(visit.request.query_params.get("attempt"))
    job, log = await asyncio.gather(
        visit.api.get(f"/jobs/{job_id}"), visit.api.find(f"/jobs/{job_id}/log", attempt=attempt or None)
    )
    lines = log["log"].splitlines() if log else []
    return visit.render(
        "job.html",
        job=job,
        busy=_BUSY,
        lines=lines[-_SHOWN_LINES:],
        line_count=len(lines),
        attempt=log["attempt"] if log else attempt or job["attempts"],
    )


async def cancel(visit: Visit) -> Response:
    """Cancel a job."""
    job_id = visit.request.path_params["job_id"]
    await visit.api.cancel_job(job_id)
    return visit.redirect(f"/jobs/{job_id}", notice="The job is cancelled.")
