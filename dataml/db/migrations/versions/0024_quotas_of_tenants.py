"""How many bytes of files a tenant may store, where it is not what the installation allows."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("tenant", sa.Column("quota_bytes", sa.BigInteger(), nullable=True))
