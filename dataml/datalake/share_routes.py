"""Calls that share a schema with a tenant, for administrators of the platform."""

from fastapi import Request

from dataml.access.dependencies import PlatformAdmin
from dataml.datalake import service
from dataml.datalake.dependencies import AppLakes
from dataml.datalake.lake import schema_not_found
from dataml.datalake.schemas import ShareAnswer, ShareList, ShareRequest
from dataml.http.dependencies import Db, Paged
from dataml.http.routing import Router
from dataml.iceberg.names import SCHEMAS

router = Router(prefix="/datalake/shares", tags=["Datalake"])


@router.post("", status_code=201)
async def share_schema(
    http: Request, request: ShareRequest, user: PlatformAdmin, database: Db, lakes: AppLakes
) -> ShareAnswer:
    """Let a tenant read a schema: another tenant's (`owner_tenant_id`), the Iceberg catalog's, or Trino's."""
    share = request.to_share()
    async with database.reading() as session:
        schema = await service.check_share(session, user, share)
    lake, executor = lakes.get(schema.source)
    is_tenants_own = share.owner_tenant_id is not None and share.schema in SCHEMAS
    if not is_tenants_own and not await executor.run(lambda deadline: lake.has_schema(schema.name, deadline), http):
        raise schema_not_found()
    async with database.transaction() as session:
        return ShareAnswer.model_validate(await service.add_share(session, user, share))


@router.get("/list")
async def list_shares(user: PlatformAdmin, database: Db, page: Paged) -> ShareList:
    """List the shares of all tenants, in the order of their creation."""
    async with database.reading() as session:
        total, shares = await service.list_shares(session, page)
    return ShareList(total=total, data=[ShareAnswer.model_validate(share) for share in shares])


@router.delete("/{share_id}")
async def unshare_schema(share_id: int, user: PlatformAdmin, database: Db) -> ShareAnswer:
    """Remove a share: from the next request on, the tenant does not see the schema.

    Datasets that were made from its tables stay.
    """
    async with database.transaction() as session:
        return ShareAnswer.model_validate(await service.remove_share(session, user, share_id))
