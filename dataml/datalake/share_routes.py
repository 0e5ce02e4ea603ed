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
    share = request.share()
    async with database.reading() as session:
        place = await service.check_share(session, user, share)
    lake, asker = lakes.at(place.source)
    is_own = share.owner_tenant_id is not None and share.schema in SCHEMAS
    if not is_own and not await asker.ask(lambda patience: lake.has_schema(place.schema, patience), http):
        raise schema_not_found()
    async with database.transaction() as session:
        return ShareAnswer.of(await service.add_share(session, user, share))


@router.get("/list")
async def list_shares(user: PlatformAdmin, database: Db, page: Paged) -> ShareList:
    """Who may read what, of all tenants."""
    async with database.reading() as session:
        total, found = await service.list_shares(session, page)
    return ShareList(total=total, data=[ShareAnswer.of(share) for share in found])


@router.delete("/{share_id}")
async def unshare_schema(share_id: int, user: PlatformAdmin, database: Db) -> ShareAnswer:
    """Take a share back: from the next request on the tenant does not see the schema. Datasets that were made from its
    tables stay."""
    async with database.transaction() as session:
        return ShareAnswer.of(await service.remove_share(session, user, share_id))
