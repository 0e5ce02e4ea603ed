"""The table of idempotency keys."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned


class IdempotencyKey(TenantOwned, Base):
    """A key that a user has sent, and the answer of the request that it was sent with.

    `fingerprint` is a keyed digest of that request, since its body may hold a password; `files_digest` is that of its
    files. `holder` names the request that works on it, until `lease_expires_at`. `is_committed` says that it has
    written something, and `status` and `body` are its answer.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id", "key"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user.tenant_id", "user.id"]),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(BigId)
    key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    files_digest: Mapped[str | None] = mapped_column(String(64))
    holder: Mapped[str] = mapped_column(String(32))
    lease_expires_at: Mapped[datetime]
    is_committed: Mapped[bool] = mapped_column(default=False)
    status: Mapped[int | None]
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(index=True)
