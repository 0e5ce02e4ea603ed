"""Tables of tenants, users and sessions."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class Tenant(Timestamped, Base):
    __tablename__ = "tenant"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class User(TenantOwned, Timestamped, Base):
    """A person or service of one tenant. Usernames are unique over all tenants: a login names no tenant."""

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("username"), {"sqlite_autoincrement": True})

    username: Mapped[str] = mapped_column(String(150))
    first_name: Mapped[str | None] = mapped_column(String(150))
    last_name: Mapped[str | None] = mapped_column(String(150))
    email: Mapped[str | None] = mapped_column(String(320))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(50))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_platform_admin: Mapped[bool] = mapped_column(default=False)


class Session(TenantOwned, Base):
    """One login. An access token is good only while its session is; the refresh token is stored as its SHA-256."""

    __tablename__ = "session"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user.tenant_id", "user.id"]),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(BigId)
    refresh_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
