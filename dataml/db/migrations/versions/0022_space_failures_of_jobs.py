"""How many attempts at a job have found no space."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("job", sa.Column("space_failures", sa.Integer(), nullable=False, server_default="0"))
