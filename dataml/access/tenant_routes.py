"""Tenant calls, for administrators of the platform."""

from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import tenants
from dataml.access.dependencies import PlatformAdmin
from dataml.access.models import Tenant
from dataml.access.schemas import CreateTenant, TenantAnswer, TenantList, UpdateTenant
from dataml.access.service import Principal
from dataml.db.dependents import Dependents
from dataml.db.scope import Page, Scope
from dataml.http.dependencies import Db, RowDependents
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router

router = Router(prefix="/tenants", tags=["Tenant"])
TenantPage = Annotated[
    Page,
    Depends(
        ListQuery(
            Tenant,
            search=("name",),
            filters={"name": Filter("name"), "is_active": Filter("is_active", bool)},
            sort=("name", "created_at"),
            time="created_at",
        )
    ),
]


@router.post("", status_code=201)
async def create_tenant(request: CreateTenant, user: PlatformAdmin, database: Db) -> TenantAnswer:
    """Make a tenant with the built-in roles.

    Make its first user with `POST /users/create-user`, with its `tenant_id` and the role `admin`.
    """
    async with database.transaction() as session:
        return TenantAnswer.of(await tenants.create(session, user, request.name))


@router.get("/list")
async def list_tenants(user: PlatformAdmin, database: Db, page: TenantPage) -> TenantList:
    """List all tenants, in the order they were made."""
    async with database.reading() as session:
        total, rows = await tenants.list_all(session, page)
    return TenantList(total=total, data=[TenantAnswer.of(tenant) for tenant in rows])


@router.get("/{tenant_id}")
async def get_tenant(tenant_id: str, user: PlatformAdmin, database: Db) -> TenantAnswer:
    """Show a tenant, open or closed."""
    async with database.reading() as session:
        return TenantAnswer.of(await tenants.get(session, tenant_id))


@router.put("/{tenant_id}")
async def update_tenant(
    tenant_id: str, request: UpdateTenant, user: PlatformAdmin, database: Db, dependents: RowDependents
) -> TenantAnswer:
    """Set the quota of a tenant, open it again, or close it as `DELETE` does.

    Of a tenant that is opened again, the users can log in, keys are taken and predictors answer. Jobs that have ended
    stay so. A quota below what is stored already refuses uploads, and deletes nothing.
    """
    fields = request.model_dump(exclude_unset=True)
    async with database.transaction() as session:
        if not fields.get("is_active", True):
            await _close(session, user, tenant_id, dependents)
        return TenantAnswer.of(await tenants.update(session, user, tenant_id, fields))


@router.delete("/{tenant_id}")
async def close_tenant(tenant_id: str, user: PlatformAdmin, database: Db, dependents: RowDependents) -> TenantAnswer:
    """Close a tenant.

    Its users and API keys are refused from the next request on, its jobs end, and its predictors stop answering. Its
    data stays.
    """
    async with database.transaction() as session:
        return TenantAnswer.of(await _close(session, user, tenant_id, dependents))


async def _close(session: AsyncSession, user: Principal, tenant_id: str, dependents: Dependents) -> Tenant:
    tenant = await tenants.close(session, user, tenant_id)
    await dependents.release(session, Scope(tenant.id, user.username), Tenant, tenant.id)
    return tenant
