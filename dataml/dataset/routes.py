"""Dataset calls."""

import asyncio
from dataclasses import replace
from typing import Annotated, Literal

import orjson
from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.dependencies import DatasetDeleter, Uploader, Viewer
from dataml.access.permissions import Permission
from dataml.datalake.dependencies import AppLakes
from dataml.dataset import lake_tables, previews, rejection, service, uploads
from dataml.dataset.lake_options import LakeOptions
from dataml.dataset.models import Dataset
from dataml.dataset.schemas import (
    DatasetAnswer,
    DatasetDeleted,
    DatasetList,
    DatasetPreview,
    DatasetRow,
    ErrorReportAnswer,
    JobStarted,
    OnError,
    StatisticsAnswer,
    UploadAnswer,
)
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.http.dependencies import AppSettings, Db, Paged, RowDependents
from dataml.http.multipart import OPENAPI_BODY, received_files
from dataml.http.routing import Router
from dataml.jobs import service as job_service
from dataml.jobs.dependencies import Jobs
from dataml.jobs.schemas import JobError
from dataml.jobs.spec import QUARANTINE_ORIGIN_COLUMNS, JobKind, JobState, quarantine_column_names
from dataml.storage.storage import Storage

router = Router(prefix="/dataset", tags=["Dataset"])

DatasetId = Annotated[int, Query(description="Id of the dataset.")]
DatasetName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Query(description="Name of the new dataset, unique in the tenant."),
]


@router.post("/upload", status_code=201, openapi_extra=OPENAPI_BODY)
async def upload_dataset(
    http: Request,
    user: Uploader,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    lakes: AppLakes,
    lake: Annotated[LakeOptions, Depends()],
    dataset_name: DatasetName,
    usage: Annotated[str, Query(description="t (train, training) or p (predict, prediction).", max_length=20)],
    template_id: Annotated[
        int | None, Query(description="Template to check against; without one the columns are inferred and shown.")
    ] = None,
    on_error: Annotated[
        OnError,
        Query(
            description="What a wrong cell does: quarantine sets its row aside and reports it; reject fails the upload "
            "with 422. For that the answer waits until all cells are checked, at most a minute: after that it is 201 "
            "with state validating, and a wrong cell makes the dataset failed."
        ),
    ] = "quarantine",
) -> UploadAnswer:
    """Upload the files of a new dataset, or name a lake table, and begin to check every cell.

    A file with a broken structure (not UTF-8, ragged rows, a missing column, ...) is refused at once, and nothing of
    the upload stays behind. Wrong cells set their rows aside; `GET /dataset/error-report` tells which.
    """
    request = uploads.UploadRequest(dataset_name, uploads.parse_usage(usage), template_id, on_error)
    template = await uploads.check(database, user.scope, request)
    async with received_files(http, settings.max_upload_bytes, may_be_none=bool(lake.iceberg_table_name)) as parts:
        lake.check(has_files=bool(parts))
        if parts:
            valid, raw = await lake_tables.targets(lakes, user.scope, lake, template.contract)
            request = replace(request, target=valid, raw=raw)
            uploaded = await uploads.create(database, settings, user.scope, request, template, parts)
        else:
            user.require(Permission.READ_DATALAKE)
            source = await lake_tables.find_source(database, lakes, user.scope, lake, template.contract)
            uploaded = await uploads.create_from_table(database, settings, user.scope, request, template, source)
    await jobs.notify()
    if on_error == "reject":
        uploaded = await rejection.reject_bad_cells(database, settings, user.scope, uploaded)
    return UploadAnswer.of(uploaded.dataset, uploaded.files, uploaded.job.public_id)


@router.delete("/delete/{dataset_id}")
async def delete_dataset(
    dataset_id: int, user: DatasetDeleter, database: Db, settings: AppSettings, jobs: Jobs, dependents: RowDependents
) -> DatasetDeleted:
    """Delete a dataset that no training was made from, with its files and what was found in them. Predictions of its
    rows stay in the prediction log, and rows that went to the lake in the lake."""
    async with database.transaction() as session:
        dataset = await service.hold_to_delete(session, user.scope, dataset_id)
        await dependents.release(session, user.scope, Dataset, dataset_id)
        folders = await service.delete(session, user.scope, dataset)
    await jobs.notify()
    for folder in folders:
        await Storage.from_settings(settings).delete(folder)
    return DatasetDeleted(message="Dataset deleted successfully")


@router.get("/list")
async def list_datasets(user: Viewer, database: Db, page: Paged) -> DatasetList:
    """Datasets of the tenant, newest first."""
    total, rows = await _rows(database, user.scope, page, only_valid=False)
    return DatasetList(total=total, data=rows)


@router.get("/list_validated")
async def list_validated_datasets(user: Viewer, database: Db, page: Paged) -> list[DatasetRow]:
    """Datasets that trainings and predictions can start from, newest first."""
    _, rows = await _rows(database, user.scope, page, only_valid=True)
    return rows


@router.get("/get_dataset_by_id")
async def get_dataset(dataset_id: DatasetId, user: Viewer, database: Db) -> DatasetAnswer:
    """One dataset with its columns and its errors in numbers."""
    async with database.reading() as session:
        dataset = await service.get(session, user.scope, dataset_id)
        row = (await _with_names(session, user.scope, [dataset]))[0]
        files = await service.uploaded_files(session, user.scope, dataset_id)
        job = await job_service.find_latest(session, user.scope, JobKind.VALIDATE, dataset_id)
    return DatasetAnswer.of_files(row, dataset, files, job.public_id if job else None)


@router.get("/view", response_model=DatasetPreview)
async def view_dataset(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    page: Paged,
    columns: Annotated[list[str] | None, Query(description="Only these columns, in this order; repeat it.")] = None,
    rows: Annotated[
        Literal["kept", "set_aside"],
        Query(
            description="kept: the validated rows, typed; set_aside: the quarantined rows (a wrong cell), as written."
        ),
    ] = "kept",
) -> Response:
    """A page of the kept rows, typed, or of the quarantined ones, as text behind `file_id` and `row`."""
    async with database.reading() as session:
        dataset = await service.get_readable(session, user.scope, dataset_id)
    contract, parquet = dataset.validated()
    names = contract.select(dict.fromkeys(columns)).names if columns else None
    total = dataset.kept_records
    if rows == "set_aside":
        total, parquet = dataset.total_records - dataset.kept_records, dataset.set_aside
        names = [*QUARANTINE_ORIGIN_COLUMNS, *quarantine_column_names(names)] if names else None
    storage = Storage.from_settings(settings)

    def render() -> bytes:
        found = previews.read_rows(storage.fetch(parquet), names, page) if parquet is not None else []
        return orjson.dumps({"preview": found, "total": total})

    return Response(await asyncio.to_thread(render), media_type="application/json")


@router.post("/generate_statistics", status_code=202)
async def generate_statistics(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    jobs: Jobs,
    target: Annotated[
        str | None, Query(description="A column: tell how far the others go together with it.", max_length=255)
    ] = None,
) -> JobStarted:
    """Compute descriptive statistics, with Vega-Lite specifications that draw them; `GET /dataset/statistics` has them
    when the job has succeeded. Asking again while it runs answers the same job."""
    async with database.transaction() as session:
        job = await service.describe(session, user.scope, dataset_id, target)
    await jobs.notify()
    return JobStarted(message="Statistics generation job submitted successfully.", job_id=job.public_id)


@router.get("/statistics")
async def get_statistics(dataset_id: DatasetId, user: Viewer, database: Db) -> StatisticsAnswer:
    """The statistics, or how far their job is; 404 when they were never asked for."""
    async with database.reading() as session:
        dataset, job = await service.statistics(session, user.scope, dataset_id)
    error = JobError(code=job.failure_code, detail=job.failure_detail or "") if job.failure_code else None
    return StatisticsAnswer(
        dataset_id=dataset.id,
        status=JobState(job.state),
        job_id=job.public_id,
        statistics=dataset.statistics,
        error=error,
    )


@router.get(
    "/error-report",
    response_model=ErrorReportAnswer,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_error_report(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    report_format: Annotated[
        Literal["json", "csv"],
        Query(alias="format", description="json counts and shows the first; csv has every cell."),
    ] = "json",
) -> ErrorReportAnswer | Response:
    """The cells that set their rows aside."""
    async with database.reading() as session:
        dataset = await service.get_readable(session, user.scope, dataset_id)
        files = await service.uploaded_files(session, user.scope, dataset_id)
    if report_format == "json":
        return ErrorReportAnswer.of_dataset(dataset, files)
    errors = await asyncio.to_thread(Storage.from_settings(settings).fetch, dataset.errors) if dataset.errors else None
    disposition = {"Content-Disposition": f'attachment; filename="dataset_{dataset.id}_errors.csv"'}
    return StreamingResponse(previews.error_lines(errors), media_type="text/csv", headers=disposition)


async def _rows(database: Database, scope: Scope, page: Page, *, only_valid: bool) -> tuple[int, list[DatasetRow]]:
    async with database.reading() as session:
        total, datasets = await service.list_datasets(session, scope, page, only_valid=only_valid)
        return total, await _with_names(session, scope, datasets)


async def _with_names(session: AsyncSession, scope: Scope, datasets: list[Dataset]) -> list[DatasetRow]:
    counts = await service.file_counts(session, scope, datasets)
    names = await service.template_names(session, scope, datasets)
    return [DatasetRow.of(d, counts.get(d.id, 0), names.get(d.template_id or 0)) for d in datasets]
