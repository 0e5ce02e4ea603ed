"""Warnings about the data of datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the warnings of the last validation to datasets."""
    op.add_column("dataset", sa.Column("warnings", sa.JSON(), nullable=True))
