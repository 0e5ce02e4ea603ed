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


async def show_all(visit: Visit) -> Response:
    """Show the jobs, newest first."""
    rows = await listing.read(visit.request, visit.api, "/jobs/list", [field.name for field in _FILTERS])
    return visit.render("jobs.html", listing=rows, fields=_FILTERS)
