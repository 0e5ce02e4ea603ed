"""Stores the files of an upload and checks their structure; a failure removes what it has stored."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from starlette.datastructures import UploadFile

from dataml.contract.contract import Contract
from dataml.contract.files import reading
from dataml.contract.files.detection import SNIFF_BYTES, FileFormat, detect_format
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.dataset.downloads import COMPRESSED_TYPES
from dataml.errors import Invalid, UnsupportedMedia
from dataml.storage.names import display_name
from dataml.storage.storage import Storage, run_in_storage_thread, upload_too_large

T = TypeVar("T")
_SUFFIXES: Final = frozenset({"", ".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".data", ".parquet", ".pq"})


@dataclass(frozen=True)
class StoredFile:
    """A file in storage whose structure is valid."""

    name: str
    path: str
    size_bytes: int
    format: FileFormat
    summary: reading.SourceSummary

    @property
    def csv(self) -> CsvOptions:
        """What is known about a CSV."""
        return self.summary.csv


class StoredUpload:
    """The files of an upload, in a folder of their own in storage; `commit` keeps them."""

    def __init__(self, storage: Storage, folder: str, files: Sequence[StoredFile]) -> None:
        self.files = files
        self._storage = storage
        self._folder = folder
        self._commit: asyncio.Task[Any] | None = None

    async def publish(self) -> None:
        """Upload the files to the object store, if there is one: they have to be there before a row names them.

        Raises:
            Unavailable: `storage_full`, `storage_unavailable`.
        """
        await run_in_storage_thread(self._storage.publish, self._folder)

    async def commit(self, transaction: Coroutine[Any, Any, T]) -> T:
        """Return the result of a transaction whose rows name the files, which stay in storage unless it fails.

        A client that goes away does not stop the transaction: it would leave rows without files.
        """
        self._commit = asyncio.create_task(transaction)
        return await asyncio.shield(self._commit)

    @property
    def is_kept(self) -> bool:
        """Whether the files are named by rows that are committed, or are being committed."""
        commit = self._commit
        if commit is None or not commit.done():
            return commit is not None
        return not commit.cancelled() and commit.exception() is None


@asynccontextmanager
async def stored_upload(
    storage: Storage,
    tenant_id: str,
    parts: Sequence[UploadFile],
    budget_bytes: int,
    contract: Contract | None,
    csv: CsvOptions = PLAIN_CSV,
    *,
    partial: bool = False,
) -> AsyncIterator[StoredUpload]:
    """Store the files of a request in a new folder, which is removed at the end unless `StoredUpload.commit` keeps it.

    With `partial`, as for prediction data, a file need not have all columns of the contract.

    Raises:
        TooLarge: `upload_too_large`.
        UnsupportedMedia: `unsupported_file`.
        Invalid: the structure of a file is broken, or its columns do not fit; see `contract.files.reading`.
        Unavailable: `storage_full`.
    """
    folder = storage.new_upload_folder(tenant_id)
    upload: StoredUpload | None = None
    try:
        files = await _store(storage, folder, parts, budget_bytes, contract, csv, partial)
        upload = StoredUpload(storage, folder, files)
        yield upload
    finally:
        if upload is None or not upload.is_kept:
            await storage.delete(folder)


async def _store(
    storage: Storage,
    folder: str,
    parts: Sequence[UploadFile],
    budget_bytes: int,
    contract: Contract | None,
    csv: CsvOptions,
    partial: bool,
) -> list[StoredFile]:
    if sum(part.size or 0 for part in parts) > budget_bytes:
        raise upload_too_large()
    # The uncompressed text counts too: small archives can contain very large files.
    remaining_bytes, remaining_text_bytes = budget_bytes, budget_bytes
    files: list[StoredFile] = []
    for number, part in enumerate(parts, 1):
        stem = f"{folder}/{number}"
        file = await _store_file(storage, stem, part, remaining_bytes, remaining_text_bytes, contract, csv, partial)
        remaining_bytes -= file.size_bytes
        remaining_text_bytes -= file.summary.text_bytes
        files.append(file)
    if contract is None:
        check_same_columns(files[1:], files[0].summary.names, files[0].name)
    return files


async def _store_file(
    storage: Storage,
    stem: str,
    part: UploadFile,
    budget_bytes: int,
    text_budget_bytes: int,
    contract: Contract | None,
    csv: CsvOptions,
    partial: bool,
) -> StoredFile:
    name = display_name(part.filename or "")
    _check_suffix(name)
    first_bytes = await part.read(SNIFF_BYTES)
    await part.seek(0)
    with _name_in_errors(name):
        file_format = detect_format(name, first_bytes, csv)
        path = f"{stem}.{file_format}"
        size_bytes = await storage.write(path, part.file, budget_bytes)
        local_path = storage.path(path)
        summary = await asyncio.to_thread(
            reading.scan_file, local_path, file_format, contract, text_budget_bytes, csv, partial=partial
        )
    return StoredFile(name, path, size_bytes, file_format, summary)


def _check_suffix(name: str) -> None:
    path = PurePosixPath(name.lower())
    suffix = PurePosixPath(path.stem).suffix if path.suffix in COMPRESSED_TYPES else path.suffix
    if suffix not in _SUFFIXES:
        raise UnsupportedMedia(f"{name}: files are CSV or Parquet, and {suffix} is neither.", code="unsupported_file")


@contextmanager
def _name_in_errors(name: str) -> Iterator[None]:
    """Put the name of the file before the sentence of an error."""
    try:
        yield
    except Invalid as error:
        detail = error.detail if error.detail.startswith(f"{name}: ") else f"{name}: {error.detail}"
        raise Invalid(detail, code=error.code) from error


def check_same_columns(files: Sequence[StoredFile], names: Sequence[str], owner: str) -> None:
    """Check that files without a template have the columns of `owner`, in any order.

    Raises:
        Invalid: `different_columns`.
    """
    for file in files:
        differing = sorted(set(file.summary.names) ^ set(names))
        if differing:
            detail = f"{file.name} and {owner} have different columns: {', '.join(map(repr, differing[:10]))}."
            raise Invalid(detail, code="different_columns")
