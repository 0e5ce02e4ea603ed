"""API keys: secrets with which services call the platform on behalf of a user, within limits the user sets."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import users
from dataml.access.models import ApiKey
from dataml.access.service import API_KEY_PREFIX, Principal
from dataml.access.tokens import hash_of, new_secret
from dataml.audit import service as audit
from dataml.db.base import utc_now
from dataml.db.scope import Page
from dataml.errors import Invalid

DEFAULT_LIFE: Final = timedelta(days=90)
MAX_LIFE: Final = timedelta(days=5 * 366)
_PREFIX_CHARACTERS: Final = len(API_KEY_PREFIX) + 6


async def create(
    session: AsyncSession, user: Principal, name: str, permissions: list[str], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """Make a key of the caller, and return it with its secret, which is stored nowhere.

    Raises:
        Forbidden: `permission_not_held`.
        Invalid: `bad_expiry`.
    """
    user.require_all(permissions)
    now = utc_now()
    expires_at = expires_at or now + DEFAULT_LIFE
    if expires_at.tzinfo is None:
        raise Invalid("expires_at needs a time zone, e.g. 2030-01-31T00:00:00Z.", code="bad_expiry")
    if not now < expires_at <= now + MAX_LIFE:
        raise Invalid("expires_at lies in the past, or more than five years ahead.", code="bad_expiry")
    secret = API_KEY_PREFIX + new_secret()
    key = ApiKey(
        tenant_id=user.tenant_id,
        user_id=user.user_id,
        name=name,
        prefix=secret[:_PREFIX_CHARACTERS],
        key_hash=hash_of(secret),
        permissions=sorted(set(permissions)),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    detail = {"name": name, "permissions": key.permissions}
    audit.record(session, user.scope, "api_key.create", f"api_key:{key.id}", **detail)
    return key, secret


async def list_keys(
    session: AsyncSession, user: Principal, page: Page, user_id: int | None
) -> tuple[int, list[ApiKey]]:
    """List the keys of the caller, or of `user_id` for who may manage users; revoked and expired ones too.

    Raises:
        Forbidden: `missing_permission`.
        NotFound: `user_not_found`.
    """
    owner_id = await users.resolve_owner(session, user, user_id)
    return await user.scope.list(session, ApiKey, page, ApiKey.user_id == owner_id)


async def revoke(session: AsyncSession, user: Principal, key_id: int) -> ApiKey:
    """Revoke a key, the own one or, for who may manage users, another's; a repetition changes nothing.

    Raises:
        NotFound: `api_key_not_found`.
        Forbidden: `missing_permission`, `permission_not_held`.
    """
    key = await user.scope.get(session, ApiKey, key_id, "api key")
    await users.require_authority_over_owner(session, user, key.user_id)
    if key.revoked_at is None:
        key.revoked_at = utc_now()
        audit.record(session, user.scope, "api_key.revoke", f"api_key:{key.id}", name=key.name)
    return key
