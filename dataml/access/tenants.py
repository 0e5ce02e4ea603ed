"""Tenants: made, listed, changed and closed by administrators of the platform."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import names, roles
from dataml.access.models import Tenant
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.db import every_tenant
from dataml.db.scope import Page
from dataml.errors import Conflict, NotFound
from dataml.settings import Settings


async def add(session: AsyncSession, name: str) -> Tenant:
    """Make a tenant with the built-in roles and without users."""
    tenant = Tenant(id=str(uuid.uuid4()), name=name, name_key=names.key(name))
    session.add(tenant)
    await session.flush()
    await roles.seed(session, tenant.id)
    return tenant


async def create(session: AsyncSession, user: Principal, name: str) -> Tenant:
    """Make a tenant, on behalf of an administrator of the platform.

    Raises:
        Conflict: `tenant_exists`, also when the names differ by case only.
    """
    try:
        tenant = await add(session, name)
    except IntegrityError as error:
        detail = f"There is a tenant named {name!r} already; choose another name."
        raise Conflict(detail, code="tenant_exists") from error
    audit.record(session, user.scope, "tenant.create", f"tenant:{tenant.id}", name=name)
    return tenant


async def list_all(session: AsyncSession, page: Page) -> tuple[int, list[Tenant]]:
    """List all tenants, in the order they were made."""
    total = await session.scalar(every_tenant.select(func.count()).select_from(Tenant).where(*page.where))
    order = page.order or (Tenant.created_at, Tenant.id)
    rows = every_tenant.select(Tenant).where(*page.where).order_by(*order).limit(page.limit).offset(page.offset)
    return total or 0, list((await session.scalars(rows)).all())


async def list_ids(session: AsyncSession) -> Sequence[str]:
    """Return the ids of all tenants, also of closed ones."""
    return (await session.scalars(every_tenant.select(Tenant.id))).all()


async def get(session: AsyncSession, tenant_id: str) -> Tenant:
    """Return a tenant, open or closed.

    Raises:
        NotFound: `tenant_not_found`.
    """
    tenant = await _find(session, tenant_id)
    if tenant is None:
        raise not_found()
    return tenant


async def update(session: AsyncSession, user: Principal, tenant_id: str, fields: Mapping[str, Any]) -> Tenant:
    """Change the fields of a tenant that are named: `quota_bytes`, and `is_active` where it is opened again.

    Raises:
        NotFound: `tenant_not_found`.
    """
    tenant = await _find(session, tenant_id, for_update=True)
    if tenant is None:
        raise not_found()
    if "quota_bytes" in fields and fields["quota_bytes"] != tenant.quota_bytes:
        tenant.quota_bytes = fields["quota_bytes"]
        _record(session, user, tenant, "tenant.update", quota_bytes=tenant.quota_bytes or "that of the installation")
    if fields.get("is_active") and not tenant.is_active:
        tenant.is_active = True
        _record(session, user, tenant, "tenant.open")
    await session.flush()
    return tenant


async def find_quota_bytes(session: AsyncSession, settings: Settings, tenant_id: str) -> int | None:
    """Return how many bytes of files a tenant may store; None: there is no limit."""
    own = await session.scalar(every_tenant.select(Tenant.quota_bytes).where(Tenant.id == tenant_id))
    return own if own is not None else settings.tenant_quota_bytes


async def close(session: AsyncSession, user: Principal, tenant_id: str) -> Tenant:
    """Close a tenant: none of its users can log in from the commit on.

    Its rows and files stay. Closing it again changes nothing.

    Raises:
        NotFound: `tenant_not_found`.
        Conflict: `own_tenant`.
    """
    tenant = await _find(session, tenant_id, for_update=True)
    if tenant is None:
        raise not_found()
    if tenant.id == user.tenant_id:
        raise Conflict("You cannot close the tenant that you are in.", code="own_tenant")
    if tenant.is_active:
        tenant.is_active = False
        _record(session, user, tenant, "tenant.close")
    return tenant


def _record(session: AsyncSession, user: Principal, tenant: Tenant, action: str, **detail: Any) -> None:
    """Record a change of a tenant in the log of the administrator's tenant, and in its own."""
    subject = f"tenant:{tenant.id}"
    audit.record(session, user.scope, action, subject, name=tenant.name, **detail)
    if tenant.id != user.tenant_id:
        audit.record(session, user.scope, action, subject, tenant_id=tenant.id, **detail)


async def named_in_body(session: AsyncSession, user: Principal, tenant_id: str) -> str:
    """Return the tenant that a request names: the own one, or any open one for an administrator of the platform.

    Raises:
        NotFound: `tenant_not_found`, the same for another tenant's id and for none's.
        Conflict: `tenant_closed`.
    """
    if tenant_id == user.tenant_id:
        return tenant_id
    tenant = await _other(session, user, tenant_id)
    if not tenant.is_active:
        raise Conflict("This tenant is closed.", code="tenant_closed")
    return tenant.id


async def named_in_query(session: AsyncSession, user: Principal, tenant_id: str | None) -> str:
    """Return the tenant to read: the own one, or any, closed ones too, for an administrator of the platform.

    Raises:
        NotFound: `tenant_not_found`.
    """
    if tenant_id is None or tenant_id == user.tenant_id:
        return user.tenant_id
    return (await _other(session, user, tenant_id)).id


async def _other(session: AsyncSession, user: Principal, tenant_id: str) -> Tenant:
    """Return another tenant than the caller's own; only an administrator of the platform can see one."""
    tenant = await _find(session, tenant_id) if user.is_platform_admin else None
    if tenant is None:
        raise not_found()
    return tenant


def not_found() -> NotFound:
    """Return the error for a tenant that does not exist, or that the caller cannot see."""
    return NotFound("There is no tenant with this id.", code="tenant_not_found")


async def _find(session: AsyncSession, tenant_id: str, *, for_update: bool = False) -> Tenant | None:
    # PostgreSQL's driver takes no NUL.
    if "\0" in tenant_id or len(tenant_id) > 36:
        return None
    query = every_tenant.select(Tenant).where(Tenant.id == tenant_id)
    return await session.scalar(query.with_for_update(key_share=True) if for_update else query)
