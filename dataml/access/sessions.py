"""Sessions: a login opens one, a refresh prolongs it, a logout ends it.

A session has a chain of refresh tokens. Each is valid once: using it replaces it by its successor, in one conditional
statement. The immediate predecessor stays valid for `GRACE`, and gives the same successor again, so that a client that
lost an answer, or asked twice at once, can go on. Any other token that comes back was copied: it ends the session.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import names, roles, throttle
from dataml.access.models import RefreshToken, Session, Tenant, TenantPermission, User
from dataml.access.passwords import PasswordCheck, hashing, verify_password
from dataml.access.schemas import TokenAnswer
from dataml.access.tokens import TokenKeys, hash_of, new_secret
from dataml.audit import service as audit
from dataml.audit.service import Outcome
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.scope import Origin, Scope
from dataml.db.session import Database
from dataml.errors import DatamlError, Unauthorized
from dataml.settings import Settings

GRACE: Final = timedelta(seconds=10)
# How long the row of an ended session stays, so that the network its user came from is known.
_RETENTION: Final = timedelta(days=30)


class Sessions:
    """Opens, renews and ends sessions."""

    def __init__(self, database: Database, settings: Settings, keys: TokenKeys) -> None:
        self._database = database
        self._settings = settings
        self._keys = keys

    async def log_in(
        self, username: str, password: str, origin: Origin, permissions: Sequence[str] = ()
    ) -> TokenAnswer:
        """Open a session, narrowed to `permissions` when there are any.

        Raises:
            DatamlError: `invalid_scope`: a name is no permission of the tenant, or the user holds none of them.
            Unauthorized: `bad_credentials`, the same for an unknown user, a wrong password and a closed account.
            TooManyRequests: `too_many_logins`.
        """
        username_key = names.key(username)
        async with hashing():
            # Looked up when it is this login's turn, so that a burst cannot slip past the limit together.
            async with self._database.reading() as session:
                user = await _find_active(session, username_key)
                counted = await throttle.subjects(session, username_key, user.id if user else None, origin.address)
                await throttle.check(session, self._settings, counted)
            check = await verify_password(password, user.password_hash if user else None)
            async with self._database.transaction() as session:
                # The user may have been deactivated, or given another password, meanwhile.
                now_user = await _find_active(session, username_key, for_update=True) if check.is_match else None
                if user is not None and now_user is not None and now_user.password_hash == user.password_hash:
                    await throttle.forget_failures(session, counted)
                    return await self._open(session, now_user, check, origin, permissions)
                await throttle.record_failure(session, counted)
                await _record_failed_login(session, user, origin)
        raise Unauthorized("Wrong username or password.", code="bad_credentials")

    async def refresh(self, refresh_token: str, origin: Origin) -> TokenAnswer:
        """Return the successor of a refresh token, and an access token.

        Raises:
            Unauthorized: `invalid_refresh_token`, `session_ended`, or `refresh_token_reused`, which ends the session.
        """
        async with self._database.transaction() as session:
            answer = await self._rotate(session, refresh_token, origin)
        # Raised after the transaction: the end of the session must be committed.
        if isinstance(answer, DatamlError):
            raise answer
        return answer

    async def log_out(self, refresh_token: str, origin: Origin) -> None:
        """End the session of a refresh token, current or replaced. A session that has ended already stays so.

        Raises:
            Unauthorized: `invalid_refresh_token`.
        """
        async with self._database.transaction() as session:
            token = await _find_token(session, refresh_token)
            if token is None:
                raise _invalid()
            opened = await _session_of(session, token)
            if opened.ended_at is None:
                opened.ended_at = utc_now()
                scope = await _scope_of(session, opened, origin)
                audit.record(session, scope, "session.end", f"session:{opened.id}")

    async def _open(
        self, session: AsyncSession, user: User, check: PasswordCheck, origin: Origin, permissions: Sequence[str]
    ) -> TokenAnswer:
        if check.better_hash is not None:
            user.password_hash = check.better_hash
        now = utc_now()
        await _prune(session, user.id)
        opened = Session(
            tenant_id=user.tenant_id,
            user_id=user.id,
            network=throttle.network(origin.address),
            permissions=sorted(set(permissions)) or None,
            created_at=now,
            expires_at=now + timedelta(days=self._settings.refresh_token_days),
        )
        session.add(opened)
        await session.flush()
        refresh_token = new_secret()
        _add_token(session, opened, refresh_token)
        scope = Scope(user.tenant_id, user.username, user.id, origin)
        await _check_scope(session, scope, opened)
        details: dict[str, Any] = {"permissions": opened.permissions} if opened.permissions else {}
        audit.record(session, scope, "session.open", f"session:{opened.id}", **details)
        return await self._answer(session, opened, refresh_token)

    async def _rotate(self, session: AsyncSession, refresh_token: str, origin: Origin) -> TokenAnswer | DatamlError:
        now = utc_now()
        token = await _find_token(session, refresh_token, for_update=True)
        if token is None:
            return _invalid()
        opened = await _session_of(session, token)
        user = await session.scalar(_active_users().where(User.id == opened.user_id))
        if opened.ended_at is not None or opened.expires_at <= now or user is None:
            return Unauthorized("The session has ended; log in again.", code="session_ended")
        scope = Scope(user.tenant_id, user.username, user.id, origin)
        successors = self._keys.successors(refresh_token)
        unused = scope.update(RefreshToken).where(RefreshToken.id == token.id, RefreshToken.replaced_at.is_(None))
        taken = await session.execute(unused.values(replaced_at=now).returning(RefreshToken.id))
        if taken.first() is not None:
            _add_token(session, opened, successors[0])
            opened.expires_at = now + timedelta(days=self._settings.refresh_token_days)
            return await self._answer(session, opened, successors[0])
        if token.replaced_at is not None and now - token.replaced_at <= GRACE:
            for successor in successors:
                follower = await _find_token(session, successor)
                if follower is not None and follower.replaced_at is None:
                    return await self._answer(session, opened, successor)
        opened.ended_at = now
        audit.record(session, scope, "session.reuse", f"session:{opened.id}", Outcome.REFUSED)
        detail = "This refresh token was used before, so its session has been ended; log in again."
        return Unauthorized(detail, code="refresh_token_reused")

    async def _answer(self, session: AsyncSession, opened: Session, refresh_token: str) -> TokenAnswer:
        lifetime_s = self._settings.access_token_minutes * 60
        access_token = self._keys.sign(opened.user_id, opened.id, lifetime_s)
        allowed = await _allowed(session, opened)
        return TokenAnswer(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in=lifetime_s,
            scope=" ".join(sorted(allowed)),
        )


async def end_all(session: AsyncSession, scope: Scope, user_id: int) -> None:
    """End every session of a user of the scope's tenant; their access tokens are invalid from the commit on."""
    running = scope.update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    await session.execute(running.values(ended_at=utc_now()))


async def _allowed(session: AsyncSession, opened: Session) -> set[str]:
    """Return the permissions that a session has at the moment."""
    held = await roles.permissions_of_user(session, Scope(opened.tenant_id, ""), opened.user_id)
    return held if opened.permissions is None else held.intersection(opened.permissions)


async def _check_scope(session: AsyncSession, scope: Scope, opened: Session) -> None:
    """Refuse a session that is narrowed to what is no permission, or to nothing.

    Raises:
        DatamlError: `invalid_scope`.
    """
    if opened.permissions is None:
        return
    known = set(await session.scalars(scope.select_columns(TenantPermission, TenantPermission.name)))
    if unknown := [name for name in opened.permissions if name not in known]:
        shown = ", ".join(repr(name[:100]) for name in unknown[:5])
        raise DatamlError(f"The scope names what is no permission: {shown}.", code="invalid_scope")
    if not await _allowed(session, opened):
        raise DatamlError("You hold none of the permissions that the scope names.", code="invalid_scope")


def _invalid() -> Unauthorized:
    return Unauthorized("The refresh token is not valid.", code="invalid_refresh_token")


def _active_users() -> Select[User]:
    """Return a query of the users of all tenants who may log in."""
    query = every_tenant.select(User).join(Tenant, Tenant.id == User.tenant_id)
    return query.where(User.is_active, Tenant.is_active)


async def _find_active(session: AsyncSession, username_key: str, *, for_update: bool = False) -> User | None:
    query = _active_users().where(User.username_key == username_key)
    return await session.scalar(query.with_for_update(of=User) if for_update else query)


async def _record_failed_login(session: AsyncSession, user: User | None, origin: Origin) -> None:
    """Record a failed login in the log of the user's tenant, or of the first tenant and without the name if unknown."""
    # Looked up for a known user too: the time of an answer must not reveal who exists.
    first = await session.scalar(every_tenant.select(Tenant.id).order_by(Tenant.created_at).limit(1))
    scope = Scope(user.tenant_id if user is not None else first or "", "", None, origin)
    if user is not None:
        audit.record(session, scope, "session.open", f"user:{user.id}", Outcome.FAILURE, username=user.username)
    else:
        audit.record(session, scope, "session.open", None, Outcome.FAILURE)


async def _find_token(session: AsyncSession, refresh_token: str, *, for_update: bool = False) -> RefreshToken | None:
    query = every_tenant.select(RefreshToken).where(RefreshToken.token_hash == hash_of(refresh_token))
    return await session.scalar(query.with_for_update() if for_update else query)


async def _session_of(session: AsyncSession, token: RefreshToken) -> Session:
    query = Scope(token.tenant_id, "").select(Session).where(Session.id == token.session_id)
    return (await session.scalars(query)).one()


async def _scope_of(session: AsyncSession, opened: Session, origin: Origin) -> Scope:
    scope = Scope(opened.tenant_id, "", opened.user_id, origin)
    username = await session.scalar(scope.select_columns(User, User.username).where(User.id == opened.user_id))
    return replace(scope, username=username or "")


def _add_token(session: AsyncSession, opened: Session, refresh_token: str) -> None:
    token = RefreshToken(
        tenant_id=opened.tenant_id,
        session_id=opened.id,
        token_hash=hash_of(refresh_token),
        created_at=utc_now(),
        replaced_at=None,
    )
    session.add(token)


async def _prune(session: AsyncSession, user_id: int) -> None:
    """Remove this user's sessions that ended long ago, with their tokens."""
    long_ago = utc_now() - _RETENTION
    over = every_tenant.select(Session.id).where(
        Session.user_id == user_id, (Session.ended_at < long_ago) | (Session.expires_at < long_ago)
    )
    ids = (await session.scalars(over)).all()
    if ids:
        await session.execute(every_tenant.delete(RefreshToken).where(RefreshToken.session_id.in_(ids)))
        await session.execute(every_tenant.delete(Session).where(Session.id.in_(ids)))
