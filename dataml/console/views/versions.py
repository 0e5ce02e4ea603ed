"""The versions of one predictor, and where they come from."""

from typing import Any, Final

from starlette.responses import Response

from dataml.console import lineage, listing
from dataml.console.visit import Visit
from dataml.errors import NotFound

PATH: Final = "/predictors/versions"
_BUSY: Final = ("queued", "running")
_MAX_DRAWN: Final = 20
_SHOWN_PREDICTIONS: Final = 5


async def show(visit: Visit) -> Response:
    """Show the versions of the predictor that the address names, newest first, and the lineage of one of them."""
    query = visit.request.query_params
    name = query.get("name")
    if not name:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    rows = await listing.read(visit.request, visit.api, "/train/list", ("name",))
    chosen, predictions = None, {"total": 0, "data": []}
    if rows.rows:
        chosen = await _read_chosen(visit, rows.rows)
        found = await visit.api.find("/inference/predictions", train_id=chosen["id"], limit=_SHOWN_PREDICTIONS)
        predictions = found or predictions
    drawn = sorted(rows.rows, key=lambda row: -row["version"])[:_MAX_DRAWN]
    drawing = lineage.draw(drawn, chosen, predictions["data"]) if chosen else None
    return visit.render(
        "versions.html",
        name=name,
        listing=rows,
        busy=_BUSY,
        chosen=chosen,
        predictions=predictions,
        drawing=drawing,
        is_cut=len(rows.rows) > _MAX_DRAWN,
    )


async def _read_chosen(visit: Visit, rows: Any) -> dict[str, Any]:
    """Return the version that the address names, else the one that answers by name, else the newest."""
    ids = [row["id"] for row in rows]
    serving = [row["id"] for row in rows if row["endpoint_url"]]
    chosen = listing.whole_number(visit.request.query_params.get("id"))
    return await visit.api.get(f"/train/{chosen if chosen in ids else (serving or ids)[0]}")
