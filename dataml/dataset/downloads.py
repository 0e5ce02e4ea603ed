"""What a download name stands for: a file, its HDF5 copy, or the validated copy of a dataset.

A name is looked up among the rows of the own tenant and never opened as it is given.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset import hdf, lake_tables, service
from dataml.dataset.models import File
from dataml.db.scope import Scope
from dataml.errors import NotFound
from dataml.storage.names import display_name
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage

_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "hdf": "application/x-hdf5",
}
COMPRESSED_TYPES: Final = {
    ".gz": "application/gzip",
    ".gzip": "application/gzip",
    ".zst": "application/zstd",
    ".zstd": "application/zstd",
}


@dataclass(frozen=True)
class Download:
    """A file to send: its storage name and what to call it; `copied_from` when it may still have to be made."""

    path: str
    file_name: str
    format: str
    copied_from: File | None = None

    @property
    def media_type(self) -> str:
        compressed = (
            COMPRESSED_TYPES.get(PurePosixPath(self.file_name.lower()).suffix) if self.format == "csv" else None
        )
        return compressed or _MEDIA_TYPES[self.format]


async def by_id(session: AsyncSession, scope: Scope, file_id: int) -> Download:
    """Raises:
    NotFound: `file_not_found`.
    Conflict: `file_in_lake`.
    """
    file, _ = await service.get_file(session, scope, file_id)
    return _download(file)


async def by_name(session: AsyncSession, scope: Scope, file_path: str) -> Download:
    """Raises:
    NotFound: `file_not_found`.
    Conflict: `file_in_lake`.
    """
    stem, _, suffix = file_path.rpartition(".")
    wanted = [f"{stem}.csv", f"{stem}.parquet"] if suffix == "hdf" else [file_path]
    # PostgreSQL takes no NUL, and no row has one.
    file = await service.find_file(session, scope, wanted) if "\0" not in file_path else None
    if file is not None and suffix == "hdf":
        return Download(file_path, PurePosixPath(file.name).stem + ".hdf", "hdf", copied_from=file)
    if file is not None:
        return _download(file)
    dataset = await service.find_by_parquet(session, scope, file_path) if suffix == "parquet" else None
    if dataset is None:
        raise NotFound("There is no file with this name.", code="file_not_found")
    return Download(file_path, display_name(f"{dataset.name}.parquet"), "parquet")


def _download(file: File) -> Download:
    if file.format == "iceberg":
        raise lake_tables.in_lake(file)
    return Download(file.path, file.name, file.format)


async def remove(storage: Storage, file: File) -> None:
    """Remove what storage has of a file whose row is gone, its HDF5 copy included."""
    for name in (file.path, str(PurePosixPath(file.path).with_suffix(".hdf"))):
        await storage.delete(name)


async def ready(storage: Storage, download: Download) -> Path:
    """The local path, once there is a file to send.

    Raises:
        FileMissing: storage has lost it.
        Unavailable: the store is away, or full.
    """
    return await asyncio.to_thread(_ready, storage, download)


def _ready(storage: Storage, download: Download) -> Path:
    try:
        path = _fetched(storage, download)
        path.stat()
    except FileNotFoundError as error:
        raise FileMissing from error
    return path


def _fetched(storage: Storage, download: Download) -> Path:
    source = download.copied_from
    if source is None:
        return storage.fetch(download.path)
    with suppress(FileMissing):
        if (path := storage.fetch(download.path)).exists():
            return path
    file_format = "parquet" if source.format == "parquet" else "csv"
    path = storage.path(download.path)
    hdf.ensure_copy(storage.fetch(source.path), file_format, source.delimiter, path)
    storage.publish(download.path)
    return path
