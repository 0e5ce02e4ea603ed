"""What a check of CSV files has found: first columns that number the rows, and repeated headers."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both to files; those that are there are read as they were."""
    op.add_column("file", sa.Column("has_row_numbers", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("file", sa.Column("repeated_headers", sa.Integer(), nullable=False, server_default="0"))
