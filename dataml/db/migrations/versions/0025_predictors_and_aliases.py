"""Predictors, with the version that answers for each, their aliases, and the history of their promotions."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# The newest version that may serve answered for its predictor.
_ADD_PREDICTORS = """
INSERT INTO predictor (tenant_id, predictor_name, url_name, promotion, created_at, modified_at, champion_id)
SELECT tenant_id, predictor_name, min(url_name), 'automatic', min(created_at), max(modified_at),
       max(CASE WHEN status = 'completed' AND is_promoted THEN id END)
FROM training GROUP BY tenant_id, predictor_name ORDER BY min(id)
"""
_ADD_PROMOTIONS = """
INSERT INTO promotion (tenant_id, predictor_id, training_id, version, kind, created_by, created_at)
SELECT training.tenant_id, predictor.id, training.id, training.version, 'automatic', training.created_by,
       training.modified_at
FROM training JOIN predictor
  ON predictor.tenant_id = training.tenant_id AND predictor.predictor_name = training.predictor_name
WHERE training.status = 'completed' AND training.is_promoted ORDER BY training.id
"""


def upgrade() -> None:
    """Add the tables; the versions that answer for their predictors go on answering."""
    op.create_table(
        "predictor",
        _id_column("id", autoincrement=True),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("predictor_name", sa.String(length=100), nullable=False),
        sa.Column("url_name", sa.String(length=100), nullable=False),
        _id_column("champion_id", nullable=True),
        sa.Column("promotion", sa.String(length=20), nullable=False),
        sa.Column("traffic", sa.JSON(), nullable=True),
        sa.Column("shadows", sa.JSON(), nullable=True),
        _time_column("created_at"),
        _time_column("modified_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_predictor")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_predictor_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "champion_id"],
            ["training.tenant_id", "training.id"],
            name=op.f("fk_predictor_tenant_id_champion_id"),
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_predictor_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "predictor_name", name=op.f("uq_predictor_tenant_id_predictor_name")),
        sa.UniqueConstraint("tenant_id", "url_name", name=op.f("uq_predictor_tenant_id_url_name")),
    )
    op.create_index(op.f("ix_predictor_tenant_id"), "predictor", ["tenant_id"])
    op.create_table(
        "predictor_alias",
        _id_column("id", autoincrement=True),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        _id_column("predictor_id"),
        _id_column("training_id"),
        sa.Column("alias", sa.String(length=63), nullable=False),
        sa.Column("created_by", sa.String(length=150), nullable=False),
        _time_column("created_at"),
        _time_column("modified_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_predictor_alias")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_predictor_alias_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "predictor_id"],
            ["predictor.tenant_id", "predictor.id"],
            name=op.f("fk_predictor_alias_tenant_id_predictor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "training_id"],
            ["training.tenant_id", "training.id"],
            name=op.f("fk_predictor_alias_tenant_id_training_id"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "predictor_id", "alias", name=op.f("uq_predictor_alias_tenant_id_predictor_id_alias")
        ),
    )
    op.create_index(op.f("ix_predictor_alias_tenant_id"), "predictor_alias", ["tenant_id"])
    op.create_index(op.f("ix_predictor_alias_training_id"), "predictor_alias", ["training_id"])
    op.create_table(
        "promotion",
        _id_column("id", autoincrement=True),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        _id_column("predictor_id"),
        _id_column("training_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_by", sa.String(length=150), nullable=False),
        _time_column("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_promotion_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "predictor_id"],
            ["predictor.tenant_id", "predictor.id"],
            name=op.f("fk_promotion_tenant_id_predictor_id"),
        ),
    )
    op.create_index(op.f("ix_promotion_tenant_id"), "promotion", ["tenant_id"])
    op.create_index(op.f("ix_promotion_predictor_id"), "promotion", ["predictor_id"])
    op.execute(_ADD_PREDICTORS)
    op.execute(_ADD_PROMOTIONS)


def _id_column(name: str, *, nullable: bool = False, autoincrement: bool = False) -> sa.Column[int]:
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, big_id, nullable=nullable, autoincrement=autoincrement)


def _time_column(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)
