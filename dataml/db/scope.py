"""The scope of a tenant: the only way to its rows.

A `Scope` says on whose behalf a query runs. Services build their statements with it, so that the tenant filter stands
here and nowhere else. A module that has to see all tenants imports `db.every_tenant`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Delete, Select, Update, delete, false, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer
from sqlalchemy.sql.base import ExecutableOption

from dataml.db.base import TenantOwned
from dataml.errors import NotFound

T = TypeVar("T", bound=TenantOwned)


@dataclass(frozen=True)
class Page:
    """A part of a list: at most `limit` rows from `offset`, of the rows that fulfil all conditions of `where`.

    Without an `order` it is the list's own.
    """

    limit: int = 100
    offset: int = 0
    where: tuple[ColumnElement[bool], ...] = ()
    order: tuple[ColumnElement[Any], ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a request came from: the client's address, and the id of the request."""

    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Scope:
    """A tenant, the user who acts in it (a name for `created_by`), and where their request came from."""

    tenant_id: str
    username: str
    user_id: int | None = None
    origin: Origin = field(default=Origin())

    def select(self, model: type[T]) -> Select[T]:
        """Return a `SELECT` of this tenant's rows of `model`."""
        return select(model).where(model.tenant_id == self.tenant_id)

    def select_columns(
        self, model: type[T], *columns: InstrumentedAttribute[Any] | ColumnElement[Any]
    ) -> Select[*tuple[Any, ...]]:
        """Return a `SELECT` of columns, or of an aggregate of them, over this tenant's rows of `model`."""
        return select(*columns).select_from(model).where(model.tenant_id == self.tenant_id)

    def update(self, model: type[T]) -> Update:
        """Return an `UPDATE` of this tenant's rows of `model`."""
        return update(model).where(model.tenant_id == self.tenant_id)

    def delete(self, model: type[T]) -> Delete:
        """Return a `DELETE` of this tenant's rows of `model`."""
        return delete(model).where(model.tenant_id == self.tenant_id)

    async def find(
        self, session: AsyncSession, model: type[T], *where: ColumnElement[bool], lock: bool = False
    ) -> T | None:
        """Return the row that matches, or None; with `lock`, locked as by `hold`."""
        rows = self.select(model).where(*where)
        return await session.scalar(_lock(rows) if lock else rows)

    async def get(self, session: AsyncSession, model: type[T], row_id: int, noun: str, *options: ExecutableOption) -> T:
        """Return the row with this id, loaded with these options.

        Raises:
            NotFound: it does not exist, or is another tenant's; the answer is the same for both.
        """
        return _require(await session.scalar(self._by_id(model, row_id).options(*options)), noun)

    async def hold(self, session: AsyncSession, model: type[T], row_id: int, noun: str) -> T:
        """Return the row with this id, locked until the end of the transaction.

        A transaction that holds or changes the row is waited for; it may have deleted the row.

        Raises:
            NotFound: as `get`.
        """
        return _require(await session.scalar(_lock(self._by_id(model, row_id))), noun)

    def _by_id(self, model: type[T], row_id: int) -> Select[T]:
        # Ids beyond the database's integers cannot exist, and would fail in the driver.
        return self.select(model).where(model.id == row_id if 0 < row_id < 2**63 else false())

    async def list(
        self,
        session: AsyncSession,
        model: type[T],
        page: Page,
        *where: ColumnElement[bool],
        newest_first: bool = True,
        without: Sequence[InstrumentedAttribute[Any]] = (),
    ) -> tuple[int, list[T]]:
        """Return how many rows there are in all, and a page of them; columns in `without` are not read."""
        where = (*where, *page.where)
        order = page.order or (model.id.desc() if newest_first else model.id.asc(),)
        rows = self.select(model).where(*where).order_by(*order).limit(page.limit).offset(page.offset)
        rows = rows.options(*(defer(column, raiseload=True) for column in without))
        found = list((await session.scalars(rows)).all())
        if len(found) < page.limit and (found or not page.offset):
            # The end of the list is on this page.
            return page.offset + len(found), found
        return await session.scalar(self.select_columns(model, func.count()).where(*where)) or 0, found


def _lock(rows: Select[T]) -> Select[T]:
    return rows.with_for_update().execution_options(populate_existing=True)


def _require(row: T | None, noun: str) -> T:
    if row is None:
        raise NotFound(f"There is no {noun} with this id.", code=f"{noun.replace(' ', '_')}_not_found")
    return row
