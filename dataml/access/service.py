"""Authentication: the principal of a bearer token, which is an access token or an API key."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.models import ApiKey, RolePermission, Session, Tenant, TenantPermission, User, UserRole
from dataml.access.permissions import Permission
from dataml.access.tokens import TokenKeys, hash_of
from dataml.db import every_tenant
from dataml.db.base import UtcDateTime, utc_now
from dataml.db.outage_cache import OutageCache
from dataml.db.scope import Origin, Scope
from dataml.db.session import Database
from dataml.errors import Forbidden, Unauthorized

# Secret scanners, and people, recognise a key by it.
API_KEY_PREFIX: Final = "dataml_"


@dataclass(frozen=True)
class Principal:
    """The authenticated caller of a request; only `Authenticator` makes one."""

    user_id: int
    tenant_id: str
    tenant_name: str
    username: str
    permissions: frozenset[str]
    is_platform_admin: bool = False
    session_id: int | None = None  # None: an API key
    key_id: int | None = None
    origin: Origin = field(default=Origin())

    @property
    def scope(self) -> Scope:
        """The tenant and user that statements of this caller run for."""
        return Scope(self.tenant_id, self.username, self.user_id, self.origin)

    def require(self, permission: Permission) -> None:
        """Refuse a caller without this permission.

        Raises:
            Forbidden: `missing_permission`.
        """
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission}.", code="missing_permission")

    def require_platform_admin(self) -> None:
        """Refuse a caller who is no administrator of the platform.

        Raises:
            Forbidden: `missing_permission`.
        """
        if not self.is_platform_admin:
            raise Forbidden("This needs an administrator of the platform.", code="missing_permission")

    def require_session(self) -> None:
        """Refuse an API key.

        Raises:
            Forbidden: `session_needed`.
        """
        if self.session_id is None:
            raise Forbidden("An API key may not do this; log in.", code="session_needed")

    def require_all(self, permissions: Iterable[str]) -> None:
        """Refuse a caller who does not hold all of these: nobody grants or revokes what they do not hold.

        Raises:
            Forbidden: `permission_not_held`, with the first ones that are missing.
        """
        missing = sorted(set(permissions) - self.permissions)
        if missing:
            detail = f"You do not hold {', '.join(missing[:5])} yourself."
            raise Forbidden(detail, code="permission_not_held")


def bearer_of(header: str | None) -> str:
    """Return the token in an `Authorization` header.

    Raises:
        Unauthorized: `missing_token`.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send a bearer token in the Authorization header.", code="missing_token")
    return token.strip()


async def active_user(session: AsyncSession, tenant_id: str, user_id: int) -> str | None:
    """Return the name of a user of this tenant; None when the user or the tenant is not active."""
    query = every_tenant.select(User.username).join(Tenant, Tenant.id == User.tenant_id)
    return await session.scalar(
        query.where(User.tenant_id == tenant_id, User.id == user_id, User.is_active, Tenant.is_active)
    )


class Authenticator:
    """Authenticates callers by the text of their `Authorization` header.

    With `cache_s` > 0 a principal is cached that long for the same header, so an ended session stays valid for at most
    that time; while the database does not answer, for a minute. Only the prediction routes do that; every other route
    reads the database each time.
    """

    def __init__(self, database: Database, keys: TokenKeys, cache_s: float = 0.0) -> None:
        self._database = database
        self._keys = keys
        self._cache = OutageCache[tuple[Principal, float]](cache_s) if cache_s else None

    async def authenticate(self, header: str | None) -> Principal:
        """Return the caller.

        Raises:
            Unauthorized: `missing_token`, `invalid_token`, `token_expired`, `session_ended` or `invalid_api_key`.
            Unavailable: `database_unavailable`.
        """
        if self._cache is None or header is None:
            return (await self._look_up(header))[0]
        principal, expires_at = await self._cache.get(header, lambda: self._look_up(header))
        if expires_at <= time.time():
            self._cache.remove(header)
            return (await self._look_up(header))[0]
        return principal

    def find(self, header: str) -> Principal | None:
        """Return the caller of a header, if `authenticate` would return them without a look-up."""
        cached = self._cache.find(header) if self._cache is not None else None
        return cached[0] if cached is not None and cached[1] > time.time() else None

    async def _look_up(self, header: str | None) -> tuple[Principal, float]:
        """Return a caller, and until when their token is valid, in seconds since 1970."""
        token = bearer_of(header)
        return await (self._by_key(token) if token.startswith(API_KEY_PREFIX) else self._by_session(token))

    async def renew(self, principal: Principal) -> Principal:
        """Return the same caller as of this moment, for a call that has waited since it was authenticated.

        Raises:
            Unauthorized: `session_ended` or `invalid_api_key`.
        """
        if principal.session_id is None:
            rows = await self._database.look_up(_BY_KEY_ID, {"key_id": principal.key_id, "now": utc_now()})
            renewed = _of_key(rows)
        else:
            renewed = await self._of_session(principal.user_id, principal.session_id)
        return replace(renewed, origin=principal.origin)

    async def _by_session(self, token: str) -> tuple[Principal, float]:
        claims = self._keys.read(token)
        return await self._of_session(claims.user_id, claims.session_id), claims.expires_at

    async def _of_session(self, user_id: int, session_id: int) -> Principal:
        named = {"user_id": user_id, "session_id": session_id, "now": utc_now()}
        rows = await self._database.look_up(_BY_SESSION, named)
        if not rows:
            raise Unauthorized("The session has ended; log in again.", code="session_ended")
        within = rows[0].permissions
        # A session that was narrowed has none of the powers that are no permission.
        is_platform_admin = rows[0].is_platform_admin and within is None
        return _principal(rows, within=within, is_platform_admin=is_platform_admin, session_id=session_id)

    async def _by_key(self, key: str) -> tuple[Principal, float]:
        rows = await self._database.look_up(_BY_KEY, {"key_hash": hash_of(key), "now": utc_now()})
        return _of_key(rows), rows[0].expires_at.timestamp()


def _of_key(rows: Sequence[Row[Any]]) -> Principal:
    if not rows:
        raise Unauthorized("The API key is not valid, or not any more.", code="invalid_api_key")
    # A key loses what its owner loses, and is never an administrator of the platform.
    return _principal(rows, within=rows[0].permissions, key_id=rows[0].key_id)


def _principal(
    rows: Sequence[Row[Any]],
    *,
    within: Iterable[str] | None = None,
    is_platform_admin: bool = False,
    session_id: int | None = None,
    key_id: int | None = None,
) -> Principal:
    held = frozenset(row.permission for row in rows if row.permission is not None)
    return Principal(
        user_id=rows[0].id,
        tenant_id=rows[0].tenant_id,
        tenant_name=rows[0].tenant_name,
        username=rows[0].username,
        permissions=held if within is None else held.intersection(within),
        is_platform_admin=is_platform_admin,
        session_id=session_id,
        key_id=key_id,
    )


def _active_principals(source: type[Session] | type[ApiKey], *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return a query of the owner of a session or key, if the owner and their tenant are active.

    It has a row for each permission of the owner, and one row for an owner without any.
    """
    user = (User.id, User.tenant_id, User.username, Tenant.name.label("tenant_name"))
    return (
        every_tenant.select(*user, *columns, TenantPermission.name.label("permission"))
        .select_from(source)
        .join(User, and_(User.tenant_id == source.tenant_id, User.id == source.user_id))
        .join(Tenant, Tenant.id == User.tenant_id)
        .outerjoin(UserRole, and_(UserRole.tenant_id == User.tenant_id, UserRole.user_id == User.id))
        .outerjoin(
            RolePermission,
            and_(RolePermission.tenant_id == UserRole.tenant_id, RolePermission.role_id == UserRole.role_id),
        )
        .outerjoin(
            TenantPermission,
            and_(
                TenantPermission.tenant_id == RolePermission.tenant_id,
                TenantPermission.id == RolePermission.permission_id,
            ),
        )
        .where(User.is_active, Tenant.is_active)
    )


_NOW = bindparam("now", type_=UtcDateTime())
_BY_SESSION = _active_principals(Session, User.is_platform_admin, Session.permissions).where(
    Session.id == bindparam("session_id"),
    Session.user_id == bindparam("user_id"),
    Session.ended_at.is_(None),
    Session.expires_at > _NOW,
)
_BY_ANY_KEY = _active_principals(ApiKey, ApiKey.id.label("key_id"), ApiKey.permissions, ApiKey.expires_at).where(
    ApiKey.revoked_at.is_(None), ApiKey.expires_at > _NOW
)
_BY_KEY = _BY_ANY_KEY.where(ApiKey.key_hash == bindparam("key_hash"))
_BY_KEY_ID = _BY_ANY_KEY.where(ApiKey.id == bindparam("key_id"))
