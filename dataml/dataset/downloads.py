"""Resolves download names: of a file, of its HDF5 copy, or of the validated copy of a dataset.

A name is looked up among the rows of the tenant; a path that a client sends is never opened.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset import file_service, lake_tables, service
from dataml.dataset.models import File
from dataml.db.scope import Scope
from dataml.errors import NotFound
from dataml.storage.names import display_name
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage

PARQUET: Final = "application/vnd.apache.parquet"
# The content is a user's: a browser must save it, not guess its type and show it.
HEADERS: Final = {"X-Content-Type-Options": "nosniff"}
_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "parquet": PARQUET,
    "hdf": "application/x-hdf5",
}
COMPRESSED_TYPES: Final = {
    ".gz": "application/gzip",
    ".gzip": "application/gzip",
    ".zst": "application/zstd",
    ".zstd": "application/zstd",
}
MEDIA_TYPES: Final = (*_MEDIA_TYPES.values(), *sorted(set(COMPRESSED_TYPES.values())))
"""The media types that a download can have."""


@dataclass(frozen=True)
class Download:
    """A file to send: its storage name, and its name for the client.

    `copied_from` is the file that an HDF5 copy is made from, which may not exist yet.
    """

    path: str
    file_name: str
    format: str
    copied_from: File | None = None

    @property
    def media_type(self) -> str:
        """The media type of the content."""
        suffix = PurePosixPath(self.file_name.lower()).suffix
        compressed = COMPRESSED_TYPES.get(suffix) if self.format == "csv" else None
        return compressed or _MEDIA_TYPES[self.format]


async def get_by_id(session: AsyncSession, scope: Scope, file_id: int) -> Download:
    """Return the download of a file.

    Raises:
        NotFound: `file_not_found`.
        Conflict: `file_in_lake`.
    """
    file, _ = await file_service.get_file(session, scope, file_id)
    return of_file(file)


async def get_by_name(session: AsyncSession, scope: Scope, file_path: str) -> Download:
    """Return the download that a name stands for.

    Raises:
        NotFound: `file_not_found`.
        Conflict: `file_in_lake`.
    """
    stem, _, suffix = file_path.rpartition(".")
    is_hdf = suffix == "hdf"
    paths = [f"{stem}.csv", f"{stem}.parquet"] if is_hdf else [file_path]
    # PostgreSQL takes no NUL, and no row has one.
    file = await file_service.find_file(session, scope, paths) if "\0" not in file_path else None
    if file is not None and is_hdf:
        return Download(file_path, PurePosixPath(file.name).stem + ".hdf", "hdf", copied_from=file)
    if file is not None:
        return of_file(file)
    dataset = await service.find_by_parquet(session, scope, file_path) if suffix == "parquet" else None
    if dataset is None:
        raise NotFound("There is no file with this name.", code="file_not_found")
    return Download(file_path, display_name(f"{dataset.name}.parquet"), "parquet")


def of_file(file: File) -> Download:
    """Return the download of a file that was found.

    Raises:
        Conflict: `file_in_lake`.
    """
    if file.format == "iceberg":
        raise lake_tables.file_in_lake(file)
    return Download(file.path, file.name, file.format)


async def remove(storage: Storage, file: File) -> None:
    """Remove a file whose row is deleted from storage, its HDF5 copy too."""
    for name in (file.path, file.hdf_path):
        await storage.delete(name)


async def fetch(storage: Storage, download: Download) -> Path:
    """Return the local path of the file, fetched from the store, or made, if it is not there yet.

    Raises:
        FileMissing: storage has lost the file.
        Unavailable: `storage_unavailable`, `storage_full`.
    """
    return await asyncio.to_thread(_fetch, storage, download)


def _fetch(storage: Storage, download: Download) -> Path:
    source = download.copied_from
    try:
        path = storage.fetch(download.path) if source is None else _fetch_copy(storage, download.path, source)
        path.stat()
    except FileNotFoundError as error:
        raise FileMissing from error
    return path


def _fetch_copy(storage: Storage, name: str, source: File) -> Path:
    # HDF5's library costs each process of the platform 7 MB.
    from dataml.dataset import hdf

    with suppress(FileMissing):
        if (path := storage.fetch(name)).exists():
            return path
    file_format = "parquet" if source.format == "parquet" else "csv"
    path = storage.path(name)
    hdf.ensure_copy(storage.fetch(source.path), file_format, source.csv_options, path)
    storage.publish(name)
    return path
