"""Tables of trainings and of the preprocessing that each was configured with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, ForeignKeyConstraint, Index, String, UniqueConstraint, case
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from dataml.contract.contract import Contract
from dataml.dataset.models import Dataset
from dataml.db.base import Base, BigId, TenantOwned, Timestamped, utc_now
from dataml.jobs.models import Job
from dataml.jobs.spec import JobState

MAIN_METRICS: Final = {"Classification": "accuracy", "Regression": "r2", "Forecast": "wape"}
"""The metric that stands for a model in lists, by problem type."""


class TrainingState(StrEnum):
    """The state of a training: that of its job, or deleted."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


STATUS_BY_STATE: Final = {
    TrainingState.SUCCEEDED: "completed",
    TrainingState.FAILED: "failed",
    TrainingState.CANCELLED: "cancelled",
}
"""The `status` of a training that has ended."""
_STATE_BY_STATUS: Final = {status: state for state, status in STATUS_BY_STATE.items()}


class TrainingPreprocessing(TenantOwned, Timestamped, Base):
    """How a training reads its columns: the role of each, and the contract that they follow."""

    __tablename__ = "preprocess"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), {"sqlite_autoincrement": True})

    contract: Mapped[dict[str, Any]]
    roles: Mapped[dict[str, Any]]

    def parse_contract(self) -> Contract:
        """Return the contract of the columns."""
        return Contract.from_json(self.contract)


class Training(TenantOwned, Timestamped, Base):
    """One version of a predictor.

    Attributes:
        url_name: the predictor in URLs and in names of files; the same for all its versions.
        dataset_parquet: storage name of the rows it was trained on, which stay when the dataset changes.
        dataset_sha256: the hash of that file.
        parent_id: the version that an incremental training continued; it stays when that version is deleted.
        status: submitted_to_ray, completed, failed or cancelled.
        own_preprocess_id: the preprocessing it was trained with, once it is bound to another one; else None.
        bundle: storage name of the folder with the model.
        bundle_sha256: the hash of the bundle's manifest, which has the hash of every other file.
        is_promoted: True for a completed version that may take the place of a champion that is deleted. Not so are
            a continuation that came out worse than its parent, a version that waits to be promoted, and one that was
            rolled back.
        threshold: the decision threshold that is kept with the model; None for the more probable class.
        threshold_criterion: what chose it in the report, best_f1 or best_youden; None where a user has set a number.
        endpoint: what answers its predictions: pool, or own once its own deployment runs.
        explanation: storage name of the folder that an explain job wrote.
        requested: the fields of the request that have no column here.
        code_version: the version of dataml that recorded the result.
    """

    __tablename__ = "training"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "predictor_name", "version"),
        Index("ix_training_status", "tenant_id", "status", "id"),
        Index("ix_training_problem_type", "tenant_id", "problem_type", "id"),
        Index("ix_training_url_name", "tenant_id", "url_name", "version", unique=True),
        ForeignKeyConstraint(["tenant_id", "dataset_id"], ["dataset.tenant_id", "dataset.id"]),
        ForeignKeyConstraint(["tenant_id", "preprocess_id"], ["preprocess.tenant_id", "preprocess.id"]),
        {"sqlite_autoincrement": True},
    )

    predictor_name: Mapped[str] = mapped_column(String(100))
    url_name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(default=1)
    dataset_id: Mapped[int] = mapped_column(BigId, index=True)
    dataset_version: Mapped[int]
    dataset_parquet: Mapped[str] = mapped_column(String(500))
    dataset_sha256: Mapped[str | None] = mapped_column(String(64))
    parent_id: Mapped[int | None] = mapped_column(BigId, index=True)
    preprocess_id: Mapped[int] = mapped_column(BigId)
    own_preprocess_id: Mapped[int | None] = mapped_column(BigId)
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
    bundle_sha256: Mapped[str | None] = mapped_column(String(64))
    is_promoted: Mapped[bool] = mapped_column(default=False)
    threshold: Mapped[float | None]
    threshold_criterion: Mapped[str | None] = mapped_column(String(20))
    endpoint: Mapped[str] = mapped_column(String(20), default="pool")
    explanation: Mapped[str | None] = mapped_column(String(500))
    requested: Mapped[dict[str, Any] | None]
    code_version: Mapped[str | None] = mapped_column(String(50))
    feature_importance: Mapped[dict[str, Any] | None]
    failure: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(String(150))

    @property
    def metric(self) -> str | None:
        """The name of the main metric; None until the training has completed."""
        return MAIN_METRICS[self.problem_type] if self.status == "completed" else None

    @hybrid_property
    def metric_value(self) -> float | None:
        """Return the main metric on rows that the model never saw; None where it is not defined or not known yet."""
        return (self.metrics or {}).get(MAIN_METRICS[self.problem_type])

    @metric_value.inplace.expression
    @classmethod
    def _metric_value_expression(cls) -> ColumnElement[float]:
        values = {problem_type: cls.metrics[name].as_float() for problem_type, name in MAIN_METRICS.items()}
        return case(values, value=cls.problem_type)

    def state_with(self, job: Job | None) -> TrainingState:
        """Return the state, with the newest train job."""
        ended = _STATE_BY_STATUS.get(self.status)
        if ended is not None:
            return ended
        return TrainingState.RUNNING if job is not None and job.state == JobState.RUNNING else TrainingState.QUEUED


class Predictor(TenantOwned, Timestamped, Base):
    """A predictor: the versions of one name. It has a row from its first training to the deletion of its last one.

    Attributes:
        predictor_name, url_name: as in each of its versions.
        champion_id: the version that answers for the predictor; None until one has completed, or was promoted.
        promotion: automatic, or manual: a version that completes becomes the champion, or waits to be promoted.
        traffic: the shares of requests that versions get, as `{"train_id", "version", "weight"}`; None: the champion
            gets all.
        shadows: versions that get a copy of each request, as `{"train_id", "version"}`; None without one.
    """

    __tablename__ = "predictor"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "predictor_name"),
        UniqueConstraint("tenant_id", "url_name"),
        ForeignKeyConstraint(["tenant_id", "champion_id"], ["training.tenant_id", "training.id"]),
    )

    predictor_name: Mapped[str] = mapped_column(String(100))
    url_name: Mapped[str] = mapped_column(String(100))
    champion_id: Mapped[int | None] = mapped_column(BigId)
    promotion: Mapped[str] = mapped_column(String(20), default="automatic")
    traffic: Mapped[list[dict[str, Any]] | None]
    shadows: Mapped[list[dict[str, Any]] | None]


class PredictorAlias(TenantOwned, Timestamped, Base):
    """A name of one version of a predictor, other than `champion`, which is a column of the predictor."""

    __tablename__ = "predictor_alias"
    __table_args__ = (
        UniqueConstraint("tenant_id", "predictor_id", "alias"),
        ForeignKeyConstraint(["tenant_id", "predictor_id"], ["predictor.tenant_id", "predictor.id"]),
        ForeignKeyConstraint(["tenant_id", "training_id"], ["training.tenant_id", "training.id"]),
    )

    predictor_id: Mapped[int] = mapped_column(BigId)
    training_id: Mapped[int] = mapped_column(BigId, index=True)
    alias: Mapped[str] = mapped_column(String(63))
    created_by: Mapped[str] = mapped_column(String(150))


class PromotionKind(StrEnum):
    """How a version came to be the champion of its predictor."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    ROLLBACK = "rollback"
    DELETION = "deletion"


class Promotion(TenantOwned, Base):
    """One change of the champion of a predictor. Deleted versions stay in the history.

    Attributes:
        training_id, version: the version that became the champion.
        kind: a `PromotionKind`; `deletion`: the champion before it was deleted.
        reason: what the user has said.
    """

    __tablename__ = "promotion"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "predictor_id"], ["predictor.tenant_id", "predictor.id"]),)

    predictor_id: Mapped[int] = mapped_column(BigId, index=True)
    training_id: Mapped[int] = mapped_column(BigId)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    created_by: Mapped[str] = mapped_column(String(150))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class DeletedTraining(TenantOwned, Base):
    """What stays of a training that was deleted, so that its predictions can be traced.

    The id is that of the training. `detail` is the answer to `GET /train/{train_id}` as it was then, without what
    describes the data that the model has seen.
    """

    __tablename__ = "deleted_training"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "predictor_name", "version"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    predictor_name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(BigId, index=True)
    dataset_id: Mapped[int] = mapped_column(BigId)
    domain: Mapped[str] = mapped_column(String(200))
    problem_type: Mapped[str] = mapped_column(String(20))
    accuracy: Mapped[float | None]
    created_at: Mapped[datetime]
    deleted_by: Mapped[str] = mapped_column(String(150))
    deleted_at: Mapped[datetime]
    detail: Mapped[dict[str, Any]]


@dataclass(frozen=True)
class TrainingOverview:
    """A training with its dataset and its newest train job, as lists show it.

    `is_serving` says that it is the version that answers the predictor's direct route.
    """

    training: Training
    dataset: Dataset
    job: Job | None
    is_serving: bool
