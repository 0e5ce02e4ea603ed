"""The sessions that a user has open: which they are, and their end before their time."""

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import users
from dataml.access.models import Session
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.db.base import utc_now
from dataml.db.scope import Page


async def list_open(
    session: AsyncSession, user: Principal, page: Page, user_id: int | None
) -> tuple[int, list[Session]]:
    """List the open sessions of the caller, or of `user_id` for who may manage users, newest first.

    Raises:
        Forbidden: `missing_permission`.
        NotFound: `user_not_found`.
    """
    owner_id = await users.resolve_owner(session, user, user_id)
    is_open = (Session.ended_at.is_(None), Session.expires_at > utc_now())
    return await user.scope.list(session, Session, page, Session.user_id == owner_id, *is_open)


async def end(session: AsyncSession, user: Principal, session_id: int) -> Session:
    """End a session, an own one or, for who may manage users, another's; a repetition changes nothing.

    Raises:
        NotFound: `session_not_found`.
        Forbidden: `missing_permission`, `permission_not_held`.
    """
    opened = await user.scope.hold(session, Session, session_id, "session")
    await users.require_authority_over_owner(session, user, opened.user_id)
    if opened.ended_at is None:
        opened.ended_at = utc_now()
        audit.record(session, user.scope, "session.end", f"session:{opened.id}")
    return opened


async def end_others(session: AsyncSession, user: Principal, user_id: int | None) -> int:
    """End all other sessions of the caller, or all of `user_id` for who may manage users; return how many.

    Raises:
        NotFound: `user_not_found`.
        Forbidden: `missing_permission`, `permission_not_held`.
    """
    if user_id is None:
        user_id = user.user_id
    await users.require_authority_over_owner(session, user, user_id)
    now = utc_now()
    others = (Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now)
    ended = user.scope.update(Session).where(*others, Session.id != user.session_id).values(ended_at=now)
    ids = (await session.scalars(ended.returning(Session.id))).all()
    if ids:
        audit.record(session, user.scope, "session.end_all", f"user:{user_id}", sessions=len(ids))
    return len(ids)
