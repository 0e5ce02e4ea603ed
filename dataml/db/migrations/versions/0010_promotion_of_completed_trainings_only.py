"""Only completed trainings are promoted."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take back the promotion of trainings that have not completed; those that run get it when they complete."""
    op.execute("UPDATE training SET is_promoted = false WHERE status <> 'completed'")
