"""When the deployment that a user has asked for gets more or fewer replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; without a value a deployment is scaled as those that nobody has asked for."""
    for name in ("target_ongoing_requests", "upscale_delay_s", "downscale_delay_s"):
        op.add_column("endpoint", sa.Column(name, sa.Double(), nullable=True))
