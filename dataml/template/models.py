"""The table of templates."""

from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, TenantOwned, Timestamped


class Template(TenantOwned, Timestamped, Base):
    """A named contract; `contract` is `Contract.to_json()`."""

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
