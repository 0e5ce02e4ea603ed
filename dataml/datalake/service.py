"""Resolves the names of schemas for a tenant, and keeps the shares of schemas with tenants."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Literal, TypeVar

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import tenants
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.datalake.executor import Deadline, LakeExecutor
from dataml.datalake.iceberg import IcebergLake
from dataml.datalake.lake import Lake, TableInfo, schema_not_found
from dataml.datalake.models import LakeAccess, LakeShare
from dataml.datalake.trino import TrinoLake
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.db.upsert import insert
from dataml.errors import Conflict, Forbidden, Invalid, NotFound
from dataml.iceberg.catalog import LakeConfig
from dataml.iceberg.names import SCHEMAS, TableName, is_catalog_name, tenant_namespace
from dataml.jobs import service as jobs
from dataml.settings import Settings

T = TypeVar("T")
LakeSource = Literal["iceberg", "trino"]
LakeQuery = Callable[[Lake, str, Deadline], T]
"""Reads from a lake, of a schema by its name there, until the deadline."""
_TRINO_THREADS: Final = 4


class Lakes:
    """The lakes of one process, each with threads of its own."""

    def __init__(self, settings: Settings) -> None:
        self.iceberg = IcebergLake(LakeConfig.from_settings(settings))
        self.iceberg_executor = LakeExecutor("lake", settings.lake_timeout_s)
        self._settings = settings

    @cached_property
    def trino(self) -> tuple[TrinoLake, LakeExecutor] | None:
        """The lake behind Trino, or None when `trino_url` is not set."""
        if self._settings.trino_url is None:
            return None
        return TrinoLake(self._settings), LakeExecutor("trino", self._settings.lake_timeout_s, _TRINO_THREADS)

    def get(self, source: LakeSource) -> tuple[Lake, LakeExecutor]:
        """Return the lake of a source, with its threads.

        Raises:
            NotFound: `schema_not_found`: the installation no longer has a Trino.
        """
        lake = (self.iceberg, self.iceberg_executor) if source == "iceberg" else self.trino
        if lake is None:
            raise schema_not_found()
        return lake


@dataclass(frozen=True)
class SchemaRef:
    """A schema that a tenant may read: its lake, and its name there."""

    source: LakeSource
    name: str


@dataclass(frozen=True)
class OwnTable:
    """A table in one of a tenant's own schemas, by its names there."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class NewShare:
    """A schema that `tenant_id` is to read under `name`; the fields are those of `LakeShare`."""

    tenant_id: str
    source: LakeSource
    schema: str
    owner_tenant_id: str | None
    name: str


async def list_schemas(session: AsyncSession, scope: Scope) -> list[str]:
    """Return the names of the schemas that the tenant may read: its own, then those shared with it."""
    shared = await session.scalars(scope.select_columns(LakeShare, LakeShare.name).order_by(LakeShare.name))
    return [*SCHEMAS, *shared]


async def resolve_schema(session: AsyncSession, scope: Scope, name: str) -> SchemaRef:
    """Return the schema that a name stands for, for this tenant.

    Raises:
        NotFound: `schema_not_found`, the same whether it does not exist or is not shared.
    """
    if name in SCHEMAS:
        return SchemaRef("iceberg", tenant_namespace(scope.tenant_id, name))
    share = await scope.find(session, LakeShare, LakeShare.name == name) if is_catalog_name(name) else None
    if share is None:
        raise schema_not_found()
    return _schema_ref(share)


async def require_own_schema(session: AsyncSession, scope: Scope, name: str) -> SchemaRef:
    """Return a schema whose tables the tenant may delete.

    Raises:
        NotFound: `schema_not_found`, as `resolve_schema`.
        Forbidden: `schema_is_shared`: the schema belongs to another tenant, or to a company's catalog.
    """
    schema = await resolve_schema(session, scope, name)
    if name not in SCHEMAS:
        detail = "This schema is shared with you, and can only be read; its owner can delete its tables."
        raise Forbidden(detail, code="schema_is_shared")
    return schema


async def refuse_table_in_use(session: AsyncSession, scope: Scope, schema: SchemaRef, table: OwnTable) -> None:
    """Refuse to delete a table that an unfinished job of the tenant reads or writes.

    Raises:
        Conflict: `table_in_use`.
    """
    job = await jobs.find_using_table(session, scope, TableName(schema.name, table.table))
    if job is not None:
        detail = f"The job {job.public_id} uses this lake table; wait for its end, or terminate it."
        raise Conflict(detail, code="table_in_use")


def record_deletion(session: AsyncSession, scope: Scope, table: OwnTable) -> None:
    """Record in the audit log that a table was deleted."""
    audit.record(session, scope, "lake.delete_table", f"lake_table:{table}", schema=table.schema, table=table.table)


async def record_access(session: AsyncSession, schema: SchemaRef, table: str) -> None:
    """Record that the rows of a table are read now."""
    key = {"source": schema.source, "schema": schema.name, "table_name": table}
    statement = insert(session, LakeAccess).values(**key, accessed_at=utc_now())
    await session.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_={"accessed_at": statement.excluded.accessed_at})
    )


async def find_last_access(session: AsyncSession, schema: SchemaRef, table: str, info: TableInfo) -> datetime | None:
    """Return when a table was last read through the platform, or written after its creation; None without either."""
    this = (LakeAccess.source == schema.source, LakeAccess.schema == schema.name, LakeAccess.table_name == table)
    read_at = await session.scalar(every_tenant.select(LakeAccess.accessed_at).where(*this))
    if read_at is not None and info.created_at is not None and read_at < info.created_at:
        read_at = None  # of a table of this name that was dropped
    return max((time for time in (read_at, info.last_write_at) if time is not None), default=None)


def _schema_ref(share: LakeShare | NewShare) -> SchemaRef:
    """Return the schema that is shared.

    Raises:
        NotFound: `schema_not_found`: a tenant has no such schema.
    """
    if share.owner_tenant_id is None:
        return SchemaRef("trino" if share.source == "trino" else "iceberg", share.schema)
    if share.schema not in SCHEMAS:
        raise schema_not_found()
    return SchemaRef("iceberg", tenant_namespace(share.owner_tenant_id, share.schema))


async def check_share(session: AsyncSession, user: Principal, share: NewShare) -> SchemaRef:
    """Return the schema that is to be shared, after the tenants and the name are checked.

    Raises:
        Invalid: `share_of_trino`: a tenant has no schema in Trino.
        NotFound: `tenant_not_found`, `schema_not_found`.
        Conflict: `share_exists`: the tenant has a schema of this name.
    """
    if share.owner_tenant_id is not None and share.source != "iceberg":
        raise Invalid("The schema of a tenant is one of the Iceberg catalog, not of Trino.", code="share_of_trino")
    await tenants.named_in_query(session, user, share.tenant_id)
    if share.owner_tenant_id is not None:
        await tenants.named_in_query(session, user, share.owner_tenant_id)
    if share.name in SCHEMAS:
        raise _share_exists(share.name)
    if share.owner_tenant_id is None and share.source == "iceberg" and not _is_shareable(share.schema):
        raise schema_not_found()
    return _schema_ref(share)


def _is_shareable(namespace: str) -> bool:
    """Return whether a namespace has a proper name and is no tenant's; a tenant's is shared by naming its owner."""
    levels = namespace.split(".")
    return all(level and level == level.strip() for level in levels) and not levels[0].startswith("t_")


async def add_share(session: AsyncSession, user: Principal, share: NewShare) -> LakeShare:
    """Share a schema that `check_share` has accepted.

    Raises:
        Conflict: `share_exists`.
    """
    row = LakeShare(
        tenant_id=share.tenant_id,
        name=share.name,
        source=share.source,
        schema=share.schema,
        owner_tenant_id=share.owner_tenant_id,
        created_by=user.username,
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        raise _share_exists(share.name) from error
    _record(session, user, "lake.share", row)
    return row


async def list_shares(session: AsyncSession, page: Page) -> tuple[int, list[LakeShare]]:
    """Return the number of shares of all tenants, and a page of them in the order of their creation."""
    total = await session.scalar(every_tenant.select(func.count()).select_from(LakeShare))
    rows = every_tenant.select(LakeShare).order_by(LakeShare.id).limit(page.limit).offset(page.offset)
    return total or 0, list((await session.scalars(rows)).all())


async def remove_share(session: AsyncSession, user: Principal, share_id: int) -> LakeShare:
    """Remove a share and return it; the tenant does not see the schema from the commit on.

    Raises:
        NotFound: `share_not_found`.
    """
    # Ids beyond the database's integers would fail in the driver.
    is_id = 0 < share_id < 2**63
    share = await session.scalar(every_tenant.select(LakeShare).where(LakeShare.id == share_id)) if is_id else None
    if share is None:
        raise NotFound("There is no share with this id.", code="share_not_found")
    await session.execute(every_tenant.delete(LakeShare).where(LakeShare.id == share_id))
    _record(session, user, "lake.unshare", share)
    return share


def _record(session: AsyncSession, user: Principal, action: str, share: LakeShare) -> None:
    """Record an action in the audit logs of the administrator, the reading tenant, and the owner."""
    for tenant_id in {user.tenant_id, share.tenant_id, share.owner_tenant_id or user.tenant_id}:
        audit.record(
            session,
            user.scope,
            action,
            f"lake_share:{share.id}",
            tenant_id=tenant_id,
            name=share.name,
            to=share.tenant_id,
        )


def _share_exists(name: str) -> Conflict:
    return Conflict(f"The tenant has a schema named {name!r} already; choose another name.", code="share_exists")
