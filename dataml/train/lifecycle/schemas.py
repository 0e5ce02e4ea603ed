"""The JSON of the calls on an existing training."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from dataml.http.answers import build_answer
from dataml.http.requests import request_config
from dataml.jobs.schemas import JobAnswer
from dataml.train.lifecycle.service import TrainingDetail
from dataml.train.models import DeletedTraining, Training, TrainingState
from dataml.train.schemas import STATE, TrainRow, row_fields
from dataml.train.threshold.schemas import THRESHOLD, THRESHOLD_SOURCE
from dataml.train.threshold.service import choose_threshold


class UpdateRequest(BaseModel):
    """A model and the preprocessing that it is bound to."""

    model_config = request_config({"train_id": 19, "preprocess_id": 20})

    train_id: int = Field(description="A completed training.")
    preprocess_id: int = Field(description="The preprocessing of another training with the same feature layout.")


class UpdateAnswer(BaseModel):
    """A model that was bound to another preprocessing."""

    data: str
    status_code: int = 200
    message: str


class TrainingDeleted(BaseModel):
    """A training, or its feature importance, that was deleted."""

    status_code: int = 200
    message: str


class SourceOfRows(BaseModel):
    """A file that rows came from."""

    file_id: int
    name: str
    format: str
    records: int


class DatasetOrigin(BaseModel):
    """The dataset that a training learned from, as it was then."""

    id: int
    name: str
    version: int = Field(description="Version of the dataset that was trained on.")
    current_version: int = Field(description="Its version now.")
    data_source: str
    template_id: int | None = Field(description="Null when the columns were inferred.")
    template_version: int | None
    parquet: str = Field(description="Storage name of the rows that were trained on.")
    parquet_sha256: str | None = Field(description="Of that file; null for trainings of older versions of dataml.")
    files: list[SourceOfRows] = Field(description="The files those rows came from.")


class Relative(BaseModel):
    """A version that was continued, or that continues this one."""

    id: int
    version: int | None = Field(description="Null when an older version of dataml has deleted it.")
    dataset_id: int | None
    status: str = Field(description="completed, submitted_to_ray, failed, cancelled or deleted.")
    state: TrainingState = Field(description=STATE)
    accuracy: float | None
    is_promoted: bool | None
    created_at: datetime | None


class Lineage(BaseModel):
    """What a training was made from, and the trainings that continue it."""

    dataset: DatasetOrigin
    preprocess_id: int = Field(description="The preprocessing that the model is bound to.")
    own_preprocess_id: int = Field(description="The preprocessing that it was trained with.")
    bundle_sha256: str | None = Field(
        description="SHA-256 of the bundle's `manifest.json`, which has the SHA-256 of every other file. Null until "
        "the training has completed, and for trainings of older versions of dataml."
    )
    parent: Relative | None = Field(description="The version that this one continues.")
    children: list[Relative] = Field(description="Versions that continue this one, deleted ones too.")
    job: JobAnswer | None
    code_version: str | None = Field(description="Version of dataml that recorded the result.")
    library_versions: dict[str, str] | None


class TrainDetail(TrainRow):
    """All about one training."""

    model: str | None
    target: str
    roles: dict[str, str] = Field(description="Role of every column.")
    requested_algorithm: str | None = Field(
        description="The algorithm of the request, auto where it named none; null in the records of older versions."
    )
    hyperparameters: dict[str, Any] = Field(description="Those of the request; `summary` has those that were used.")
    requested: dict[str, Any] = Field(description="The other fields of the request.")
    metrics: dict[str, Any] | None = Field(description="Metrics on rows that the model never saw.")
    summary: dict[str, Any] | None = Field(description="The model's manifest; null until the training has completed.")
    threshold: float | None = Field(description=THRESHOLD)
    threshold_source: str | None = Field(description=THRESHOLD_SOURCE)
    lineage: Lineage
    deleted_at: datetime | None = Field(
        description="When it was deleted: the other fields are then as they were, without `summary` and `warnings`."
    )
    deleted_by: str | None


def build_detail(detail: TrainingDetail, tenant_name: str) -> TrainDetail:
    """Return all about one training."""
    training, requested = detail.overview.training, dict(detail.overview.training.requested or {})
    threshold = choose_threshold(training)
    return build_answer(
        TrainDetail,
        training,
        **row_fields(detail.overview, tenant_name),
        roles=detail.preprocessing.roles,
        hyperparameters=requested.pop("hyperparameters", {}),
        requested=requested,
        threshold=threshold.value if threshold is not None else None,
        threshold_source=threshold.source if threshold is not None else None,
        lineage=_build_lineage(detail),
        deleted_at=None,
        deleted_by=None,
    )


def build_record(detail: TrainDetail) -> dict[str, Any]:
    """Return what stays of a training that is being deleted, as JSON: no summary, whose values are those of rows."""
    status = {"training_status": "Deleted", "train_status": "deleted", "ml_model_status": "deleted"}
    status |= {"state": TrainingState.DELETED.value}
    removed = {"summary": None, "warnings": [], "endpoint": None, "is_promoted": False}
    removed |= {"endpoint_url": None, "version_url": None}
    return detail.model_dump(mode="json") | status | removed


def build_deleted(deleted: DeletedTraining) -> TrainDetail:
    """Return what stays of a deleted training.

    Fields that the record of an older version of dataml does not have are null.
    """
    absent = dict.fromkeys(TrainDetail.model_fields)
    when = {"deleted_at": deleted.deleted_at, "deleted_by": deleted.deleted_by, "state": TrainingState.DELETED}
    return TrainDetail.model_validate(absent | deleted.detail | when)


def _build_lineage(detail: TrainingDetail) -> Lineage:
    training, dataset, job = detail.overview.training, detail.overview.dataset, detail.overview.job
    return build_answer(
        Lineage,
        training,
        dataset=build_answer(
            DatasetOrigin,
            dataset,
            version=training.dataset_version,
            current_version=dataset.version,
            parquet=training.dataset_parquet,
            parquet_sha256=training.dataset_sha256,
            files=[SourceOfRows.model_validate(file) for file in detail.files],
        ),
        parent=_build_parent(training.parent_id, detail),
        own_preprocess_id=training.own_preprocess_id or training.preprocess_id,
        children=[_build_relative(child, detail) for child in detail.children],
        job=JobAnswer.of(job) if job is not None else None,
        library_versions=(training.summary or {}).get("versions"),
    )


def _build_relative(version: Training | DeletedTraining, detail: TrainingDetail) -> Relative:
    if isinstance(version, DeletedTraining):
        return build_answer(Relative, version, status="deleted", state=TrainingState.DELETED, is_promoted=False)
    return build_answer(Relative, version, state=version.state_with(detail.jobs_of_children.get(version.id)))


def _build_parent(parent_id: int | None, detail: TrainingDetail) -> Relative | None:
    if detail.parent is not None:
        return _build_relative(detail.parent, detail)
    if parent_id is None:
        return None
    unknown = dict.fromkeys(("version", "dataset_id", "accuracy", "is_promoted", "created_at"))
    return Relative.model_validate({"id": parent_id, "status": "deleted", "state": TrainingState.DELETED} | unknown)
