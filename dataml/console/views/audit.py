"""The audit log, with its filters."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.visit import Visit

_FILTERS: Final = ("username", "action", "subject", "outcome", "address", "since", "until", "tenant_id")
_OUTCOMES: Final = ("success", "failure", "refused")
# Pages of what events are about.
_PAGES: Final = {
    "dataset": "/datasets/{}",
    "template": "/templates/{}",
    "training": "/predictors/{}",
    "job": "/jobs/{}",
    "user": "/admin/users/{}",
}
_MAX_TENANTS: Final = 500


async def show(visit: Visit) -> Response:
    """Show who did what, newest first."""
    rows = await listing.read(visit.request, visit.api, "/audit/list", _FILTERS)
    tenants: Mapping[str, Any] = {"data": []}
    if visit.principal.is_platform_admin:
        tenants = await visit.api.get("/tenants/list", limit=_MAX_TENANTS, sort="name")
    is_own = rows.query.get("tenant_id", visit.principal.tenant_id) == visit.principal.tenant_id
    pages = {row["id"]: page for row in rows.rows if is_own and (page := _page_of(row["subject"]))}
    return visit.render("audit.html", listing=rows, outcomes=_OUTCOMES, tenants=tenants["data"], pages=pages)


def _page_of(subject: str | None) -> str | None:
    kind, _, subject_id = (subject or "").partition(":")
    path = _PAGES.get(kind)
    return path.format(subject_id) if path and subject_id else None
