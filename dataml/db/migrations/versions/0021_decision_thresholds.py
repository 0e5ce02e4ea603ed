"""The decision threshold that is kept with a model, and what chose it."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the models that are there go on predicting the more probable class."""
    op.add_column("training", sa.Column("threshold", sa.Double(), nullable=True))
    op.add_column("training", sa.Column("threshold_criterion", sa.String(length=20), nullable=True))
