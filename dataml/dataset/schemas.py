"""What dataset and file calls answer."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, Field

from dataml.contract.contract import Contract
from dataml.dataset.models import Dataset, File
from dataml.jobs.schemas import JobError
from dataml.jobs.spec import JobState

DatasetState = Literal["validating", "valid", "invalid", "failed"]
Usage = Literal["t", "p"]
OnError = Literal["quarantine", "reject"]
_USAGES = {"t": "Training", "p": "Prediction"}


class WrongCell(BaseModel):
    file: str = Field(description="Name of the file.")
    row: int = Field(description="Data row of the file, counted from 1.")
    column: str = Field(description="Name of the column.")
    value: str = Field(description="The value as it stands in the file, cut after 200 characters.")
    rule: str = Field(description="Stable word for the rule that the value breaks.")
    reason: str = Field(description="What is wrong with the value.")


class FileErrors(BaseModel):
    total_errors: int = Field(description="Wrong cells.")
    rows_with_errors: int = Field(description="Rows that hold them; these were quarantined.")
    by_column: dict[str, int] = Field(description="Wrong cells by column.")
    by_rule: dict[str, int] = Field(description="Wrong cells by the rule they break.")
    first: list[WrongCell] = Field(description="The first wrong cells, 100 at most.")


class FileRow(BaseModel):
    dataset_id: int = Field(description="Dataset that the file belongs to.")
    id: int = Field(description="Id of the file.")
    file_name: str = Field(description="What the user called the file.")
    created_at: datetime = Field(description="When the file was uploaded or made.")
    modified_at: datetime = Field(description="When something was last written down about it.")
    total_fields: int = Field(description="Columns.")
    total_records: int = Field(description="Data rows.")
    error_report: FileErrors | None = Field(description="What was wrong in its cells; null when nothing was.")
    file_path: str = Field(description="Name that `GET /files/download` takes.")
    format: Literal["csv", "parquet", "iceberg"] = Field(
        description="Format of the content; iceberg: the rows of a lake table, which are not in storage."
    )
    purpose: Literal["source", "prediction"] = Field(description="Uploaded, or made by a batch prediction.")
    size_bytes: int = Field(description="Size of the file.")

    @classmethod
    def of(cls, file: File) -> "FileRow":
        return cls.model_validate(_file_fields(file))


class FileAnswer(FileRow):
    csv_file_path: str | None = Field(description="Download name of the CSV; null for a Parquet upload.")
    hdf_file_path: str | None = Field(
        description="Download name of an HDF5 copy, made on its first download; null for a lake table."
    )
    parquet_file_path: str | None = Field(
        description="Download name of the typed Parquet with the kept rows of the dataset; null until there is one."
    )

    @classmethod
    def of_dataset(cls, file: File, dataset: Dataset) -> "FileAnswer":
        return cls.model_validate(
            _file_fields(file)
            | {
                "csv_file_path": file.path if file.format == "csv" else None,
                "hdf_file_path": (
                    str(PurePosixPath(file.path).with_suffix(".hdf")) if file.format != "iceberg" else None
                ),
                "parquet_file_path": dataset.parquet if file.purpose == "source" else None,
            }
        )


class FileList(BaseModel):
    total: int = Field(description="Files of the dataset, on this page or not.")
    data: list[FileRow] = Field(description="The page, newest first.")


class FilePreview(BaseModel):
    file_id: int = Field(description="Id of the file.")
    content_preview: list[str] = Field(description="The first lines as text, 20 at most; Parquet is shown as CSV.")


class UploadAnswer(BaseModel):
    dataset_id: int = Field(description="Id of the new dataset.")
    dataset_name: str = Field(description="Its name.")
    data_source: str = Field(description="Where its rows come from.", examples=["csv", "parquet", "iceberg"])
    files: list[FileRow] = Field(description="Its files.")
    job_id: str = Field(
        description="Job that checks every cell; see `GET /jobs/{job_id}`.", examples=["validate-job-7"]
    )
    state: DatasetState = Field(description="validating; with on_error=reject, valid or invalid already.")
    usage: Usage = Field(description="t (training) or p (prediction).")
    template_id: int | None = Field(description="Template that it is checked against; null when columns are inferred.")

    @classmethod
    def of(cls, dataset: Dataset, files: Sequence[File], job_id: str) -> "UploadAnswer":
        return cls.model_validate(
            {
                "dataset_id": dataset.id,
                "dataset_name": dataset.name,
                "data_source": dataset.data_source,
                "files": [FileRow.of(file) for file in files],
                "job_id": job_id,
                "state": dataset.state,
                "usage": dataset.usage,
                "template_id": dataset.template_id,
            }
        )


class DatasetDeleted(BaseModel):
    status_code: int = Field(default=200, description="Always 200.")
    message: str = Field(description="What was done.")


class FileDeleted(DatasetDeleted):
    dataset_id: int = Field(description="The dataset that it was in.")
    state: DatasetState = Field(description="validating, when the dataset is checked again without it.")
    job_id: str | None = Field(description="The job that checks it; null for the result of a batch prediction.")


class DatasetRow(BaseModel):
    tenant_id: str = Field(description="Tenant that owns the dataset.")
    dataset_name: str = Field(description="Unique in the tenant.")
    file_count: int = Field(description="Files, results of batch predictions included.")
    is_valid: bool = Field(description="Whether trainings and predictions can start from it.")
    created_by: str = Field(description="Who uploaded it.")
    template_id: int | None = Field(
        description="Template that it was checked against; null when columns were inferred."
    )
    data_source: str = Field(description="Where its rows come from.", examples=["csv", "parquet", "iceberg"])
    iceberg_table_name: str | None = Field(
        description="Lake table that the rows came from, or have gone to; null until they are there."
    )
    iceberg_snapshot_id: int | None = Field(description="The table's snapshot that has them.")
    raw_table_name: str | None = Field(
        description="Lake table that has all rows as they were uploaded; null until they are there."
    )
    raw_snapshot_id: int | None = Field(description="That table's snapshot that has them.")
    id: int = Field(description="Id of the dataset.")
    template_name: str | None = Field(description="Name of the template.")
    created_at: datetime = Field(description="When it was uploaded.")
    modified_at: datetime = Field(description="When something was last written down about it.")
    dataset_usability: str | None = Field(description="Share of rows kept; null before validation.", examples=["85%"])
    usage: Usage = Field(description="t (training) or p (prediction).")
    dataset_usage: Literal["Training", "Prediction"] = Field(description="The same in a word.")
    state: DatasetState = Field(description="validating, valid, invalid (too few rows kept) or failed.")
    total_records: int = Field(description="Data rows of all uploaded files.")
    kept_records: int = Field(description="Rows without a wrong cell; 0 before validation.")
    version: int = Field(description="Counts the validations that have ended; 0 before the first.")

    @classmethod
    def of(cls, dataset: Dataset, file_count: int, template_name: str | None) -> "DatasetRow":
        return cls.model_validate(_dataset_fields(dataset, file_count, template_name))


class DatasetList(BaseModel):
    total: int = Field(description="Datasets of the tenant, on this page or not.")
    data: list[DatasetRow] = Field(description="The page, newest first.")


class SchemaColumn(BaseModel):
    column_name: str = Field(description="Name of the column.")
    data_type: str = Field(description="Its type.", examples=["Float"])
    default_value: str | None = Field(description="What fills a missing value.")
    date_order: Literal["dmy", "mdy"] | None = Field(
        description="How 08/09/2024 was read; null where it did not matter."
    )


class ErrorSummary(BaseModel):
    total_errors: int = Field(description="Wrong cells of all files.")
    rows_with_errors: int = Field(description="Rows that were quarantined.")
    by_column: dict[str, int] = Field(description="Wrong cells by column.")
    by_rule: dict[str, int] = Field(description="Wrong cells by the rule they break.")

    @classmethod
    def of(cls, files: Sequence[File]) -> "ErrorSummary":
        reports = [FileErrors.model_validate(file.error_report) for file in files if file.error_report is not None]
        return cls(
            total_errors=sum(report.total_errors for report in reports),
            rows_with_errors=sum(report.rows_with_errors for report in reports),
            by_column=_added([report.by_column for report in reports]),
            by_rule=_added([report.by_rule for report in reports]),
        )


class DatasetAnswer(DatasetRow):
    dataset_path: str = Field(description="Storage name of the folder with the uploaded files.")
    validated_path: str | None = Field(description="Storage name of the typed Parquet with the kept rows.")
    template_version: int | None = Field(description="Version of the template that it was checked against.")
    columns: list[SchemaColumn] | None = Field(
        serialization_alias="schema", description="Its columns; null before validation."
    )
    error_summary: ErrorSummary = Field(description="What was wrong in its cells, in numbers.")
    failure: str | None = Field(description="Why the validation failed, when it did.")
    on_error: OnError = Field(description="What a wrong cell does: to its row, or to the upload.")
    job_id: str | None = Field(description="The job that validates or validated it.")

    @classmethod
    def of_files(cls, row: DatasetRow, dataset: Dataset, files: Sequence[File], job_id: str | None) -> "DatasetAnswer":
        return cls(
            **row.model_dump(),
            dataset_path=str(PurePosixPath(files[0].path).parent) if files else "",
            validated_path=dataset.parquet,
            template_version=dataset.template_version,
            columns=_schema(dataset),
            error_summary=ErrorSummary.of(files),
            failure=dataset.failure,
            on_error="reject" if dataset.on_error == "reject" else "quarantine",
            job_id=job_id,
        )


class DatasetPreview(BaseModel):
    preview: list[dict[str, Any]] = Field(
        description="Kept rows in file order, typed; dates as ISO 8601, text cut after 4,096 characters."
    )
    total: int = Field(description="Rows of this kind in all.")


class JobStarted(BaseModel):
    status: Literal["success"] = Field(default="success", description="Always success: the job was taken.")
    message: str = Field(description="What was started.")
    job_id: str = Field(description="Id of the job; see `GET /jobs/{job_id}`.", examples=["stat-job-12"])


class StatisticsAnswer(BaseModel):
    dataset_id: int = Field(description="Id of the dataset.")
    status: JobState = Field(description="State of the newest job; statistics are there when one has succeeded.")
    job_id: str = Field(description="The newest job.")
    statistics: dict[str, Any] | None = Field(description="What the last job that succeeded found.")
    error: JobError | None = Field(description="Why the newest job failed, when it did.")


class FileErrorReport(FileErrors):
    file_id: int = Field(description="Id of the file.")
    file_name: str = Field(description="Name of the file.")


class ErrorReportAnswer(ErrorSummary):
    dataset_id: int = Field(description="Id of the dataset.")
    total_records: int = Field(description="Data rows of all uploaded files.")
    kept_records: int = Field(description="Rows without a wrong cell.")
    dataset_usability: str | None = Field(description="Share of rows kept.", examples=["85%"])
    files: list[FileErrorReport] = Field(description="The files that have wrong cells, with the first of these.")

    @classmethod
    def of_dataset(cls, dataset: Dataset, files: Sequence[File]) -> "ErrorReportAnswer":
        return cls(
            **ErrorSummary.of(files).model_dump(),
            dataset_id=dataset.id,
            total_records=dataset.total_records,
            kept_records=dataset.kept_records,
            dataset_usability=usability(dataset),
            files=[
                FileErrorReport(file_id=file.id, file_name=file.name, **file.error_report)
                for file in files
                if file.error_report is not None
            ],
        )


def usability(dataset: Dataset) -> str | None:
    """The share of rows kept as a whole percentage, rounded down: 100% means all. None before validation has ended."""
    if dataset.parquet is None:
        return None
    return f"{100 * dataset.kept_records // dataset.total_records if dataset.total_records else 0}%"


def _schema(dataset: Dataset) -> list[SchemaColumn] | None:
    if dataset.contract is None:
        return None
    return [
        SchemaColumn(column_name=c.name, data_type=c.data_type, default_value=c.default, date_order=c.date_order)
        for c in Contract.from_json(dataset.contract).columns
    ]


def _added(counts: list[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _file_fields(file: File) -> dict[str, object]:
    return {
        "dataset_id": file.dataset_id,
        "id": file.id,
        "file_name": file.name,
        "created_at": file.created_at,
        "modified_at": file.modified_at,
        "total_fields": file.total_fields,
        "total_records": file.total_records,
        "error_report": file.error_report,
        "file_path": file.path,
        "format": file.format,
        "purpose": file.purpose,
        "size_bytes": file.size_bytes,
    }


def _dataset_fields(dataset: Dataset, file_count: int, template_name: str | None) -> dict[str, object]:
    return {
        "tenant_id": dataset.tenant_id,
        "dataset_name": dataset.name,
        "file_count": file_count,
        "is_valid": dataset.state == "valid",
        "created_by": dataset.created_by,
        "template_id": dataset.template_id,
        "data_source": dataset.data_source,
        "iceberg_table_name": dataset.iceberg_table_name if dataset.iceberg_snapshot_id is not None else None,
        "iceberg_snapshot_id": dataset.iceberg_snapshot_id,
        "raw_table_name": dataset.raw_table_name if dataset.raw_snapshot_id is not None else None,
        "raw_snapshot_id": dataset.raw_snapshot_id,
        "id": dataset.id,
        "template_name": template_name,
        "created_at": dataset.created_at,
        "modified_at": dataset.modified_at,
        "dataset_usability": usability(dataset),
        "usage": dataset.usage,
        "dataset_usage": _USAGES[dataset.usage],
        "state": dataset.state,
        "total_records": dataset.total_records,
        "kept_records": dataset.kept_records,
        "version": dataset.version,
    }
