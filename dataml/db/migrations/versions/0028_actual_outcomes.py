"""Actual outcomes of predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of actual outcomes."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "actual",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("training_id", big_id, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=150), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actual")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_actual_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["prediction.tenant_id", "prediction.id"],
            name=op.f("fk_actual_tenant_id_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_actual_tenant_id"), "actual", ["tenant_id"])
    op.create_index("ix_actual_training", "actual", ["tenant_id", "training_id", "id"])
