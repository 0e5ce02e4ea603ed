"""Tables of tenants, users, roles, permissions, sessions and API keys."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class Tenant(Timestamped, Base):
    """A tenant; all spellings of its name share one `name_key`.

    `quota_bytes` is the largest size of all its files; None: that of the installation.
    """

    __tablename__ = "tenant"
    __table_args__ = (Index("uq_tenant_name_key", "name_key", unique=True),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    name_key: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True)
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)


class User(TenantOwned, Timestamped, Base):
    """A person or service of one tenant. Usernames are unique over all tenants, since a login names no tenant.

    `username` is stored as it was written; all spellings of it share one `username_key`. `email_key` is the same for
    the address, unique within the tenant.
    """

    __tablename__ = "user"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("username"),
        Index("uq_user_username_key", "username_key", unique=True),
        Index("uq_user_email_key", "tenant_id", "email_key", unique=True),
        {"sqlite_autoincrement": True},
    )

    username: Mapped[str] = mapped_column(String(150))
    username_key: Mapped[str] = mapped_column(String(150))
    first_name: Mapped[str | None] = mapped_column(String(150))
    last_name: Mapped[str | None] = mapped_column(String(150))
    email: Mapped[str | None] = mapped_column(String(320))
    email_key: Mapped[str | None] = mapped_column(String(320))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_platform_admin: Mapped[bool] = mapped_column(default=False)


class Role(TenantOwned, Timestamped, Base):
    """A name for a set of permissions; every tenant begins with the built-in ones."""

    __tablename__ = "role"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name_key"),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(100))


class TenantPermission(TenantOwned, Timestamped, Base):
    """A permission of a tenant.

    Built-in ones are checked by the platform's calls. A tenant's own are for its applications.
    """

    __tablename__ = "permission"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(String(100))


class RolePermission(Base):
    """A permission that a role holds."""

    __tablename__ = "role_permission"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "role_id"], ["role.tenant_id", "role.id"]),
        ForeignKeyConstraint(["tenant_id", "permission_id"], ["permission.tenant_id", "permission.id"]),
    )

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    role_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    permission_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class UserRole(Base):
    """A role that a user has."""

    __tablename__ = "user_role"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user.tenant_id", "user.id"]),
        ForeignKeyConstraint(["tenant_id", "role_id"], ["role.tenant_id", "role.id"]),
    )

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    role_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class Session(TenantOwned, Base):
    """One login and its family of refresh tokens; an access token is valid only while its session is.

    `network` is where it was opened: an IPv4 address, or the /64 of an IPv6 one. `permissions` narrow what it allows to
    these, of those that the user holds; None: to nothing less.
    """

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user.tenant_id", "user.id"]),
        Index("ix_session_user_network", "user_id", "network"),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(BigId)
    network: Mapped[str] = mapped_column(String(45))
    permissions: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RefreshToken(TenantOwned, Base):
    """One refresh token, as its SHA-256.

    It is current until `replaced_at`. A replaced one stays for as long as its session, so that its reuse is noticed.
    """

    __tablename__ = "refresh_token"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["session.tenant_id", "session.id"]),
        {"sqlite_autoincrement": True},
    )

    session_id: Mapped[int] = mapped_column(BigId, index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]


class ApiKey(TenantOwned, Base):
    """A secret with which a service acts for its owner, within `permissions` and within what the owner holds."""

    __tablename__ = "api_key"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user.tenant_id", "user.id"]),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(BigId, index=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(20))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LoginFailures(Base):
    """Failed logins of one account or from one address within the current window, whichever replica saw them."""

    __tablename__ = "login_failures"

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime] = mapped_column(index=True)
