"""The prediction log, a row for each real-time prediction or forecast and for each batch, and the actual outcomes."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class PredictionLogEntry(TenantOwned, Base):
    """One entry of the prediction log.

    `id` is made before the row is stored, by the process that predicts: 63 bits, in the order of time. `training_id`
    is no foreign key: predictions stay when their model is deleted, and a record of its last half second may be stored
    after that. `warnings` and `positive_class` are those of a batch. `request` is what was asked of a batch or a
    forecast; see `inference.requests`.
    """

    __tablename__ = "prediction"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_prediction_training", "tenant_id", "training_id", "id"),
        ForeignKeyConstraint(["tenant_id", "dataset_id"], ["dataset.tenant_id", "dataset.id"]),
        ForeignKeyConstraint(["tenant_id", "file_id"], ["file.tenant_id", "file.id"]),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    training_id: Mapped[int] = mapped_column(BigId)
    prediction_type: Mapped[str] = mapped_column(String(10))
    dataset_id: Mapped[int | None] = mapped_column(BigId)
    file_id: Mapped[int | None] = mapped_column(BigId)
    status: Mapped[str] = mapped_column(String(20))
    records: Mapped[int] = mapped_column(BigId)
    failed_records: Mapped[int] = mapped_column(BigId, default=0)
    input_data: Mapped[str] = mapped_column(Text)
    request: Mapped[dict[str, Any] | None]
    output_data: Mapped[str | None] = mapped_column(Text)
    result_table: Mapped[str | None] = mapped_column(String(200))
    result_snapshot_id: Mapped[int | None] = mapped_column(BigId)
    failure: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[dict[str, Any]] | None]
    positive_class: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(150))
    created_at: Mapped[datetime]


class Actual(TenantOwned, Timestamped, Base):
    """What has really come of a real-time prediction; it goes when the prediction leaves the log.

    `id` is that of the prediction, and so in the order of its time. `training_id` is the version that has answered.
    `value` is a class or a number, as JSON.
    """

    __tablename__ = "actual"
    __table_args__ = (
        Index("ix_actual_training", "tenant_id", "training_id", "id"),
        ForeignKeyConstraint(["tenant_id", "id"], ["prediction.tenant_id", "prediction.id"], ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    training_id: Mapped[int] = mapped_column(BigId)
    value: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(150))
