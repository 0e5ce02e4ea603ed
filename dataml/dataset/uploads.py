"""From the files of a request to a committed dataset and its validate job, or to a refusal that leaves nothing."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from dataml.audit import service as audit
from dataml.contract.contract import Contract
from dataml.contract.files import reading
from dataml.dataset import service
from dataml.dataset.downloads import COMPRESSED_TYPES
from dataml.dataset.lake_tables import Source, Target
from dataml.dataset.models import Dataset, File
from dataml.dataset.schemas import OnError, Usage
from dataml.db.constraints import ConstraintKind, read_violation
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Invalid, NotFound, UnsupportedMedia
from dataml.jobs.models import Job
from dataml.settings import Settings
from dataml.storage.names import display_name
from dataml.storage.storage import Storage, run_in_storage_thread, upload_too_large
from dataml.template import service as templates

_USAGES: Final[dict[str, Usage]] = {
    "t": "t",
    "train": "t",
    "training": "t",
    "p": "p",
    "predict": "p",
    "prediction": "p",
}
_SUFFIXES: Final = frozenset({"", ".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".data", ".parquet", ".pq"})


@dataclass(frozen=True)
class UploadRequest:
    """What an upload asks for besides its files."""

    dataset_name: str
    usage: Usage
    template_id: int | None
    on_error: OnError
    target: Target | None = None
    raw: Target | None = None


@dataclass(frozen=True)
class Template:
    """The template as it was when the upload began; no id means that the columns are inferred."""

    id: int | None = None
    version: int | None = None
    contract: Contract | None = None


@dataclass(frozen=True)
class StoredFile:
    """A file that lies in storage, its structure sound."""

    name: str
    path: str
    size_bytes: int
    format: reading.FileFormat
    summary: reading.SourceSummary


@dataclass(frozen=True)
class Uploaded:
    """What was committed."""

    dataset: Dataset
    files: Sequence[File]
    job: Job
    # Of the dataset, where it was there before and files were added to it.
    state_before: str | None = None


def parse_usage(text: str) -> Usage:
    """Raises:
    Invalid: `invalid_usage`.
    """
    found = _USAGES.get(text.strip().casefold())
    if found is None:
        raise Invalid("usage is t (training) or p (prediction).", code="invalid_usage")
    return found


async def check(database: Database, scope: Scope, request: UploadRequest) -> Template:
    """All that can be refused before a byte of the files is read.

    Raises:
        NotFound: `template_not_found`.
        Conflict: `template_is_empty`, `dataset_exists`.
    """
    async with database.reading() as session:
        if await scope.find(session, Dataset, Dataset.name == request.dataset_name) is not None:
            raise _dataset_exists(request.dataset_name)
        if request.template_id is None:
            return Template()
        template = await templates.get(session, scope, request.template_id)
    if not template.contract["columns"]:
        raise Conflict(
            "This template has no columns; add some, or upload without a template.", code="template_is_empty"
        )
    return Template(template.id, template.version, Contract.from_json(template.contract))


async def create(
    database: Database,
    settings: Settings,
    scope: Scope,
    request: UploadRequest,
    template: Template,
    parts: Sequence[UploadFile],
) -> Uploaded:
    """Store the files, check the structure of each as a whole, and commit dataset, files and validate job together.

    Raises:
        TooLarge: `upload_too_large`, `quota_exceeded`.
        UnsupportedMedia: `unsupported_file`.
        Invalid: the structure of a file is broken, or its columns do not fit; see `contract.files.reading`.
        Conflict: `dataset_exists`.
        Unavailable: `storage_full`, `storage_unavailable`.
    """
    storage = Storage.from_settings(settings)

    def commit(files: Sequence[StoredFile]) -> Coroutine[Any, Any, Uploaded]:
        return _commit(database, settings, scope, request, template, files)

    return await _store_and_commit(storage, settings, scope, template.contract, parts, commit)


async def create_from_table(
    database: Database, settings: Settings, scope: Scope, request: UploadRequest, template: Template, source: Source
) -> Uploaded:
    """Commit a dataset whose rows are a lake table's, and its validate job.

    Raises:
        Conflict: `dataset_exists`.
    """
    try:
        async with database.transaction() as session:
            dataset = _new_dataset(scope, request, template)
            dataset.total_records = source.rows
            dataset.data_source = "iceberg"
            dataset.iceberg_table_name, dataset.iceberg_snapshot_id = source.name, source.snapshot_id
            session.add(dataset)
            await session.flush()
            file = source.new_file(dataset)
            session.add(file)
            await session.flush()
            job = await service.validate(session, settings, scope, dataset, template.contract)
            about = {"name": dataset.name, "table": source.name, "snapshot_id": source.snapshot_id}
            audit.record(session, scope, "dataset.upload", f"dataset:{dataset.id}", **about)
            return Uploaded(dataset, [file], job)
    except IntegrityError as error:
        raise _dataset_exists(request.dataset_name) from error


async def add(
    database: Database, settings: Settings, scope: Scope, dataset_id: int, parts: Sequence[UploadFile]
) -> Uploaded:
    """Add files to a dataset and begin to validate all of it again, with the template's version that it has.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_is_validating`.
        TooLarge, UnsupportedMedia, Invalid: as `create`; `different_columns` where the columns are inferred.
    """
    async with database.reading() as session:
        dataset = await service.find_changeable(session, scope, dataset_id)
        contract = await service.pinned_contract(session, scope, dataset)
    # Without a template the columns that were inferred are what new files are compared with.
    inferred = None if contract is not None or dataset.contract is None else Contract.from_json(dataset.contract)

    def commit(files: Sequence[StoredFile]) -> Coroutine[Any, Any, Uploaded]:
        if inferred is not None:
            _check_same_columns(files, inferred.names, "the dataset")
        return _commit_added(database, settings, scope, dataset_id, contract, files)

    return await _store_and_commit(Storage.from_settings(settings), settings, scope, contract, parts, commit)


async def _store_and_commit(
    storage: Storage,
    settings: Settings,
    scope: Scope,
    contract: Contract | None,
    parts: Sequence[UploadFile],
    commit: Callable[[Sequence[StoredFile]], Coroutine[Any, Any, Uploaded]],
) -> Uploaded:
    folder = storage.new_upload_folder(scope.tenant_id)
    committing: asyncio.Task[Uploaded] | None = None
    try:
        files = await _store(storage, folder, parts, settings.max_upload_bytes, contract)
        await run_in_storage_thread(storage.publish, folder)
        committing = asyncio.create_task(commit(files))
        # A client that goes away during the commit leaves a whole dataset behind, not rows without files.
        return await asyncio.shield(committing)
    finally:
        if committing is None or _has_failed(committing):
            await storage.delete(folder)


def upload_folder(file: File) -> str:
    """Storage name of the folder that holds all files of the upload."""
    return str(PurePosixPath(file.path).parent)


def _has_failed(committing: asyncio.Task[Uploaded]) -> bool:
    return committing.done() and (committing.cancelled() or committing.exception() is not None)


async def _store(
    storage: Storage, folder: str, parts: Sequence[UploadFile], budget_bytes: int, contract: Contract | None
) -> list[StoredFile]:
    if sum(part.size or 0 for part in parts) > budget_bytes:
        raise upload_too_large()
    text_budget_bytes = budget_bytes
    stored: list[StoredFile] = []
    for number, part in enumerate(parts, 1):
        name = display_name(part.filename or "")
        _check_suffix(name)
        first_bytes = await part.read(reading.SNIFF_BYTES)
        await part.seek(0)
        with _naming(name):
            file_format = reading.detect_format(name, first_bytes)
            path = f"{folder}/{number}.{file_format}"
            size_bytes = await storage.write(path, part.file, budget_bytes)
            budget_bytes -= size_bytes
            # What is in it counts too: small archives may hold very large files.
            summary = await asyncio.to_thread(
                reading.scan_file, storage.path(path), file_format, contract, text_budget_bytes
            )
            text_budget_bytes -= summary.text_bytes
        stored.append(StoredFile(name, path, size_bytes, file_format, summary))
    if contract is None:
        _check_same_columns(stored[1:], stored[0].summary.names, stored[0].name)
    return stored


def _check_suffix(name: str) -> None:
    path = PurePosixPath(name.lower())
    suffix = PurePosixPath(path.stem).suffix if path.suffix in COMPRESSED_TYPES else path.suffix
    if suffix not in _SUFFIXES:
        raise UnsupportedMedia(f"{name}: files are CSV or Parquet, and {suffix} is neither.", code="unsupported_file")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Puts the file's name before what is wrong with it."""
    try:
        yield
    except Invalid as error:
        detail = error.detail if error.detail.startswith(f"{name}: ") else f"{name}: {error.detail}"
        raise Invalid(detail, code=error.code) from error


def _check_same_columns(files: Sequence[StoredFile], names: Sequence[str], whose: str) -> None:
    """Without a template the files themselves say what the columns are, and all must say the same."""
    for file in files:
        differing = sorted(set(file.summary.names) ^ set(names))
        if differing:
            detail = f"{file.name} and {whose} have different columns: {', '.join(map(repr, differing[:10]))}."
            raise Invalid(detail, code="different_columns")


async def _commit(
    database: Database,
    settings: Settings,
    scope: Scope,
    request: UploadRequest,
    template: Template,
    stored: Sequence[StoredFile],
) -> Uploaded:
    try:
        async with database.transaction() as session:
            return await _insert(session, settings, scope, request, template, stored)
    except IntegrityError as error:
        if read_violation(error).kind is ConstraintKind.FOREIGN_KEY:
            # The template was deleted after `check`.
            raise NotFound("There is no template with this id.", code="template_not_found") from error
        raise _dataset_exists(request.dataset_name) from error


async def _insert(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    request: UploadRequest,
    template: Template,
    stored: Sequence[StoredFile],
) -> Uploaded:
    dataset = _new_dataset(scope, request, template)
    dataset.data_source = "+".join(sorted({file.format for file in stored}))
    dataset.total_records = sum(file.summary.total_records for file in stored)
    if request.target is not None:
        dataset.iceberg_table_name, dataset.lake_mode = request.target.name, request.target.mode
    if request.raw is not None:
        dataset.raw_table_name, dataset.lake_mode = request.raw.name, request.raw.mode
    session.add(dataset)
    await session.flush()
    files = await _add_files(session, settings, scope, dataset, stored)
    job = await service.validate(session, settings, scope, dataset, template.contract)
    names = [file.name for file in files]
    audit.record(session, scope, "dataset.upload", f"dataset:{dataset.id}", name=dataset.name, files=names)
    return Uploaded(dataset, files, job)


def _new_dataset(scope: Scope, request: UploadRequest, template: Template) -> Dataset:
    return Dataset(
        tenant_id=scope.tenant_id,
        name=request.dataset_name,
        usage=request.usage,
        template_id=template.id,
        template_version=template.version,
        on_error=request.on_error,
        created_by=scope.username,
        version=0,
    )


async def _commit_added(
    database: Database,
    settings: Settings,
    scope: Scope,
    dataset_id: int,
    contract: Contract | None,
    stored: Sequence[StoredFile],
) -> Uploaded:
    async with database.transaction() as session:
        dataset = await service.get_changeable(session, scope, dataset_id)
        state_before = dataset.state
        files = await _add_files(session, settings, scope, dataset, stored)
        job = await service.validate(session, settings, scope, dataset, contract)
        names = [file.name for file in files]
        audit.record(session, scope, "file.add", f"dataset:{dataset.id}", name=dataset.name, files=names)
        return Uploaded(dataset, files, job, state_before)


async def _add_files(
    session: AsyncSession, settings: Settings, scope: Scope, dataset: Dataset, stored: Sequence[StoredFile]
) -> list[File]:
    await service.check_quota(session, settings, scope, sum(file.size_bytes for file in stored))
    files = [
        File(
            tenant_id=scope.tenant_id,
            dataset_id=dataset.id,
            name=file.name,
            path=file.path,
            format=file.format,
            delimiter=file.summary.delimiter,
            size_bytes=file.size_bytes,
            total_fields=file.summary.total_fields,
            total_records=file.summary.total_records,
        )
        for file in stored
    ]
    session.add_all(files)
    await session.flush()
    return files


def _dataset_exists(name: str) -> Conflict:
    return Conflict(f"There is a dataset named {name!r} already; choose another name.", code="dataset_exists")
