"""Versions of templates and datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of template versions, and add dataset versions to datasets and trainings."""
    op.create_table(
        "template_version",
        sa.Column("template_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("contract", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_by", sa.String(length=150), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_id"],
            ["template.tenant_id", "template.id"],
            name=op.f("fk_template_version_tenant_id_template_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_template_version_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_version")),
        sa.UniqueConstraint(
            "tenant_id", "template_id", "version", name=op.f("uq_template_version_tenant_id_template_id_version")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("template_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_template_version_tenant_id"), ["tenant_id"], unique=False)

    op.add_column("dataset", sa.Column("version", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("training", sa.Column("dataset_version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("training", sa.Column("dataset_parquet", sa.String(length=500), nullable=False, server_default=""))
    # Until now a template had one version, and a dataset was validated once.
    op.execute(
        "INSERT INTO template_version (tenant_id, template_id, version, name, contract, created_by, created_at) "
        "SELECT tenant_id, id, version, name, contract, created_by, created_at FROM template"
    )
    op.execute("UPDATE dataset SET version = 1 WHERE parquet IS NOT NULL")
    op.execute(
        "UPDATE training SET dataset_parquet = (SELECT parquet FROM dataset "
        "WHERE dataset.tenant_id = training.tenant_id AND dataset.id = training.dataset_id)"
    )
