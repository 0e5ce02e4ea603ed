"""The files that rows of the database refer to, and rows that wait for a job that is not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset.models import Dataset, File
from dataml.db import every_tenant
from dataml.doctor.findings import Check, Finding, error
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState
from dataml.train.models import Training

_LAKE_FORMAT = "iceberg"


class Kind(StrEnum):
    """How a file can be made again."""

    UPLOAD = "an uploaded file"
    RESULT = "the result of a batch"
    ROWS = "the validated rows"
    ERRORS = "the wrong cells"
    SET_ASIDE = "the quarantined rows"
    TRAINED_ROWS = "the rows that were trained on"
    BUNDLE = "the model"
    EXPLANATION = "the explanation"


@dataclass(frozen=True)
class Reference:
    """A file or folder that a row refers to, with what the row knows about it."""

    owner: str
    kind: Kind
    name: str
    size_bytes: int | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} of {self.owner} ({self.name})"


async def list_references(session: AsyncSession) -> list[Reference]:
    """Return every file and folder that a row of a dataset, a file or a training refers to, of all tenants."""
    files = await session.scalars(every_tenant.select(File).where(File.deleted_at.is_(None)))
    references = [_of_file(file) for file in files if file.format != _LAKE_FORMAT]
    for dataset in await session.scalars(every_tenant.select(Dataset)):
        references += _of_dataset(dataset)
    for training in await session.scalars(every_tenant.select(Training)):
        references += _of_training(training)
    return references


def _of_file(file: File) -> Reference:
    kind = Kind.UPLOAD if file.purpose == "source" else Kind.RESULT
    return Reference(f"dataset {file.dataset_id}, file {file.id}", kind, file.path, file.size_bytes)


def _of_dataset(dataset: Dataset) -> Iterator[Reference]:
    owner = f"dataset {dataset.id}"
    if dataset.parquet is not None:
        yield Reference(owner, Kind.ROWS, dataset.parquet, sha256=dataset.parquet_sha256)
    if dataset.errors is not None:
        yield Reference(owner, Kind.ERRORS, dataset.errors)
    if dataset.set_aside is not None:
        yield Reference(owner, Kind.SET_ASIDE, dataset.set_aside)


def _of_training(training: Training) -> Iterator[Reference]:
    owner = f"training {training.id}"
    if training.status == "completed":
        yield Reference(owner, Kind.TRAINED_ROWS, training.dataset_parquet, sha256=training.dataset_sha256)
    if training.bundle is not None:
        yield Reference(owner, Kind.BUNDLE, training.bundle, sha256=training.bundle_sha256)
    if training.explanation is not None:
        yield Reference(owner, Kind.EXPLANATION, training.explanation)


async def find_waiting_rows(session: AsyncSession) -> list[Finding]:
    """Return the datasets and trainings that wait for a job, while none is queued or runs for them."""
    rows = await session.execute(
        every_tenant.select(Job.kind, Job.subject_id).where(
            Job.state.in_((JobState.QUEUED.value, JobState.RUNNING.value))
        )
    )
    unfinished = {(kind, subject_id) for kind, subject_id in rows}
    datasets = await session.scalars(every_tenant.select(Dataset.id).where(Dataset.state == "validating"))
    trainings = await session.scalars(every_tenant.select(Training.id).where(Training.status == "submitted_to_ray"))
    return [
        error(Check.DATABASE, f"dataset {each} waits for a validation that is not queued", "validate it again")
        for each in datasets
        if (JobKind.VALIDATE.value, each) not in unfinished
    ] + [
        error(Check.DATABASE, f"training {each} waits for a job that is not queued", "restore the database")
        for each in trainings
        if (JobKind.TRAIN.value, each) not in unfinished
    ]
