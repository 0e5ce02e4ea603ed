"""Tables of trainings and of the preprocessing each was configured with."""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class Preprocess(TenantOwned, Timestamped, Base):
    """How a training reads its columns: the role of each, and the contract they follow."""

    __tablename__ = "preprocess"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), {"sqlite_autoincrement": True})

    contract: Mapped[dict[str, Any]]
    roles: Mapped[dict[str, Any]]


class Training(TenantOwned, Timestamped, Base):
    """One version of a predictor.

    `dataset_parquet` holds the rows it was trained on, which stay when the dataset changes.
    `status` is submitted_to_ray, completed, failed or cancelled. `bundle` is the storage name of its folder, and
    `explanation` that of the newest explanation that has finished.
    `endpoint` says who answers its predictions: pool, or own once its own deployment runs.
    """

    __tablename__ = "training"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "predictor_name", "version"),
        ForeignKeyConstraint(["tenant_id", "dataset_id"], ["dataset.tenant_id", "dataset.id"]),
        ForeignKeyConstraint(["tenant_id", "preprocess_id"], ["preprocess.tenant_id", "preprocess.id"]),
        {"sqlite_autoincrement": True},
    )

    predictor_name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(default=1)
    dataset_id: Mapped[int] = mapped_column(BigId, index=True)
    dataset_version: Mapped[int]
    dataset_parquet: Mapped[str] = mapped_column(String(500))
    preprocess_id: Mapped[int] = mapped_column(BigId)
    domain: Mapped[str] = mapped_column(String(200))
    problem_type: Mapped[str] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(255))
    requested_algorithm: Mapped[str] = mapped_column(String(20))
    shap_enabled: Mapped[bool]
    shap_sample_rows: Mapped[int]
    status: Mapped[str] = mapped_column(String(30), default="submitted_to_ray")
    algorithm: Mapped[str | None] = mapped_column(String(50))
    model: Mapped[str | None] = mapped_column(String(100))
    accuracy: Mapped[float | None]
    metrics: Mapped[dict[str, Any] | None]
    summary: Mapped[dict[str, Any] | None]
    bundle: Mapped[str | None] = mapped_column(String(500))
    endpoint: Mapped[str] = mapped_column(String(20), default="pool")
    feature_importance: Mapped[dict[str, Any] | None]
    explanation: Mapped[str | None] = mapped_column(String(500))
    failure: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(String(150))
