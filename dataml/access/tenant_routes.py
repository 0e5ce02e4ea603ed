"""Tenant calls, for administrators of the platform."""

from fastapi import APIRouter

from dataml.access import tenants
from dataml.access.schemas import CreateTenant, TenantAnswer, TenantList
from dataml.db.scope import Scope
from dataml.dependencies import Db, Jobs, Paged, PlatformAdmin
from dataml.jobs import service as job_service
from dataml.runner import result_handlers

router = APIRouter(prefix="/tenants", tags=["Tenant"])


@router.post("", status_code=201)
async def create_tenant(request: CreateTenant, user: PlatformAdmin, database: Db) -> TenantAnswer:
    """Make a tenant with the built-in roles. Its first user is made with `POST /users/create-user`, with its
    `tenant_id` and the role `admin`."""
    async with database.transaction() as session:
        return TenantAnswer.of(await tenants.create(session, user, request.name))


@router.get("/list")
async def list_tenants(user: PlatformAdmin, database: Db, page: Paged) -> TenantList:
    """All tenants, in the order they were made."""
    async with database.reading() as session:
        total, found = await tenants.list_all(session, page)
    return TenantList(total=total, data=[TenantAnswer.of(tenant) for tenant in found])


@router.delete("/{tenant_id}")
async def close_tenant(tenant_id: str, user: PlatformAdmin, database: Db, jobs: Jobs) -> TenantAnswer:
    """Close a tenant: its users and API keys are out from the next request on, its jobs end, its predictors stop
    answering. Its data stays."""
    async with database.transaction() as session:
        tenant = await tenants.close(session, user, tenant_id)
        for job in await job_service.list_unfinished(session, Scope(tenant.id, user.username)):
            if await job_service.cancel(session, job):
                await result_handlers.apply(session, job, None)
    await jobs.notify()
    return TenantAnswer.of(tenant)
