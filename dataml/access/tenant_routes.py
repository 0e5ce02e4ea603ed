"""Tenant calls, for administrators of the platform."""

from typing import Annotated

from fastapi import Depends

from dataml.access import tenants
from dataml.access.dependencies import PlatformAdmin
from dataml.access.models import Tenant
from dataml.access.schemas import CreateTenant, TenantAnswer, TenantList
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


@router.delete("/{tenant_id}")
async def close_tenant(tenant_id: str, user: PlatformAdmin, database: Db, dependents: RowDependents) -> TenantAnswer:
    """Close a tenant.

    Its users and API keys are refused from the next request on, its jobs end, and its predictors stop answering. Its
    data stays.
    """
    async with database.transaction() as session:
        tenant = await tenants.close(session, user, tenant_id)
        await dependents.release(session, Scope(tenant.id, user.username), Tenant, tenant.id)
    return TenantAnswer.of(tenant)
