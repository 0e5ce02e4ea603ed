"""The JSON of the dataset and file calls."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from dataml.contract.contract import Contract
from dataml.contract.warnings import DataWarning
from dataml.dataset.models import Dataset, File
from dataml.http.answers import build_answer
from dataml.http.warnings import WarningAnswer, list_stored_warnings, list_warnings
from dataml.jobs.models import Job
from dataml.jobs.schemas import JOB_STATE, JobError
from dataml.jobs.spec import JobState

DatasetState = Literal["validating", "valid", "invalid", "failed"]
Usage = Literal["t", "p"]
OnError = Literal["quarantine", "reject"]
_USAGES = {"t": "Training", "p": "Prediction"}


class WrongCell(BaseModel):
    """A cell that breaks a rule."""

    file: str = Field(description="Name of the file.")
    row: int = Field(description="Data row of the file, counted from 1.")
    column: str = Field(description="Name of the column.")
    value: str = Field(description="The value as written in the file, cut after 200 characters.")
    rule: str = Field(description="Code of the rule that the value breaks; it does not change.")
    reason: str = Field(description="What is wrong with the value.")


class WrongCellList(BaseModel):
    """A page of the wrong cells of a dataset."""

    total: int = Field(description="Number of wrong cells that the filters select.")
    data: list[WrongCell] = Field(description="The page, in the order of files and rows.")


class FileErrors(BaseModel):
    """The wrong cells of a file."""

    total_errors: int = Field(description="Number of wrong cells.")
    rows_with_errors: int = Field(description="Number of rows with wrong cells; these were quarantined.")
    by_column: dict[str, int] = Field(description="Wrong cells by column.")
    by_rule: dict[str, int] = Field(description="Wrong cells by the rule they break.")
    first: list[WrongCell] = Field(description="The first wrong cells, 100 at most.")


class FileRow(BaseModel):
    """A file in a list."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    dataset_id: int = Field(description="Dataset that the file belongs to.")
    id: int = Field(description="Id of the file.")
    file_name: str = Field(validation_alias="name", description="Name that the file was uploaded with.")
    created_at: datetime = Field(description="When the file was uploaded or made.")
    modified_at: datetime = Field(description="When its record was last changed.")
    total_fields: int = Field(description="Number of columns.")
    total_records: int = Field(description="Number of data rows.")
    error_report: FileErrors | None = Field(description="The wrong cells of the file; null when there are none.")
    file_path: str = Field(validation_alias="path", description="Name that `GET /files/download` takes.")
    format: Literal["csv", "parquet", "iceberg"] = Field(
        description="Format of the content; iceberg: the rows of a lake table, which are not in storage."
    )
    purpose: Literal["source", "prediction"] = Field(description="Uploaded, or made by a batch prediction.")
    size_bytes: int = Field(description="Size of the file.")
    encoding: str = Field(description="Encoding of a CSV, as it was said at the upload.")
    delimiter: str | None = Field(
        validation_alias="csv_delimiter",
        description="Delimiter of a CSV, as it was said at the upload or detected; null for other formats.",
    )
    header_row: int | None = Field(
        description="Line of the header of a CSV, as it was said at the upload; null: the first that is not blank."
    )


class FileAnswer(FileRow):
    """A file with the download names of its copies."""

    csv_file_path: str | None = Field(description="Download name of the CSV; null for a Parquet upload.")
    hdf_file_path: str | None = Field(
        description="Download name of an HDF5 copy, made on its first download; null for a lake table."
    )
    parquet_file_path: str | None = Field(
        description="Download name of the typed Parquet with the kept rows of the dataset; null until there is one."
    )

    @classmethod
    def from_file(cls, file: File, dataset: Dataset) -> Self:
        """Return the JSON of a file of this dataset."""
        row = FileRow.model_validate(file)
        return cls(
            **row.model_dump(),
            csv_file_path=file.path if file.format == "csv" else None,
            hdf_file_path=file.hdf_path if file.format != "iceberg" else None,
            parquet_file_path=dataset.parquet if file.purpose == "source" else None,
        )


class FileList(BaseModel):
    """A page of the files of a dataset."""

    total: int = Field(description="Number of files of the dataset.")
    data: list[FileRow] = Field(description="The page, newest first.")


class FilePreview(BaseModel):
    """The first lines of a file."""

    file_id: int = Field(description="Id of the file.")
    content_preview: list[str] = Field(description="The first lines as text, 20 at most; Parquet is shown as CSV.")


class UploadAnswer(BaseModel):
    """The dataset that files were uploaded to, and the job that validates it."""

    dataset_id: int = Field(description="Id of the dataset.")
    dataset_name: str = Field(description="Name of the dataset.")
    data_source: str = Field(description="Where its rows come from.", examples=["csv", "parquet", "iceberg"])
    files: list[FileRow] = Field(description="The files of this upload.")
    job_id: str = Field(
        description="Job that validates every cell; see `GET /jobs/{job_id}`.", examples=["validate-job-7"]
    )
    job_state: JobState = Field(description=JOB_STATE)
    state: DatasetState = Field(description="validating; with on_error=reject, valid or invalid already.")
    usage: Usage = Field(description="t (training) or p (prediction).")
    template_id: int | None = Field(description="Template that it is validated against; null: columns are inferred.")
    warnings: list[WarningAnswer] = Field(
        description="What should be known about the columns. With on_error=reject they are those of all rows, as "
        "`GET /dataset/get_dataset_by_id` has them after the validation. Otherwise they are a first look: those of the "
        "first rows of each file, at most 10,000, and of the first 1,000 columns, where columns are inferred; their "
        "counts are of these rows."
    )

    @classmethod
    def from_upload(
        cls, dataset: Dataset, files: Sequence[File], job: Job, warnings: Iterable[DataWarning] = ()
    ) -> Self:
        """Return the JSON of an upload of these files."""
        return build_answer(
            cls,
            dataset,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            files=[FileRow.model_validate(file) for file in files],
            job_id=job.public_id,
            job_state=job.state,
            warnings=list_warnings(warnings),
        )


class DatasetDeleted(BaseModel):
    """The answer when a dataset was deleted."""

    status_code: int = Field(default=200, description="Always 200.")
    message: str = Field(description="What was done.")


class FileDeleted(DatasetDeleted):
    """The answer when a file was deleted."""

    dataset_id: int = Field(description="Dataset that the file belonged to.")
    state: DatasetState = Field(description="validating, when the dataset is validated again without the file.")
    job_id: str | None = Field(description="Job that validates the dataset; null for the result of a batch prediction.")
    job_state: JobState | None = Field(description=JOB_STATE)


class DatasetRow(BaseModel):
    """A dataset in a list."""

    tenant_id: str = Field(description="Tenant that owns the dataset.")
    dataset_name: str = Field(description="Unique in the tenant.")
    file_count: int = Field(description="Number of files, results of batch predictions included.")
    is_valid: bool = Field(description="Whether trainings and predictions can start from it.")
    created_by: str = Field(description="Who uploaded it.")
    template_id: int | None = Field(
        description="Template that it was validated against; null when columns were inferred."
    )
    data_source: str = Field(description="Where its rows come from.", examples=["csv", "parquet", "iceberg"])
    iceberg_table_name: str | None = Field(
        description="Lake table that the rows came from, or were written to; null until they are there."
    )
    iceberg_snapshot_id: int | None = Field(description="The table's snapshot that has them.")
    raw_table_name: str | None = Field(
        description="Lake table that has all rows as they were uploaded; null until they are there."
    )
    raw_snapshot_id: int | None = Field(description="That table's snapshot that has them.")
    id: int = Field(description="Id of the dataset.")
    template_name: str | None = Field(description="Name of the template.")
    created_at: datetime = Field(description="When it was uploaded.")
    modified_at: datetime = Field(description="When its record was last changed.")
    dataset_usability: str | None = Field(description="Share of rows kept; null before validation.", examples=["85%"])
    usage: Usage = Field(description="t (training) or p (prediction).")
    dataset_usage: Literal["Training", "Prediction"] = Field(description="The usage as a word.")
    state: DatasetState = Field(description="validating, valid, invalid (too few rows kept) or failed.")
    total_records: int = Field(description="Number of data rows of all uploaded files.")
    kept_records: int = Field(description="Number of rows without a wrong cell; 0 before validation.")
    version: int = Field(description="Number of validations that have ended; 0 before the first.")

    @classmethod
    def from_dataset(cls, dataset: Dataset, file_count: int, template_name: str | None) -> Self:
        """Return the JSON of a dataset."""
        return build_answer(
            cls,
            dataset,
            dataset_name=dataset.name,
            file_count=file_count,
            is_valid=dataset.state == "valid",
            iceberg_table_name=dataset.iceberg_table_name if dataset.iceberg_snapshot_id is not None else None,
            raw_table_name=dataset.raw_table_name if dataset.raw_snapshot_id is not None else None,
            template_name=template_name,
            dataset_usability=dataset.usability,
            dataset_usage=_USAGES[dataset.usage],
        )


class DatasetList(BaseModel):
    """A page of datasets."""

    total: int = Field(description="Number of datasets of the tenant.")
    data: list[DatasetRow] = Field(description="The page, newest first.")


class DatasetColumn(BaseModel):
    """A column of a validated dataset."""

    model_config = ConfigDict(from_attributes=True)

    column_name: str = Field(validation_alias="name", description="Name of the column.")
    data_type: str = Field(description="Type of its values.", examples=["Float"])
    default_value: str | None = Field(validation_alias="default", description="Value that replaces a missing one.")
    date_order: Literal["dmy", "mdy", "ymd"] | None = Field(
        description="How 08/09/2024 was read; null where it made no difference."
    )
    date_format: str | None = Field(
        description="What digits count in a Date or Timestamp; null where dates are written."
    )
    time_zone: str | None = Field(
        description="Zone of a Timestamp's local times, and of its days and hours; null for UTC.",
        examples=["Europe/Berlin"],
    )
    number_format: str | None = Field(
        description="How numbers are written: 1234.5 in that spelling; null where plainly.", examples=["1.234,5"]
    )
    missing_values: list[str] | None = Field(
        description="Texts that stand for a missing value; null where the usual ones do, and none in a String."
    )
    strip: bool = Field(description="Whether the blanks around a text were left out.")


class ErrorSummary(BaseModel):
    """The wrong cells of a dataset in numbers."""

    total_errors: int = Field(description="Number of wrong cells of all files.")
    rows_with_errors: int = Field(description="Number of rows that were quarantined.")
    by_column: dict[str, int] = Field(description="Wrong cells by column.")
    by_rule: dict[str, int] = Field(description="Wrong cells by the rule they break.")

    @classmethod
    def from_files(cls, files: Sequence[File]) -> "ErrorSummary":
        """Return the sums over the error reports of files."""
        reports = [FileErrors.model_validate(file.error_report) for file in files if file.error_report is not None]
        return ErrorSummary(
            total_errors=sum(report.total_errors for report in reports),
            rows_with_errors=sum(report.rows_with_errors for report in reports),
            by_column=_sum_counts(report.by_column for report in reports),
            by_rule=_sum_counts(report.by_rule for report in reports),
        )


class DatasetAnswer(DatasetRow):
    """A dataset with its columns and its wrong cells in numbers."""

    dataset_path: str = Field(description="Storage name of the folder with the uploaded files.")
    validated_path: str | None = Field(description="Storage name of the typed Parquet with the kept rows.")
    validated_sha256: str | None = Field(
        description="SHA-256 of that file; null when an older version of dataml validated the dataset."
    )
    template_version: int | None = Field(description="Version of the template that it was validated against.")
    columns: list[DatasetColumn] | None = Field(
        serialization_alias="schema", description="Its columns; null before validation."
    )
    error_summary: ErrorSummary = Field(description="Its wrong cells in numbers.")
    warnings: list[WarningAnswer] = Field(description="What to know about its columns; empty before validation.")
    failure: str | None = Field(description="Why the validation failed; null unless it did.")
    on_error: OnError = Field(description="What happens to a row with a wrong cell: see `POST /dataset/upload`.")
    job_id: str | None = Field(description="Job that validates or validated it.")

    @classmethod
    def from_row(cls, row: DatasetRow, dataset: Dataset, files: Sequence[File], job: Job | None) -> Self:
        """Return the JSON of a dataset with these uploaded files and its newest validate job."""
        return build_answer(
            cls,
            dataset,
            **row.model_dump(),
            dataset_path=str(PurePosixPath(files[0].path).parent) if files else "",
            validated_path=dataset.parquet,
            validated_sha256=dataset.parquet_sha256,
            columns=_columns(dataset),
            error_summary=ErrorSummary.from_files(files),
            warnings=list_stored_warnings(dataset.warnings),
            job_id=job.public_id if job else None,
        )


class DatasetPreview(BaseModel):
    """A page of the rows of a dataset."""

    preview: list[dict[str, Any]] = Field(
        description="Rows in file order. Kept rows are typed: dates as ISO 8601, text cut after 4,096 characters."
    )
    total: int = Field(description="Number of rows of this kind.")


class JobStarted(BaseModel):
    """The answer when a job was started."""

    status: Literal["success"] = Field(default="success", description="Always success: the job was queued.")
    message: str = Field(description="What was started.")
    job_id: str = Field(description="Id of the job; see `GET /jobs/{job_id}`.", examples=["stat-job-12"])
    job_state: JobState = Field(description=JOB_STATE)


class StatisticsAnswer(BaseModel):
    """The statistics of a dataset, and the state of their job."""

    dataset_id: int = Field(description="Id of the dataset.")
    status: JobState = Field(description="State of the newest job.")
    job_id: str = Field(description="The newest job.")
    statistics: dict[str, Any] | None = Field(description="Result of the last job that succeeded; null before one did.")
    error: JobError | None = Field(description="Why the newest job failed; null unless it did.")

    @classmethod
    def from_dataset(cls, dataset: Dataset, job: Job, statistics: dict[str, Any] | None) -> Self:
        """Return the JSON of these statistics of a dataset, with the job that computes them."""
        error = JobError(code=job.failure_code, detail=job.failure_detail or "") if job.failure_code else None
        return cls(
            dataset_id=dataset.id,
            status=JobState(job.state),
            job_id=job.public_id,
            statistics=statistics,
            error=error,
        )


class FileErrorReport(FileErrors):
    """The wrong cells of a file that is named."""

    file_id: int = Field(description="Id of the file.")
    file_name: str = Field(description="Name of the file.")


class ErrorReportAnswer(ErrorSummary):
    """The wrong cells of a dataset, in numbers and by file."""

    dataset_id: int = Field(description="Id of the dataset.")
    total_records: int = Field(description="Number of data rows of all uploaded files.")
    kept_records: int = Field(description="Number of rows without a wrong cell.")
    dataset_usability: str | None = Field(description="Share of rows kept.", examples=["85%"])
    files: list[FileErrorReport] = Field(description="The files with wrong cells, and the first cells of each.")

    @classmethod
    def from_dataset(cls, dataset: Dataset, files: Sequence[File]) -> Self:
        """Return the JSON of the error report of a dataset with these uploaded files."""
        return build_answer(
            cls,
            dataset,
            **ErrorSummary.from_files(files).model_dump(),
            dataset_id=dataset.id,
            dataset_usability=dataset.usability,
            files=[
                FileErrorReport(file_id=file.id, file_name=file.name, **file.error_report)
                for file in files
                if file.error_report is not None
            ],
        )


def _columns(dataset: Dataset) -> list[DatasetColumn] | None:
    if dataset.contract is None:
        return None
    return [DatasetColumn.model_validate(column) for column in Contract.from_json(dataset.contract).columns]


def _sum_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
