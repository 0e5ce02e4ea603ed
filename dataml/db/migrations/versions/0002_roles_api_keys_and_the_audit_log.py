"""Roles, API keys and the audit log."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As this version had them; later ones may differ.
PERMISSIONS = (
    "can_manage_users",
    "can_manage_roles",
    "can_edit_templates",
    "can_upload_datasets",
    "can_delete_dataset",
    "can_train_models",
    "can_delete_models",
    "can_predict",
    "can_read_datalake",
    "can_terminate_jobs",
    "can_view",
)
ROLES = {
    "admin": PERMISSIONS,
    "data_scientist": PERMISSIONS[2:],
    "analyst": ("can_view", "can_predict", "can_read_datalake"),
    "service": ("can_predict",),
}


def upgrade() -> None:
    """Create the tables of roles, API keys and the audit log, and move roles of users to them."""
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_failures")),
    )
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_failures_since"), ["since"], unique=False)

    op.create_table(
        "audit_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("username", sa.String(length=150), nullable=True),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_audit_event_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index("ix_audit_event_at", ["tenant_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_event_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "permission",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_permission_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_permission_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_permission_tenant_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("permission", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_permission_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "role",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=100), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_role_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_role_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name_key", name=op.f("uq_role_tenant_id_name_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("role", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_role_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "api_key",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["user.tenant_id", "user.id"], name=op.f("fk_api_key_tenant_id_user_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_api_key_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_api_key_tenant_id_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_key_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_key_user_id"), ["user_id"], unique=False)

    op.create_table(
        "role_permission",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("role_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column(
            "permission_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "permission_id"],
            ["permission.tenant_id", "permission.id"],
            name=op.f("fk_role_permission_tenant_id_permission_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"], ["role.tenant_id", "role.id"], name=op.f("fk_role_permission_tenant_id_role_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "role_id", "permission_id", name=op.f("pk_role_permission")),
    )
    op.create_table(
        "user_role",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("role_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"], ["role.tenant_id", "role.id"], name=op.f("fk_user_role_tenant_id_role_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["user.tenant_id", "user.id"], name=op.f("fk_user_role_tenant_id_user_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "role_id", name=op.f("pk_user_role")),
    )
    # Sessions of before had another kind of refresh token: their users log in again.
    op.drop_table("session")
    op.create_table(
        "session",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("network", sa.String(length=45), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["user.tenant_id", "user.id"], name=op.f("fk_session_tenant_id_user_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_session_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_session_tenant_id_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index("ix_session_user_network", ["user_id", "network"], unique=False)

    op.create_table(
        "refresh_token",
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["session.tenant_id", "session.id"],
            name=op.f("fk_refresh_token_tenant_id_session_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_refresh_token_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_token_token_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("refresh_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refresh_token_session_id"), ["session_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_refresh_token_tenant_id"), ["tenant_id"], unique=False)

    # Statement by statement: a table that others point at cannot be built anew on SQLite within a transaction.
    op.add_column("tenant", sa.Column("name_key", sa.String(length=100), nullable=False, server_default=""))
    op.execute("UPDATE tenant SET name_key = lower(name)")
    op.create_index("uq_tenant_name_key", "tenant", ["name_key"], unique=True)
    op.add_column("user", sa.Column("username_key", sa.String(length=150), nullable=False, server_default=""))
    op.add_column("user", sa.Column("email_key", sa.String(length=320), nullable=True))
    op.execute('UPDATE "user" SET username_key = username, email_key = lower(email)')
    op.create_index("uq_user_email_key", "user", ["tenant_id", "email_key"], unique=True)
    op.create_index("uq_user_username_key", "user", ["username_key"], unique=True)
    _seed(op.get_bind())
    op.drop_column("user", "role")
    _protect_audit_log(op.get_bind().dialect.name)


def _seed(connection: sa.Connection) -> None:
    """Give every tenant the built-in permissions and roles, and every user the role they had."""
    now = datetime.now(UTC)
    permission = _table("permission", "id", "tenant_id", "name", "created_at", "modified_at")
    role = _table("role", "id", "tenant_id", "name", "name_key", "created_at", "modified_at")
    role_permission = _table("role_permission", "tenant_id", "role_id", "permission_id")
    user_role = _table("user_role", "tenant_id", "user_id", "role_id")
    user = _table("user", "id", "tenant_id", "role")
    for (tenant_id,) in connection.execute(sa.select(_table("tenant", "id").c.id)).all():
        of_tenant = {"tenant_id": tenant_id, "created_at": now, "modified_at": now}
        ids = {}
        for name in PERMISSIONS:
            added = sa.insert(permission).values(name=name, **of_tenant).returning(permission.c.id)
            ids[name] = connection.execute(added).scalar_one()
        for name, held in ROLES.items():
            added = sa.insert(role).values(name=name, name_key=name, **of_tenant).returning(role.c.id)
            role_id = connection.execute(added).scalar_one()
            for permission_id in (ids[permission_name] for permission_name in held):
                values = {"tenant_id": tenant_id, "role_id": role_id, "permission_id": permission_id}
                connection.execute(sa.insert(role_permission).values(**values))
            for (user_id,) in connection.execute(
                sa.select(user.c.id).where(user.c.tenant_id == tenant_id, user.c.role == name)
            ).all():
                values = {"tenant_id": tenant_id, "user_id": user_id, "role_id": role_id}
                connection.execute(sa.insert(user_role).values(**values))


def _table(name: str, *columns: str) -> sa.TableClause:
    times = sa.DateTime(timezone=True)
    return sa.table(name, *(sa.column(c, times) if c.endswith("_at") else sa.column(c) for c in columns))


def _protect_audit_log(dialect: str) -> None:
    if dialect == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_event_no_{change.lower()} BEFORE {change} ON audit_event "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        # REPLACE deletes without the triggers of a deletion.
        op.execute(
            "CREATE TRIGGER audit_event_no_replace BEFORE INSERT ON audit_event "
            "WHEN EXISTS (SELECT 1 FROM audit_event WHERE id = NEW.id) "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_append_only()"
    )
