"""The only way to select rows of a tenant.

A `Scope` says on whose behalf a query runs. Services take one and build their queries with it, so that the tenant
filter stands here and nowhere else.
"""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.base import TenantOwned
from dataml.errors import NotFound

T = TypeVar("T", bound=TenantOwned)


@dataclass(frozen=True)
class Page:
    """A part of a list: at most `limit` rows from `offset`."""

    limit: int = 100
    offset: int = 0


@dataclass(frozen=True)
class Scope:
    """A tenant, and the user who acts in it (a name for `created_by`)."""

    tenant_id: str
    username: str

    def select(self, model: type[T]) -> Select[T]:
        """`SELECT` of this tenant's rows of `model`."""
        return select(model).where(model.tenant_id == self.tenant_id)

    async def find(self, session: AsyncSession, model: type[T], *where: ColumnElement[bool]) -> T | None:
        return await session.scalar(self.select(model).where(*where))

    async def get(self, session: AsyncSession, model: type[T], row_id: int, noun: str) -> T:
        """The row with this id.

        Raises:
            NotFound: it does not exist, or is another tenant's; the answer is the same for both.
        """
        # Ids beyond the database's integers cannot exist, and would fail in the driver.
        row = await self.find(session, model, model.id == row_id) if 0 < row_id < 2**63 else None
        if row is None:
            raise NotFound(f"There is no {noun} with this id.", code=f"{noun.replace(' ', '_')}_not_found")
        return row

    async def list(
        self, session: AsyncSession, model: type[T], page: Page, *where: ColumnElement[bool]
    ) -> tuple[int, list[T]]:
        """How many rows there are in all, and the page of them, newest first."""
        total = await session.scalar(select(func.count()).select_from(self.select(model).where(*where).subquery()))
        rows = self.select(model).where(*where).order_by(model.id.desc()).limit(page.limit).offset(page.offset)
        return total or 0, list((await session.scalars(rows)).all())
