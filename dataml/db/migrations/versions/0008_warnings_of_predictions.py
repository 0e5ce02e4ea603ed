"""Warnings of batch predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the warnings of a batch to the prediction log."""
    op.add_column("prediction", sa.Column("warnings", sa.JSON(), nullable=True))
