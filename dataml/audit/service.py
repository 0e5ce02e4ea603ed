"""The audit log: events are added in the transaction of the change that they record, and never changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit.models import AuditEvent
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope


class Outcome(StrEnum):
    """What came of an attempt."""

    SUCCESS = "success"
    FAILURE = "failure"  # tried with a wrong secret
    REFUSED = "refused"  # not permitted


@dataclass(frozen=True)
class Filters:
    """What to search for; None matches everything."""

    username: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: Outcome | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(
    session: AsyncSession,
    scope: Scope,
    action: str,
    subject: str | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    tenant_id: str | None = None,
    **detail: str | int | float | bool | list[str],
) -> None:
    """Add an event to the log of the scope's tenant, or of `tenant_id` when a platform admin acts in another one.

    `action` is a noun and a verb (`role.grant`), `subject` a noun and an id (`user:7`). `detail` holds what changed,
    never a secret.
    """
    session.add(
        AuditEvent(
            tenant_id=tenant_id or scope.tenant_id,
            at=utc_now(),
            user_id=scope.user_id,
            username=scope.username or None,
            action=action,
            subject=subject,
            outcome=outcome.value,
            address=scope.origin.address,
            request_id=scope.origin.request_id,
            detail=detail or None,
        )
    )


async def list_events(
    session: AsyncSession, scope: Scope, page: Page, filters: Filters
) -> tuple[int, list[AuditEvent]]:
    """Return how many events of the tenant match, and a page of them, newest first."""
    exact = {
        AuditEvent.username: filters.username,
        AuditEvent.subject: filters.subject,
        AuditEvent.outcome: filters.outcome.value if filters.outcome else None,
        AuditEvent.address: filters.address,
    }
    where: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    if filters.action is not None:
        # `user` finds `user.create` and all other actions on users.
        where.append(
            (AuditEvent.action == filters.action) | AuditEvent.action.startswith(f"{filters.action}.", autoescape=True)
        )
    if filters.since is not None:
        where.append(AuditEvent.at >= filters.since)
    if filters.until is not None:
        where.append(AuditEvent.at < filters.until)
    return await scope.list(session, AuditEvent, page, *where)
