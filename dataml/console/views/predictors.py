"""Predictors: the list of trained models, and the parts of one."""

from typing import Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (Filter("problem_type", "Problem", ("Classification", "Regression", "Forecast")),)
_BUSY: Final = ("training", "in progress", "queued", "running", "waiting")


async def show_all(visit: Visit) -> Response:
    """Show the versions of all predictors, newest first."""
    rows = await listing.read(visit.request, visit.api, "/train/list", [field.name for field in _FILTERS])
    return visit.render("predictors.html", listing=rows, fields=_FILTERS, busy=_BUSY)
