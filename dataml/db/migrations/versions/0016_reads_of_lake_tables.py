"""When lake tables were last read."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the last reads of lake tables."""
    op.create_table(
        "lake_access",
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("schema", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("accessed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "schema", "table_name", name=op.f("pk_lake_access")),
    )
