"""Sessions that are narrowed to some permissions, and names of predictors in URLs."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the permissions that a session is narrowed to, and the URL names of predictors, until now their names."""
    op.add_column("session", sa.Column("permissions", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("training", sa.Column("url_name", sa.String(length=100), nullable=False, server_default=""))
    op.execute("UPDATE training SET url_name = predictor_name")
    op.create_index("ix_training_url_name", "training", ["tenant_id", "url_name", "version"], unique=True)
