"""File calls: add, list, preview, download, delete."""

import asyncio
from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import FileResponse

from dataml.access.dependencies import DatasetDeleter, Uploader, Viewer
from dataml.dataset import downloads, file_service, lake_tables, previews, rejection, uploads
from dataml.dataset.models import File
from dataml.dataset.schemas import FileAnswer, FileDeleted, FileList, FilePreview, FileRow, UploadAnswer
from dataml.db.scope import Page
from dataml.errors import Invalid
from dataml.http.csv_options import SentCsvOptions
from dataml.http.dependencies import AppSettings, Db, RequiredSpace, RowDependents
from dataml.http.lists import Filter, ListQuery
from dataml.http.multipart import OPENAPI_BODY, received_files
from dataml.http.openapi import BINARY
from dataml.http.routing import Router
from dataml.jobs.dependencies import Jobs
from dataml.jobs.spec import JobState
from dataml.jobs.waiting import WAIT
from dataml.storage.damage import translate_read_errors
from dataml.storage.storage import Storage

router = Router(prefix="/files", tags=["File"])

FilePage = Annotated[
    Page,
    Depends(
        ListQuery(
            File,
            search=("name",),
            filters={
                "name": Filter("name"),
                "purpose": Filter(
                    values=Literal["source", "prediction", "result"],
                    description="source: uploaded files; prediction, or result: those of batch predictions.",
                    where=lambda value: File.purpose == ("prediction" if value == "result" else value),
                ),
            },
            sort=("id", "name", "created_at", "size_bytes", "total_records"),
            time="created_at",
        )
    ),
]
FileId = Annotated[int, Query(description="Id of the file.")]


@router.post("/add", status_code=201, openapi_extra=OPENAPI_BODY, dependencies=[WAIT])
async def add_files(
    http: Request,
    dataset_id: Annotated[int, Query(description="Id of the dataset.")],
    user: Uploader,
    _: RequiredSpace,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    csv: SentCsvOptions,
) -> UploadAnswer:
    """Add files to a dataset, and start to validate all of it again.

    Until that job has ended, the rows of the last validation can be read, and no training or prediction starts from the
    dataset. A validation that runs is superseded. When the new one is cancelled, the dataset is as it was, without
    these files. Trainings keep the rows that they were made from.
    """
    async with received_files(http, settings.max_upload_bytes) as parts:
        upload = await uploads.add(database, settings, user.scope, dataset_id, parts, csv)
    await jobs.notify()
    if upload.dataset.on_error == "reject":
        upload = await rejection.reject_bad_cells(database, settings, user.scope, upload)
    return UploadAnswer.from_upload(upload.dataset, upload.files, upload.job, upload.warnings)


@router.delete("/delete/{file_id}", dependencies=[WAIT])
async def delete_file(
    file_id: int, user: DatasetDeleter, database: Db, settings: AppSettings, jobs: Jobs, dependents: RowDependents
) -> FileDeleted:
    """Delete a file of a dataset, which is then validated again without it; a validation that runs is superseded.

    When the new validation is cancelled, the file is back, and the dataset as it was.

    After the result of a batch prediction was deleted, its dataset is not validated again.
    """
    async with database.transaction() as session:
        await dependents.release(session, user.scope, File, file_id)
        file, dataset, job = await file_service.delete_file(session, settings, user.scope, file_id)
    if job is None:
        await downloads.remove(Storage.from_settings(settings), file)
    else:
        await jobs.notify()
    return FileDeleted(
        message="File deleted successfully",
        dataset_id=dataset.id,
        state=dataset.state,  # type: ignore[arg-type]
        job_id=job.public_id if job else None,
        job_state=JobState(job.state) if job else None,
    )


@router.get("/list")
async def list_files(
    dataset_id: Annotated[int, Query(description="Id of the dataset.")], user: Viewer, database: Db, page: FilePage
) -> FileList:
    """List the files of a dataset, results of batch predictions included, newest first."""
    async with database.reading() as session:
        total, files = await file_service.list_files(session, user.scope, dataset_id, page)
    return FileList(total=total, data=[FileRow.model_validate(file) for file in files])


@router.get("/view")
async def view_file(file_id: FileId, user: Viewer, database: Db, settings: AppSettings) -> FilePreview:
    """Return the first lines of a file."""
    async with database.reading() as session:
        file, _ = await file_service.get_file(session, user.scope, file_id)
    if file.format == "iceberg":
        raise lake_tables.file_in_lake(file)
    storage = Storage.from_settings(settings)

    def read() -> list[str]:
        file_format = "parquet" if file.format == "parquet" else "csv"
        with translate_read_errors():
            return previews.first_lines(storage.fetch(file.path), file_format, file.encoding)

    return FilePreview(file_id=file.id, content_preview=await asyncio.to_thread(read))


@router.get(
    "/download",
    response_class=FileResponse,
    responses={200: {"content": dict.fromkeys(downloads.MEDIA_TYPES, BINARY), "description": "The file."}},
)
async def download_file(
    user: Viewer,
    database: Db,
    settings: AppSettings,
    file_path: Annotated[
        str | None,
        Query(description="Name in another answer: `file_path`, `csv_file_path`, `result_path`, ...", max_length=500),
    ] = None,
    file_id: Annotated[int | None, Query(description="Id of the file, in place of a name.")] = None,
) -> FileResponse:
    """Return the content of a file, byte for byte as it was uploaded, or of one of its copies."""
    async with database.reading() as session:
        if file_path is not None and file_id is None:
            download = await downloads.get_by_name(session, user.scope, file_path)
        elif file_id is not None and file_path is None:
            download = await downloads.get_by_id(session, user.scope, file_id)
        else:
            raise Invalid("Send either file_path or file_id.", code="file_path_or_file_id")
    path = await downloads.fetch(Storage.from_settings(settings), download)
    return FileResponse(path, headers=downloads.HEADERS, media_type=download.media_type, filename=download.file_name)


@router.get("/get_file_by_id")
async def get_file(file_id: FileId, user: Viewer, database: Db) -> FileAnswer:
    """Return a file with the names of its copies."""
    async with database.reading() as session:
        file, dataset = await file_service.get_file(session, user.scope, file_id)
    return FileAnswer.from_file(file, dataset)
