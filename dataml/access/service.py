"""Login, and the principal that stands behind a bearer token."""

import hashlib
import secrets
import time
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.models import Session, Tenant, User
from dataml.access.passwords import hash_password, verify_password
from dataml.access.permissions import Permission, Role
from dataml.access.schemas import TokenAnswer
from dataml.access.tokens import TokenKey
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Forbidden, Unauthorized
from dataml.settings import Settings

DEFAULT_TENANT = "default"
ADMIN = "admin"
MAX_PASSWORD_BYTES = 1024


@dataclass(frozen=True)
class Principal:
    """Who sends a request, already authenticated: minted by `Authenticator` only."""

    user_id: int
    tenant_id: str
    tenant_name: str
    username: str
    permissions: frozenset[Permission]

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant_id, self.username)

    def require(self, permission: Permission) -> None:
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission}.", code="missing_permission")


def normalise_username(username: str) -> str:
    """Two spellings of one name are one user: NFKC, case-folded, no outer spaces."""
    # PostgreSQL takes no NUL.
    return unicodedata.normalize("NFKC", username).strip().casefold().replace("\0", "\ufffd")


async def create_user(
    session: AsyncSession, tenant_id: str, username: str, password: str, role: Role, *, is_platform_admin: bool = False
) -> User:
    user = User(
        tenant_id=tenant_id,
        username=normalise_username(username),
        password_hash=hash_password(password),
        role=role.value,
        is_platform_admin=is_platform_admin,
    )
    session.add(user)
    await session.flush()
    return user


async def create_tenant(session: AsyncSession, name: str) -> Tenant:
    tenant = Tenant(id=str(uuid.uuid4()), name=name)
    session.add(tenant)
    await session.flush()
    return tenant


async def has_users(session: AsyncSession) -> bool:
    return await session.scalar(select(User.id).limit(1)) is not None


async def log_in(database: Database, settings: Settings, key: TokenKey, username: str, password: str) -> TokenAnswer:
    """Open a session.

    Raises:
        Unauthorized: `bad_credentials`, the same for an unknown user, a wrong password and a closed account.
    """
    async with database.reading() as session:
        user = await session.scalar(
            select(User)
            .join(Tenant, Tenant.id == User.tenant_id)
            .where(User.username == normalise_username(username), User.is_active, Tenant.is_active)
        )
    too_long = len(password.encode(errors="replace")) > MAX_PASSWORD_BYTES
    password_hash = user.password_hash if user is not None and not too_long else None
    if not await verify_password("" if too_long else password, password_hash) or user is None:
        raise Unauthorized("Wrong username or password.", code="bad_credentials")
    refresh_token = secrets.token_urlsafe(32)
    now = utc_now()
    async with database.transaction() as session:
        opened = Session(
            tenant_id=user.tenant_id,
            user_id=user.id,
            refresh_hash=hashlib.sha256(refresh_token.encode()).hexdigest(),
            created_at=now,
            expires_at=now + timedelta(days=settings.refresh_token_days),
        )
        session.add(opened)
        await session.flush()
        session_id = opened.id
    lifetime_s = settings.access_token_minutes * 60
    return TokenAnswer(
        access_token=key.sign(user.id, session_id, lifetime_s), refresh_token=refresh_token, expires_in=lifetime_s
    )


class Authenticator:
    """Turns the text of an `Authorization` header into a `Principal`.

    With `cache_s` > 0 a principal is remembered that long for the same header, so a session that has ended stays good
    for at most that time. The prediction routes use it; every other route asks the database each time.
    """

    _MAX_CACHED = 10_000

    def __init__(self, database: Database, key: TokenKey, cache_s: float = 0.0) -> None:
        self._database = database
        self._key = key
        self._cache_s = cache_s
        self._cached: dict[str, tuple[float, Principal]] = {}

    async def authenticate(self, header: str | None) -> Principal:
        """Raises:
        Unauthorized: `missing_token`, `invalid_token`, `token_expired` or `session_ended`.
        """
        if header and self._cache_s:
            found = self._cached.get(header)
            if found and found[0] > time.time():
                return found[1]
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("Send a bearer token in the Authorization header.", code="missing_token")
        claims = self._key.read(token.strip())
        principal = await self._look_up(claims.user_id, claims.session_id)
        if header and self._cache_s:
            if len(self._cached) >= self._MAX_CACHED:
                self._cached.clear()
            self._cached[header] = (min(time.time() + self._cache_s, claims.expires_at), principal)
        return principal

    async def _look_up(self, user_id: int, session_id: int) -> Principal:
        query = (
            select(User, Tenant.name)
            .join(Session, (Session.tenant_id == User.tenant_id) & (Session.user_id == User.id))
            .join(Tenant, Tenant.id == User.tenant_id)
            .where(
                User.id == user_id,
                User.is_active,
                Tenant.is_active,
                Session.id == session_id,
                Session.ended_at.is_(None),
                Session.expires_at > utc_now(),
            )
        )
        async with self._database.reading() as session:
            row = (await session.execute(query)).first()
        if row is None:
            raise Unauthorized("The session has ended; log in again.", code="session_ended")
        user, tenant_name = row
        return Principal(user.id, user.tenant_id, tenant_name, user.username, Role(user.role).permissions)


async def get_user(database: Database, principal: Principal) -> User:
    async with database.reading() as session:
        return await principal.scope.get(session, User, principal.user_id, "user")
