"""Datasets that go back to what they were when their validation is cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a dataset remember what it was before a change, and its deleted files stay until the change is validated."""
    op.add_column("dataset", sa.Column("settled", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("file", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
