"""Datasets: the list, an upload, and the parts of one dataset."""

from typing import Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("validating", "valid", "invalid", "failed")),
    Filter("usage", "For", ("t", "p", "v")),
)
_BUSY: Final = ("validating", "uploading", "queued", "running")


async def show_all(visit: Visit) -> Response:
    """Show the datasets, newest first."""
    rows = await listing.read(visit.request, visit.api, "/dataset/list", [field.name for field in _FILTERS])
    return visit.render("datasets.html", listing=rows, fields=_FILTERS, busy=_BUSY)
