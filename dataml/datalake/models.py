"""Tables of the schemas that are shared with tenants, and of when lake tables were read."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, TenantOwned, Timestamped


class LakeShare(TenantOwned, Timestamped, Base):
    """A schema that `tenant_id` may read under `name`; `schema` is its name at the owner, or in the catalog.

    It is one of another tenant (`owner_tenant_id`), of the Iceberg catalog, or of Trino (`source`).
    """

    __tablename__ = "lake_share"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), {"sqlite_autoincrement": True})

    name: Mapped[str] = mapped_column(String(128))
    source: Mapped[str] = mapped_column(String(10))
    schema: Mapped[str] = mapped_column(String(255))
    owner_tenant_id: Mapped[str | None] = mapped_column(String(36), ForeignKey("tenant.id"))
    created_by: Mapped[str] = mapped_column(String(150))


class LakeAccess(Base):
    """When the rows of a lake table were last read through the platform, by whatever tenant.

    `source` and `schema` are as in `LakeShare`. The row stays when the table is dropped.
    """

    __tablename__ = "lake_access"

    source: Mapped[str] = mapped_column(String(10), primary_key=True)
    schema: Mapped[str] = mapped_column(String(255), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    accessed_at: Mapped[datetime]
