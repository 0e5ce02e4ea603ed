"""Tables of templates and their versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.contract.contract import Column, Contract
from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class Template(TenantOwned, Timestamped, Base):
    """A named contract; `contract` is `Contract.to_json()` of its newest version."""

    __tablename__ = "template"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)
    contract: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(String(150))
    modified_by: Mapped[str] = mapped_column(String(150))

    @property
    def column_count(self) -> int:
        """The number of columns of the newest version."""
        return len(self.contract["columns"])

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the newest version."""
        return _read_columns(self.contract)


class TemplateVersion(TenantOwned, Base):
    """A template from one update to the next; never changed. A dataset keeps the version it was validated against."""

    __tablename__ = "template_version"
    __table_args__ = (
        UniqueConstraint("tenant_id", "template_id", "version"),
        ForeignKeyConstraint(["tenant_id", "template_id"], ["template.tenant_id", "template.id"]),
        {"sqlite_autoincrement": True},
    )

    template_id: Mapped[int] = mapped_column(BigId)
    version: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    contract: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(String(150))
    created_at: Mapped[datetime]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of this version."""
        return _read_columns(self.contract)


def _read_columns(contract: dict[str, Any]) -> tuple[Column, ...]:
    # A template may have no columns yet; `Contract.from_json` takes at least one.
    return Contract.from_json(contract).columns if contract["columns"] else ()
