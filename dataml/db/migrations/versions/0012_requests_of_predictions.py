"""Requests of predictions, and hashes of validated rows."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the prediction log keep what was asked of a batch or a forecast, and datasets the hash of their rows."""
    op.add_column("prediction", sa.Column("request", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("dataset", sa.Column("parquet_sha256", sa.String(length=64), nullable=True))
