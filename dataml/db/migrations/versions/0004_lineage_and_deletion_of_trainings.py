"""Where a training comes from, what was asked of it, and predictions that stay when it is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add lineage to trainings and callback digests to jobs, and let predictions outlive a deleted training."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("training", sa.Column("dataset_sha256", sa.String(length=64), nullable=True))
    op.add_column("training", sa.Column("parent_id", big_id, nullable=True))
    op.add_column("training", sa.Column("is_promoted", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("training", sa.Column("explanation", sa.String(length=500), nullable=True))
    op.add_column("training", sa.Column("requested", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("training", sa.Column("code_version", sa.String(length=50), nullable=True))
    op.create_index("ix_training_parent_id", "training", ["parent_id"])
    op.add_column("job", sa.Column("callback_digest", sa.String(length=64), nullable=True))
    # SQLite builds the table anew for it, which it can: no other table points at this one.
    with op.batch_alter_table("prediction") as predictions:
        predictions.drop_constraint("fk_prediction_tenant_id_training_id", type_="foreignkey")
