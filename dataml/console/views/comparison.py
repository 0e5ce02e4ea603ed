"""Two to five versions of predictors side by side."""

import asyncio
from typing import Any, Final

from starlette.responses import Response

from dataml.console import comparison, listing
from dataml.console.comparison import Version
from dataml.console.rendering import url
from dataml.console.visit import Visit

PATH: Final = "/predictors/compare"
_MIN: Final = 2
_MAX: Final = 5


async def show(visit: Visit) -> Response:
    """Show the versions that the address names, or where to choose them."""
    given = [each for each in visit.request.query_params.getlist("id") if each.isascii() and each.isdecimal()]
    ids = list(dict.fromkeys(given))[:_MAX]
    # The newest come first without a sort, which would read all rows.
    choices, versions = await asyncio.gather(
        listing.read(visit.request, visit.api, "/train/list", (), state="succeeded"),
        asyncio.gather(*(_read(visit, each) for each in ids)),
    )
    return visit.render(
        "compare.html",
        versions=versions,
        ids=ids,
        is_cut=len(set(given)) > _MAX,
        can_add=len(ids) < _MAX,
        choices=[row for row in choices.rows if str(row["id"]) not in ids],
        without={each: _address([other for other in ids if other != each]) for each in ids},
        scores=comparison.list_scores(versions),
        differences=comparison.list_differences(versions),
        have_equal_rows=comparison.have_equal_rows(versions) if versions else True,
        importance=comparison.list_importance(versions),
        charts=comparison.draw_charts(versions),
        is_enough=len(ids) >= _MIN,
    )


async def _read(visit: Visit, train_id: str) -> Version:
    training: dict[str, Any] = await visit.api.get(f"/train/{train_id}")
    answer: dict[str, Any] = {}
    if training["state"] == "succeeded":
        answer = await visit.api.get(f"/train/{train_id}/report")
    return Version(training, answer.get("report") or {}, answer.get("feature_importance") or {})


def _address(ids: list[str]) -> str:
    return f"{PATH}?{'&'.join(f'id={each}' for each in ids)}" if ids else url(PATH)
