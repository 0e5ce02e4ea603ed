"""The number of the supervisor's lease, which grows with each takeover."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("supervisor_lease", sa.Column("term", sa.Integer(), nullable=False, server_default="0"))
