"""Indexes for the filters of lists: a page of few rows need not read all rows of a tenant."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_training_status": ("training", ["tenant_id", "status", "id"]),
    "ix_training_problem_type": ("training", ["tenant_id", "problem_type", "id"]),
    "ix_job_tenant_state": ("job", ["tenant_id", "state", "id"]),
    "ix_job_tenant_kind": ("job", ["tenant_id", "kind", "id"]),
}


def upgrade() -> None:
    """Add the indexes."""
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
