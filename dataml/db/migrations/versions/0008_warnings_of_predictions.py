"""Warnings and positive classes of batch predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the warnings and the positive class of a batch to the prediction log."""
    op.add_column("prediction", sa.Column("warnings", sa.JSON(), nullable=True))
    op.add_column("prediction", sa.Column("positive_class", sa.Text(), nullable=True))
