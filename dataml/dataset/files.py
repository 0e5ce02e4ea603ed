"""File calls."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from dataml.dataset import downloads, previews, service
from dataml.dataset.schemas import FileAnswer, FileList, FilePreview, FileRow
from dataml.dataset.storage import Storage
from dataml.dependencies import AppSettings, Db, Paged, Viewer
from dataml.errors import Invalid

router = APIRouter(prefix="/files", tags=["File"])

FileId = Annotated[int, Query(description="Id of the file.")]


@router.get("/list")
async def list_files(
    dataset_id: Annotated[int, Query(description="Id of the dataset.")], user: Viewer, database: Db, page: Paged
) -> FileList:
    """Files of a dataset, results of batch predictions among them, newest first."""
    async with database.reading() as session:
        total, files = await service.list_files(session, user.scope, dataset_id, page)
    return FileList(total=total, data=[FileRow.of(file) for file in files])


@router.get("/view")
async def view_file(file_id: FileId, user: Viewer, database: Db, settings: AppSettings) -> FilePreview:
    """The first lines of a file."""
    async with database.reading() as session:
        file, _ = await service.get_file(session, user.scope, file_id)
    path = Storage(settings.storage_root).path(file.path)
    lines = await asyncio.to_thread(previews.first_lines, path, "parquet" if file.format == "parquet" else "csv")
    return FilePreview(file_id=file.id, content_preview=lines)


@router.get("/download", response_class=FileResponse)
async def download_file(
    user: Viewer,
    database: Db,
    settings: AppSettings,
    file_path: Annotated[
        str | None,
        Query(description="Name from an answer: `file_path`, `csv_file_path`, `result_path`, ...", max_length=500),
    ] = None,
    file_id: Annotated[int | None, Query(description="Id of the file, instead of a name.")] = None,
) -> FileResponse:
    """The content of a file, byte by byte as it was uploaded, or of one of its copies."""
    async with database.reading() as session:
        if file_path is not None and file_id is None:
            download = await downloads.by_name(session, user.scope, file_path)
        elif file_id is not None and file_path is None:
            download = await downloads.by_id(session, user.scope, file_id)
        else:
            raise Invalid("Send either file_path or file_id.", code="file_path_or_file_id")
    path = await downloads.ready(Storage(settings.storage_root), download)
    # The content is a user's own: a browser must save it, not show it as whatever it looks like.
    headers = {"X-Content-Type-Options": "nosniff"}
    return FileResponse(path, headers=headers, media_type=download.media_type, filename=download.file_name)


@router.get("/get_file_by_id")
async def get_file(file_id: FileId, user: Viewer, database: Db) -> FileAnswer:
    """One file with the names of its copies."""
    async with database.reading() as session:
        file, dataset = await service.get_file(session, user.scope, file_id)
    return FileAnswer.of_dataset(file, dataset)
