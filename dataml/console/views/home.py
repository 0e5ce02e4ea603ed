"""The first page: what runs, what has failed, and what is new."""

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console.visit import Visit

_SHOWN = 5


async def show(visit: Visit) -> Response:
    """Show what a user wants to know first."""
    nothing = {"total": 0, "data": []}
    running = failed = predictors = datasets = nothing
    if visit.may(Permission.VIEW):
        running = await visit.api.get("/jobs/list", state="running", limit=_SHOWN)
        failed = await visit.api.get("/jobs/list", state="failed", limit=_SHOWN, sort="-created_at")
        predictors = await visit.api.get("/train/list", limit=_SHOWN, sort="-created_at")
        datasets = await visit.api.get("/dataset/list", limit=_SHOWN, sort="-created_at")
    return visit.render("home.html", running=running, failed=failed, predictors=predictors, datasets=datasets)
