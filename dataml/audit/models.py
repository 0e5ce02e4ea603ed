"""The audit log's table. The database itself refuses to change or delete its rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned


class AuditEvent(TenantOwned, Base):
    """Who did what, on what, from where, and what came of it.

    `user_id` points at no row: a platform admin acts in tenants that are not theirs, and a failed login has nobody.
    """

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_at", "tenant_id", "at"), {"sqlite_autoincrement": True})

    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(BigId)
    username: Mapped[str | None] = mapped_column(String(150))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str | None] = mapped_column(String(300))
    outcome: Mapped[str] = mapped_column(String(20))
    address: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any] | None]
