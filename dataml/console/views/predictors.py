"""Predictors: the list of their versions, and deleting one."""

from typing import Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.listing import Filter
from dataml.console.views import model_page
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("queued", "running", "succeeded", "failed", "cancelled")),
    Filter("problem_type", "Problem", ("Classification", "Regression", "Forecast")),
)


async def show_all(visit: Visit) -> Response:
    """Show the versions of all predictors, newest first."""
    names = [*(field.name for field in _FILTERS), "name"]
    rows = await listing.read(visit.request, visit.api, "/train/list", names)
    return visit.render("predictors.html", listing=rows, fields=_FILTERS, busy=model_page.BUSY)


async def delete(visit: Visit) -> Response:
    """Delete a version and its model."""
    await visit.api.call("DELETE", f"/train/delete/{visit.request.path_params['train_id']}")
    return visit.redirect("/predictors", notice="The version is deleted.")
