"""What the user has said about CSV files: their encoding, and the line of the header."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add encoding and header row to files; those that are there are in UTF-8, with the header first."""
    op.add_column("file", sa.Column("encoding", sa.String(length=20), nullable=False, server_default="utf-8"))
    op.add_column("file", sa.Column("header_row", sa.Integer(), nullable=True))
