"""The time limit that was asked for a job, and how long its attempt has run."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a job that runs begins to count when it is seen next."""
    op.add_column("job", sa.Column("time_limit_s", sa.Integer(), nullable=True))
    op.add_column("job", sa.Column("elapsed_s", sa.Double(), nullable=False, server_default="0"))
