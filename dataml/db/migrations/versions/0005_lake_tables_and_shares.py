"""Lake tables of datasets and batches, and schemas that are shared with tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add lake tables to datasets and predictions, and create the table of shared schemas."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("dataset", sa.Column("iceberg_snapshot_id", big_id, nullable=True))
    op.add_column("dataset", sa.Column("lake_mode", sa.String(length=10), nullable=True))
    op.add_column("prediction", sa.Column("result_table", sa.String(length=200), nullable=True))
    op.add_column("prediction", sa.Column("result_snapshot_id", big_id, nullable=True))
    op.create_table(
        "lake_share",
        sa.Column("id", big_id, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("schema", sa.String(length=255), nullable=False),
        sa.Column("owner_tenant_id", sa.String(length=36), nullable=True),
        sa.Column("created_by", sa.String(length=150), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_lake_share_tenant_id"),
        sa.ForeignKeyConstraint(["owner_tenant_id"], ["tenant.id"], name="fk_lake_share_owner_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lake_share"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_lake_share_tenant_id_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lake_share_tenant_id", "lake_share", ["tenant_id"])
