"""Lake tables that have the rows of a dataset as they were uploaded."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the lake table of raw rows to datasets."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("dataset", sa.Column("raw_table_name", sa.String(length=200), nullable=True))
    op.add_column("dataset", sa.Column("raw_snapshot_id", big_id, nullable=True))
