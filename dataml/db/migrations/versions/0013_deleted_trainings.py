"""What stays of deleted trainings, the preprocessing that a training had first, and hashes of bundles."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of deleted trainings, and columns for the first preprocessing and the bundle's hash of a training.

    The columns have no foreign key: SQLite would build the table anew for one, and give ids of deleted trainings again.
    """
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("training", sa.Column("own_preprocess_id", big_id, nullable=True))
    op.add_column("training", sa.Column("bundle_sha256", sa.String(length=64), nullable=True))
    op.create_table(
        "deleted_training",
        sa.Column("id", big_id, autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("predictor_name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("parent_id", big_id, nullable=True),
        sa.Column("dataset_id", big_id, nullable=False),
        sa.Column("domain", sa.String(length=200), nullable=False),
        sa.Column("problem_type", sa.String(length=20), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_by", sa.String(length=150), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_deleted_training_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_training")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_deleted_training_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "predictor_name",
            "version",
            name=op.f("uq_deleted_training_tenant_id_predictor_name_version"),
        ),
    )
    op.create_index(op.f("ix_deleted_training_tenant_id"), "deleted_training", ["tenant_id"])
    op.create_index(op.f("ix_deleted_training_parent_id"), "deleted_training", ["parent_id"])
    _restore_own_preprocessing()


def _restore_own_preprocessing() -> None:
    """Set the first preprocessing of trainings that were bound to another one, which the audit log knows."""
    connection = op.get_bind()
    bindings = sa.text("SELECT subject, detail FROM audit_event WHERE action = 'training.update' ORDER BY id")
    first: dict[int, int] = {}
    for subject, detail in connection.execute(bindings):
        values: dict[str, Any] = json.loads(detail) if isinstance(detail, str) else detail or {}
        kind, _, number = (subject or "").partition(":")
        if kind == "training" and number.isdecimal() and isinstance(values.get("before"), int):
            first.setdefault(int(number), values["before"])
    restore = sa.text(
        "UPDATE training SET own_preprocess_id = :own WHERE id = :id AND preprocess_id <> :own AND EXISTS "
        "(SELECT 1 FROM preprocess WHERE preprocess.id = :own AND preprocess.tenant_id = training.tenant_id)"
    )
    for train_id, own_id in first.items():
        connection.execute(restore, {"id": train_id, "own": own_id})
