"""What the calls on a training that is there already take and answer."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dataml.jobs.schemas import JobAnswer
from dataml.train.lifecycle.service import TrainingDetail
from dataml.train.models import Training
from dataml.train.schemas import TrainRow


class UpdateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train_id: int = Field(description="A completed training.")
    preprocess_id: int = Field(description="The preprocessing of another training with the same feature layout.")


class UpdateAnswer(BaseModel):
    data: str
    status_code: int = 200
    message: str


class TrainingDeleted(BaseModel):
    status_code: int = 200
    message: str


class SourceOfRows(BaseModel):
    file_id: int
    name: str
    format: str
    records: int


class DatasetOrigin(BaseModel):
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
    version: int | None = Field(description="Null when it was deleted.")
    dataset_id: int | None
    status: str = Field(description="completed, submitted_to_ray, failed, cancelled or deleted.")
    accuracy: float | None
    is_promoted: bool | None
    created_at: datetime | None


class Lineage(BaseModel):
    dataset: DatasetOrigin
    preprocess_id: int
    parent: Relative | None = Field(description="The version that this one continues.")
    children: list[Relative] = Field(description="Versions that continue this one.")
    job: JobAnswer | None
    code_version: str | None = Field(description="The dataml that wrote the result down.")
    library_versions: dict[str, str] | None


class TrainDetail(TrainRow):
    model: str | None
    target: str
    roles: dict[str, str] = Field(description="Role of every column.")
    hyperparameters: dict[str, Any] = Field(description="As they were asked for; `summary` has those that were used.")
    requested: dict[str, Any] = Field(description="What else was asked for.")
    metrics: dict[str, Any] | None = Field(description="Of rows the model never saw.")
    summary: dict[str, Any] | None = Field(description="The model's manifest; null until the training has completed.")
    lineage: Lineage


def lineage_of(whole: TrainingDetail) -> Lineage:
    training, dataset = whole.training, whole.dataset
    origin = DatasetOrigin(
        id=dataset.id,
        name=dataset.name,
        version=training.dataset_version,
        current_version=dataset.version,
        data_source=dataset.data_source,
        template_id=dataset.template_id,
        template_version=dataset.template_version,
        parquet=training.dataset_parquet,
        parquet_sha256=training.dataset_sha256,
        files=[SourceOfRows(**{name: file[name] for name in SourceOfRows.model_fields}) for file in whole.files],
    )
    return Lineage(
        dataset=origin,
        preprocess_id=training.preprocess_id,
        parent=_parent(whole),
        children=[_relative(child) for child in whole.children],
        job=JobAnswer.of(whole.job) if whole.job is not None else None,
        code_version=training.code_version,
        library_versions=(training.summary or {}).get("versions"),
    )


def _parent(whole: TrainingDetail) -> Relative | None:
    parent_id = whole.training.parent_id
    if whole.parent is not None or parent_id is None:
        return _relative(whole.parent) if whole.parent is not None else None
    return Relative(
        id=parent_id,
        version=None,
        dataset_id=None,
        status="deleted",
        accuracy=None,
        is_promoted=None,
        created_at=None,
    )


def _relative(training: Training) -> Relative:
    return Relative(
        id=training.id,
        version=training.version,
        dataset_id=training.dataset_id,
        status=training.status,
        accuracy=training.accuracy,
        is_promoted=training.is_promoted,
        created_at=training.created_at,
    )
