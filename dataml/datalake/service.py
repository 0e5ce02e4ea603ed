"""Which lake and which schema of it a name stands for, in whose eyes; and who shares what with whom."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeVar

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import tenants
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.datalake.executor import Asker, Patience
from dataml.datalake.iceberg import IcebergLake
from dataml.datalake.lake import Lake, schema_not_found
from dataml.datalake.models import LakeShare
from dataml.datalake.trino import TrinoLake
from dataml.db import every_tenant
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict, Invalid, NotFound
from dataml.iceberg.catalog import LakeConfig
from dataml.iceberg.names import SCHEMAS, is_catalog_name, tenant_namespace
from dataml.settings import Settings

T = TypeVar("T")
Source = Literal["iceberg", "trino"]
Question = Callable[[Lake, str, Patience], T]
_TRINO_THREADS: Final = 4


class Lakes:
    """The lakes of one process, each with threads of its own."""

    def __init__(self, settings: Settings) -> None:
        self.iceberg = IcebergLake(LakeConfig.from_settings(settings))
        self.iceberg_asker = Asker("lake", settings.lake_timeout_s)
        self._settings = settings

    @cached_property
    def trino(self) -> tuple[TrinoLake, Asker] | None:
        if self._settings.trino_url is None:
            return None
        return TrinoLake(self._settings), Asker("trino", self._settings.lake_timeout_s, _TRINO_THREADS)

    def at(self, source: str) -> tuple[Lake, Asker]:
        """Raises:
        NotFound: `schema_not_found`: there is no Trino any more.
        """
        found = (self.iceberg, self.iceberg_asker) if source == "iceberg" else self.trino
        if found is None:
            raise schema_not_found()
        return found


@dataclass(frozen=True)
class Place:
    """A schema that somebody may read: of which lake, and what that calls it."""

    source: Source
    schema: str


@dataclass(frozen=True)
class NewShare:
    tenant_id: str
    source: Source
    schema: str
    owner_tenant_id: str | None
    name: str


async def schemas(session: AsyncSession, scope: Scope) -> list[str]:
    """What the tenant may read: its own schemas, then what is shared with it."""
    shared = await session.scalars(scope.select_columns(LakeShare, LakeShare.name).order_by(LakeShare.name))
    return [*SCHEMAS, *shared]


async def place(session: AsyncSession, scope: Scope, schema: str) -> Place:
    """Raises:
    NotFound: `schema_not_found`, the same for what is not there and what is not shared.
    """
    if schema in SCHEMAS:
        return Place("iceberg", tenant_namespace(scope.tenant_id, schema))
    share = await scope.find(session, LakeShare, LakeShare.name == schema) if is_catalog_name(schema) else None
    if share is None:
        raise schema_not_found()
    return place_of(share.source, share.schema, share.owner_tenant_id)


def place_of(source: str, schema: str, owner_tenant_id: str | None) -> Place:
    """Raises:
    NotFound: `schema_not_found`: a tenant has no such schema.
    """
    if owner_tenant_id is None:
        return Place("trino" if source == "trino" else "iceberg", schema)
    if schema not in SCHEMAS:
        raise schema_not_found()
    return Place("iceberg", tenant_namespace(owner_tenant_id, schema))


async def check_share(session: AsyncSession, user: Principal, share: NewShare) -> Place:
    """What is to be shared, once both tenants are known.

    Raises:
        Invalid: `share_of_trino`: of a tenant.
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
    if share.owner_tenant_id is None and share.source == "iceberg" and not _is_free(share.schema):
        raise schema_not_found()
    return place_of(share.source, share.schema, share.owner_tenant_id)


def _is_free(namespace: str) -> bool:
    """Whether it is no tenant's, which are named by their owner, and a name at all."""
    levels = namespace.split(".")
    return all(level and level == level.strip() for level in levels) and not levels[0].startswith("t_")


async def add_share(session: AsyncSession, user: Principal, share: NewShare) -> LakeShare:
    """Raises:
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
    """Of all tenants, in the order in which they were made."""
    total = await session.scalar(every_tenant.select(func.count()).select_from(LakeShare))
    rows = every_tenant.select(LakeShare).order_by(LakeShare.id).limit(page.limit).offset(page.offset)
    return total or 0, list((await session.scalars(rows)).all())


async def remove_share(session: AsyncSession, user: Principal, share_id: int) -> LakeShare:
    """The tenant does not see the schema from the commit on.

    Raises:
        NotFound: `share_not_found`.
    """
    known = 0 < share_id < 2**63
    found = await session.scalar(every_tenant.select(LakeShare).where(LakeShare.id == share_id)) if known else None
    if found is None:
        raise NotFound("There is no share with this id.", code="share_not_found")
    await session.execute(every_tenant.delete(LakeShare).where(LakeShare.id == share_id))
    _record(session, user, "lake.unshare", found)
    return found


def _record(session: AsyncSession, user: Principal, action: str, share: LakeShare) -> None:
    """In the logs of the administrator, of who reads, and of who is read."""
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
