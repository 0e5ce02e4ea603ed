"""The audit log's call."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from dataml.access import tenants
from dataml.audit import service
from dataml.audit.schemas import AuditList, AuditRow
from dataml.audit.service import Filters, Outcome
from dataml.db.scope import Scope
from dataml.dependencies import Db, Paged, UserManager
from dataml.errors import Invalid

router = APIRouter(prefix="/audit", tags=["Audit"])
Text = Annotated[str | None, Query(max_length=300)]


@router.get("/list")
async def list_events(
    user: UserManager,
    database: Db,
    page: Paged,
    username: Annotated[Text, Query(description="Who, as the log has it.")] = None,
    action: Annotated[Text, Query(description="What: `user.create`, or `user` for all that was done to users.")] = None,
    subject: Annotated[Text, Query(description="On what, e.g. `user:7`.")] = None,
    outcome: Annotated[Outcome | None, Query(description="What came of it.")] = None,
    address: Annotated[Text, Query(description="From where.")] = None,
    since: Annotated[datetime | None, Query(description="Not before this time.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time.")] = None,
    tenant_id: Annotated[Text, Query(description="Another tenant's log, for an administrator of the platform.")] = None,
) -> AuditList:
    """Who did what, on what, from where, and what came of it; newest first."""
    if any("\0" in text for text in (username, action, subject, address) if text):
        raise Invalid("A filter holds a NUL.", code="bad_filter")
    filters = Filters(username, action, subject, outcome, address, _utc(since), _utc(until))
    async with database.reading() as session:
        tenant = await tenants.named_in_query(session, user, tenant_id)
        total, events = await service.list_events(session, Scope(tenant, user.username), page, filters)
    return AuditList(total=total, data=[AuditRow.model_validate(event) for event in events])


def _utc(time: datetime | None) -> datetime | None:
    """A time without a zone is taken as UTC, as all times of answers are."""
    if time is None or time.tzinfo is None:
        return time.replace(tzinfo=UTC) if time is not None else None
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise Invalid("A time lies beyond the calendar.", code="bad_filter") from error
