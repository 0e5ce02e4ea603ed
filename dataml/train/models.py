"""Tables of trainings and of the preprocessing each was configured with."""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class TrainingPreprocessing(TenantOwned, Timestamped, Base):
    """How a training reads its columns: the role of each, and the contract they follow."""

    __tablename__ = "preprocess"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), {"sqlite_autoincrement": True})

    contract: Mapped[dict[str, Any]]
    roles: Mapped[dict[str, Any]]


class Training(TenantOwned, Timestamped, Base):
    """One version of a predictor.

    `dataset_parquet` holds the rows it was trained on, which stay when the dataset changes; `dataset_sha256` is its.
    `status` is submitted_to_ray, completed, failed or cancelled. `bundle` is the storage name of its folder.
    `endpoint` says who answers its predictions: pool, or own once its own deployment runs. `parent_id` is the version
    that an incremental training continued, and stays when that is deleted; one that came out worse is not promoted.
    `explanation` is the storage name of the folder an explain job wrote. `requested` is what was asked for beside the
    columns of this row, `code_version` the dataml that wrote the result down.
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
    dataset_sha256: Mapped[str | None] = mapped_column(String(64))
    parent_id: Mapped[int | None] = mapped_column(BigId, index=True)
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
    is_promoted: Mapped[bool] = mapped_column(default=True)
    endpoint: Mapped[str] = mapped_column(String(20), default="pool")
    explanation: Mapped[str | None] = mapped_column(String(500))
    requested: Mapped[dict[str, Any] | None]
    code_version: Mapped[str | None] = mapped_column(String(50))
    feature_importance: Mapped[dict[str, Any] | None]
    failure: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(String(150))
