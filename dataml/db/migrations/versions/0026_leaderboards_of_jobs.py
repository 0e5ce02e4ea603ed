"""The leaderboard of a training that runs: its candidates with their scores."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; earlier jobs have no leaderboard."""
    op.add_column("job", sa.Column("leaderboard", sa.JSON(none_as_null=True), nullable=True))
