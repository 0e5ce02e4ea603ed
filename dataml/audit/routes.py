"""The audit log's call."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from dataml.audit import service
from dataml.audit.models import AuditEvent
from dataml.audit.schemas import AuditList, AuditRow
from dataml.audit.service import Filters, Outcome
from dataml.db.scope import Page, Scope
from dataml.errors import Invalid
from dataml.http.dependencies import Db
from dataml.http.lists import ListQuery, to_utc
from dataml.http.routing import Router

AuditPage = Annotated[
    Page, Depends(ListQuery(AuditEvent, search=("username", "action", "subject"), sort=("id", "at", "action")))
]


def create_router(audited_scope: Callable[..., Awaitable[Scope]]) -> Router:
    """Return the router of the audit log.

    Args:
        audited_scope: the dependency that checks the caller and says whose log they read. `access` records events here,
            so this package cannot import what `access` knows of callers.
    """
    router = Router(prefix="/audit", tags=["Audit"])

    @router.get("/list")
    async def list_audit_events(
        scope: Annotated[Scope, Depends(audited_scope)],
        database: Db,
        page: AuditPage,
        username: Annotated[str | None, Query(description="Who, as the log has it.")] = None,
        action: Annotated[
            str | None, Query(description="What: `user.create`, or `user` for all that was done to users.")
        ] = None,
        subject: Annotated[str | None, Query(description="On what, e.g. `user:7`.")] = None,
        outcome: Annotated[Outcome | None, Query(description="What came of it.")] = None,
        address: Annotated[str | None, Query(description="From where.")] = None,
        since: Annotated[datetime | None, Query(description="Not before this time.")] = None,
        until: Annotated[datetime | None, Query(description="Before this time.")] = None,
    ) -> AuditList:
        """Who did what, on what, from where, and what came of it; newest first."""
        if any("\0" in text for text in (username, action, subject, address) if text):
            raise Invalid("A filter holds a NUL.", code="bad_filter")
        times = (to_utc(since) if since else None, to_utc(until) if until else None)
        filters = Filters(username, action, subject, outcome, address, *times)
        async with database.reading() as session:
            total, events = await service.list_events(session, scope, page, filters)
        return AuditList(total=total, data=[AuditRow.model_validate(event) for event in events])

    return router
