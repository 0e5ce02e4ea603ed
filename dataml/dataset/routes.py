"""Dataset calls: upload, lists, rows, statistics, error report, deletion."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.dependencies import DatasetDeleter, Uploader, Viewer
from dataml.access.permissions import Permission
from dataml.datalake.dependencies import AppLakes
from dataml.dataset import lake_tables, previews, rejection, selected_rows, service, statistics, uploads, validation
from dataml.dataset.models import Dataset
from dataml.dataset.schemas import (
    DatasetAnswer,
    DatasetDeleted,
    DatasetList,
    DatasetPreview,
    DatasetRow,
    DatasetState,
    ErrorReportAnswer,
    JobStarted,
    StatisticsAnswer,
    UploadAnswer,
    Usage,
    WrongCell,
    WrongCellList,
)
from dataml.dataset.upload_options import LakeOptions, UploadOptions
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.http.csv_options import SentCsvOptions
from dataml.http.dependencies import AppSettings, Db, Paged, RequiredSpace, RowDependents
from dataml.http.lists import Filter, ListQuery
from dataml.http.multipart import OPENAPI_BODY, received_files
from dataml.http.routing import Router
from dataml.jobs import service as job_service
from dataml.jobs.dependencies import Jobs
from dataml.jobs.spec import QUARANTINE_ORIGIN_COLUMNS, JobKind, JobState, quarantine_column_names
from dataml.jobs.time_limits import TimeLimit
from dataml.jobs.waiting import WAIT
from dataml.storage.damage import translate_read_errors
from dataml.storage.storage import Storage

router = Router(prefix="/dataset", tags=["Dataset"])

DatasetPage = Annotated[
    Page,
    Depends(
        ListQuery(
            Dataset,
            search=("name",),
            filters={
                "name": Filter("name"),
                "state": Filter("state", DatasetState),
                "usage": Filter("usage", Usage, "Only datasets for training (t) or prediction (p)."),
                "template_id": Filter("template_id", int),
            },
            sort=("id", "name", "created_at", "modified_at", "total_records"),
            time="created_at",
        )
    ),
]
DatasetId = Annotated[int, Query(description="Id of the dataset.")]


@router.post("/upload", status_code=201, openapi_extra=OPENAPI_BODY, dependencies=[WAIT])
async def upload_dataset(
    http: Request,
    user: Uploader,
    _: RequiredSpace,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    lakes: AppLakes,
    options: Annotated[UploadOptions, Depends()],
    lake: Annotated[LakeOptions, Depends()],
    csv: SentCsvOptions,
) -> UploadAnswer:
    """Create a dataset from uploaded files or from a lake table, and start to validate every cell.

    A file with a broken structure (not UTF-8, rows of different lengths, a missing column, ...) is refused at once, and
    nothing of the upload is stored. Rows with wrong cells are quarantined; `GET /dataset/error-report` lists the cells.
    """
    draft = await uploads.draft_dataset(database, user.scope, options)
    async with received_files(http, settings.max_upload_bytes, may_be_none=bool(lake.iceberg_table_name)) as parts:
        lake.check(has_files=bool(parts))
        if parts:
            # Of prediction data the files decide which columns there are.
            contract = None if draft.usage == "p" else draft.contract
            targets = await lake_tables.resolve_targets(lakes, user.scope, lake, contract)
            upload = await uploads.create(database, settings, user.scope, draft, targets, parts, csv)
        else:
            user.require(Permission.READ_DATALAKE)
            source = await lake_tables.find_source(
                database, lakes, user.scope, lake, draft.contract, partial=draft.usage == "p"
            )
            upload = await uploads.create_from_table(database, settings, user.scope, draft, source)
    await jobs.notify()
    if draft.on_error == "reject":
        upload = await rejection.reject_bad_cells(database, settings, user.scope, upload)
    return UploadAnswer.from_upload(upload.dataset, upload.files, upload.job, upload.warnings)


@router.post("/{dataset_id}/validate", status_code=202, dependencies=[WAIT])
async def validate_dataset(
    dataset_id: int,
    user: Uploader,
    _: RequiredSpace,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    time_limit_s: TimeLimit = None,
) -> JobStarted:
    """Validate a dataset again, with its files and template as they are and the settings of today.

    For a dataset that has failed because storage or the lake was away, and after the required share of rows was
    changed. A validation that runs is superseded. Until the job has ended, the rows of the last validation can be read.
    """
    async with database.transaction() as session:
        job = await validation.validate_again(session, settings, user.scope, dataset_id, time_limit_s)
    await jobs.notify()
    return JobStarted(
        message="Validation job submitted successfully.", job_id=job.public_id, job_state=JobState(job.state)
    )


@router.delete("/delete/{dataset_id}")
async def delete_dataset(
    dataset_id: int, user: DatasetDeleter, database: Db, settings: AppSettings, jobs: Jobs, dependents: RowDependents
) -> DatasetDeleted:
    """Delete a dataset that no training uses, with its files and its error report.

    A validation that runs is cancelled. Predictions of its rows stay in the prediction log, and rows that were written
    to lake tables stay there.
    """
    async with database.transaction() as session:
        dataset, cancelled = await service.hold_to_delete(session, user.scope, dataset_id)
        await dependents.release(session, user.scope, Dataset, dataset_id)
        folders = await service.delete(session, user.scope, dataset, cancelled)
    await jobs.notify()
    for folder in folders:
        await Storage.from_settings(settings).delete(folder)
    return DatasetDeleted(message="Dataset deleted successfully")


@router.get("/list")
async def list_datasets(user: Viewer, database: Db, page: DatasetPage) -> DatasetList:
    """List the datasets of the tenant, newest first."""
    total, rows = await _list_rows(database, user.scope, page, only_valid=False)
    return DatasetList(total=total, data=rows)


@router.get("/list_validated")
async def list_validated_datasets(user: Viewer, database: Db, page: DatasetPage) -> list[DatasetRow]:
    """List the datasets that trainings and predictions can start from, newest first."""
    _, rows = await _list_rows(database, user.scope, page, only_valid=True)
    return rows


@router.get("/get_dataset_by_id")
async def get_dataset(dataset_id: DatasetId, user: Viewer, database: Db) -> DatasetAnswer:
    """Return a dataset with its columns and its wrong cells in numbers."""
    async with database.reading() as session:
        dataset = await service.get(session, user.scope, dataset_id)
        (row,) = await _dataset_rows(session, user.scope, [dataset])
        files = await service.list_uploaded_files(session, user.scope, dataset_id)
        job = await job_service.find_latest(session, user.scope, JobKind.VALIDATE, dataset_id)
    return DatasetAnswer.from_row(row, dataset, files, job)


@router.get("/view", response_model=DatasetPreview)
async def view_dataset(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    page: Paged,
    columns: Annotated[
        list[str] | None, Query(description="Only these columns, in this order; repeat the parameter.")
    ] = None,
    rows: Annotated[
        Literal["kept", "set_aside"],
        Query(description="kept: the validated rows, typed; set_aside: the quarantined rows, as text."),
    ] = "kept",
    sort: Annotated[
        str | None,
        Query(
            description="Column to sort the rows by, or `-` and a column for the reverse; without it in file order. "
            "Text in any case of letters, missing values last.",
            max_length=300,
        ),
    ] = None,
) -> Response:
    """Return a page of the kept rows, typed, or of the quarantined rows, as text after `file_id` and `row`."""
    async with database.reading() as session:
        dataset = await service.get_readable(session, user.scope, dataset_id)
    contract, parquet = dataset.validated()
    names = contract.select(dict.fromkeys(columns)).names if columns else None
    by, is_descending = selected_rows.parse_sort(contract, sort) if sort else (None, False)
    total = dataset.kept_records
    if rows == "set_aside":
        total, parquet = dataset.total_records - dataset.kept_records, dataset.set_aside
        names = [*QUARANTINE_ORIGIN_COLUMNS, *quarantine_column_names(names)] if names else None
        by = quarantine_column_names([by])[0] if by else None
    storage = Storage.from_settings(settings)

    def read() -> list[dict[str, Any]]:
        if parquet is None:
            return []
        path = storage.fetch(parquet)
        if by is None:
            return previews.read_rows(path, names, page)
        return selected_rows.read_sorted(path, names, page, by, descending=is_descending)

    def render() -> bytes:
        with translate_read_errors():
            preview = read()
        return orjson.dumps({"preview": preview, "total": total})

    return Response(await asyncio.to_thread(render), media_type="application/json")


@router.post("/generate_statistics", status_code=202, dependencies=[WAIT])
async def generate_dataset_statistics(
    dataset_id: DatasetId,
    user: Viewer,
    _: RequiredSpace,
    database: Db,
    jobs: Jobs,
    target: Annotated[
        str | None, Query(description="Column to compute the association of each other column with.", max_length=255)
    ] = None,
) -> JobStarted:
    """Start a job that computes descriptive statistics, with Vega-Lite specifications of their charts.

    `GET /dataset/statistics` returns them when the job has succeeded. While the job runs, this call returns the same
    job.
    """
    async with database.transaction() as session:
        job = await statistics.describe(session, user.scope, dataset_id, target)
    await jobs.notify()
    return JobStarted(
        message="Statistics generation job submitted successfully.", job_id=job.public_id, job_state=JobState(job.state)
    )


@router.get("/statistics")
async def get_dataset_statistics(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    columns: Annotated[
        list[str] | None, Query(description="Only the statistics of these columns; repeat the parameter.")
    ] = None,
    charts: Annotated[bool, Query(description="Whether the answer has the Vega-Lite specifications.")] = True,
) -> StatisticsAnswer:
    """Return the statistics of a dataset, or the state of their job; 404 when they were not requested yet."""
    async with database.reading() as session:
        dataset, job = await statistics.get_statistics(session, user.scope, dataset_id)
    selected = statistics.select_parts(dataset, columns, charts=charts)
    return StatisticsAnswer.from_dataset(dataset, job, selected)


@router.get(
    "/error-report",
    response_model=ErrorReportAnswer,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_dataset_error_report(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    report_format: Annotated[
        Literal["json", "csv"],
        Query(alias="format", description="json: counts, and the first cells of each file; csv: every cell."),
    ] = "json",
) -> ErrorReportAnswer | Response:
    """Return the wrong cells of a dataset, whose rows were quarantined."""
    async with database.reading() as session:
        dataset = await service.get_readable(session, user.scope, dataset_id)
        files = await service.list_uploaded_files(session, user.scope, dataset_id)
    if report_format == "json":
        return ErrorReportAnswer.from_dataset(dataset, files)
    storage = Storage.from_settings(settings)
    errors = await asyncio.to_thread(storage.fetch, dataset.errors) if dataset.errors else None
    disposition = {"Content-Disposition": f'attachment; filename="dataset_{dataset.id}_errors.csv"'}
    lines = await asyncio.to_thread(_begin, previews.error_lines(errors))
    return StreamingResponse(lines, media_type="text/csv", headers=disposition)


@router.get("/wrong-cells")
async def list_wrong_cells(
    dataset_id: DatasetId,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    page: Paged,
    column: Annotated[str | None, Query(description="Only cells of this column.")] = None,
    rule: Annotated[str | None, Query(description="Only cells that break this rule.")] = None,
) -> WrongCellList:
    """List the wrong cells of a dataset, in the order of its files and rows.

    `GET /dataset/error-report` has their numbers by column and by rule.
    """
    async with database.reading() as session:
        dataset = await service.get_readable(session, user.scope, dataset_id)
    values = {name: value for name, value in (("column", column), ("rule", rule)) if value is not None}
    if dataset.errors is None:
        return WrongCellList(total=0, data=[])
    storage, name = Storage.from_settings(settings), dataset.errors

    def read() -> tuple[int, list[dict[str, Any]]]:
        with translate_read_errors():
            errors = storage.fetch(name)
            if values:
                return selected_rows.read_matching(errors, previews.ERROR_COLUMNS, page, values)
            return previews.count_rows(errors), previews.read_rows(errors, previews.ERROR_COLUMNS, page)

    total, cells = await asyncio.to_thread(read)
    return WrongCellList(total=total, data=[WrongCell.model_validate(cell) for cell in cells])


def _begin(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first lines before the response begins: a damaged file can still be answered with its error."""
    with translate_read_errors():
        first = [next(lines), *itertools.islice(lines, 1)]
    return itertools.chain(first, lines)


async def _list_rows(database: Database, scope: Scope, page: Page, *, only_valid: bool) -> tuple[int, list[DatasetRow]]:
    async with database.reading() as session:
        total, datasets = await service.list_datasets(session, scope, page, only_valid=only_valid)
        return total, await _dataset_rows(session, scope, datasets)


async def _dataset_rows(session: AsyncSession, scope: Scope, datasets: list[Dataset]) -> list[DatasetRow]:
    counts = await service.count_files(session, scope, datasets)
    names = await service.get_template_names(session, scope, datasets)
    return [DatasetRow.from_dataset(d, counts.get(d.id, 0), names.get(d.template_id or 0)) for d in datasets]
