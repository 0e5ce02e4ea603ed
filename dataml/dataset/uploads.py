"""Creates datasets from uploaded files or a lake table, and adds files to datasets; a refused upload leaves nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from dataml.audit import service as audit
from dataml.contract.contract import Contract
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.contract.files.reading import read_column_names
from dataml.contract.partial import find_missing_columns
from dataml.contract.warnings import DataWarning
from dataml.dataset import file_service, restoration, service, validation
from dataml.dataset.first_rows import find_structure_warnings, find_warnings
from dataml.dataset.lake_tables import SourceTable, TargetTables
from dataml.dataset.models import Dataset, File
from dataml.dataset.schemas import OnError, Usage
from dataml.dataset.stored_upload import StoredFile, check_same_columns, stored_upload
from dataml.dataset.upload_options import UploadOptions
from dataml.db.constraints import ConstraintKind, read_violation
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Invalid, NotFound
from dataml.jobs.models import Job
from dataml.settings import Settings
from dataml.storage.storage import Storage
from dataml.template import service as templates

_USAGES: Final[dict[str, Usage]] = {
    "t": "t",
    "train": "t",
    "training": "t",
    "p": "p",
    "predict": "p",
    "prediction": "p",
}


@dataclass(frozen=True)
class DatasetDraft:
    """A dataset that is to be created, with its template as it was when the upload began.

    Without a template the columns are inferred, and `contract` is None.
    """

    name: str
    usage: Usage
    on_error: OnError
    template_id: int | None = None
    template_version: int | None = None
    contract: Contract | None = None

    def to_dataset(self, scope: Scope) -> Dataset:
        """Return the row of the new dataset."""
        return Dataset(
            tenant_id=scope.tenant_id,
            name=self.name,
            usage=self.usage,
            template_id=self.template_id,
            template_version=self.template_version,
            on_error=self.on_error,
            created_by=scope.username,
            version=0,
        )


@dataclass(frozen=True)
class CommittedUpload:
    """The committed rows of an upload.

    `state_before` is the state of a dataset that existed when files were added to it, and None for a new dataset. When
    it was validating, that validation is superseded. `warnings` are those of the first rows of each file, or of all
    rows once they are validated.
    """

    dataset: Dataset
    files: Sequence[File]
    job: Job
    state_before: str | None = None
    warnings: tuple[DataWarning, ...] = ()


async def draft_dataset(database: Database, scope: Scope, options: UploadOptions) -> DatasetDraft:
    """Return the dataset that an upload asks for; all that can be refused is refused before its files are read.

    Raises:
        Invalid: `invalid_usage`, `bad_dataset_name`.
        NotFound: `template_not_found`.
        Conflict: `template_is_empty`, `dataset_exists`.
    """
    usage = _USAGES.get(options.usage.strip().casefold())
    if usage is None:
        raise Invalid("usage is t (training) or p (prediction).", code="invalid_usage")
    name = options.parse_name()
    async with database.reading() as session:
        if await scope.find(session, Dataset, Dataset.name == name) is not None:
            raise _dataset_exists(name)
        if options.template_id is None:
            return DatasetDraft(name, usage, options.on_error)
        template = await templates.get(session, scope, options.template_id)
    if not template.columns:
        detail = "This template has no columns; add some, or upload without a template."
        raise Conflict(detail, code="template_is_empty")
    contract = Contract.from_json(template.contract)
    return DatasetDraft(name, usage, options.on_error, template.id, template.version, contract)


async def create(
    database: Database,
    settings: Settings,
    scope: Scope,
    draft: DatasetDraft,
    targets: TargetTables,
    parts: Sequence[UploadFile],
    csv: CsvOptions = PLAIN_CSV,
) -> CommittedUpload:
    """Store the files, check the structure of each completely, and commit dataset, files and validate job together.

    Raises:
        TooLarge: `upload_too_large`, `quota_exceeded`.
        UnsupportedMedia: `unsupported_file`.
        Invalid: the structure of a file is broken, or its columns do not fit; see `contract.files.reading`.
        NotFound: `template_not_found`: it was deleted meanwhile.
        Conflict: `dataset_exists`.
        Unavailable: `storage_full`, `storage_unavailable`.
    """
    storage = Storage.from_settings(settings)
    limit = settings.max_upload_bytes
    partial = draft.usage == "p"
    async with stored_upload(storage, scope.tenant_id, parts, limit, draft.contract, csv, partial=partial) as upload:
        await upload.publish()
        warnings = await _find_warnings(storage, draft.contract, upload.files)
        committed = await upload.commit(_commit_dataset(database, settings, scope, draft, targets, upload.files))
        return replace(committed, warnings=warnings)


async def add(
    database: Database,
    settings: Settings,
    scope: Scope,
    dataset_id: int,
    parts: Sequence[UploadFile],
    csv: CsvOptions = PLAIN_CSV,
) -> CommittedUpload:
    """Add files to a dataset and begin to validate all of it again, with the template's version that it has.

    A validation that runs is superseded.

    Raises:
        NotFound: `dataset_not_found`.
        TooLarge: as `create`.
        UnsupportedMedia: as `create`.
        Invalid: as `create`; `different_columns`: the columns are inferred, and these files have others.
        Unavailable: as `create`.
    """
    async with database.reading() as session:
        dataset = await service.get(session, scope, dataset_id)
        contract = await validation.get_pinned_contract(session, scope, dataset)
        present = await service.list_uploaded_files(session, scope, dataset_id)
    storage = Storage.from_settings(settings)
    limit = settings.max_upload_bytes
    partial = dataset.usage == "p"
    async with stored_upload(storage, scope.tenant_id, parts, limit, contract, csv, partial=partial) as upload:
        if contract is None and (names := await _read_column_names(storage, dataset, present)):
            check_same_columns(upload.files, names, "the dataset")
        await upload.publish()
        warnings = await _find_warnings(storage, contract, upload.files)
        committed = await upload.commit(_commit_files(database, settings, scope, dataset_id, contract, upload.files))
        return replace(committed, warnings=warnings)


async def _find_warnings(
    storage: Storage, contract: Contract | None, files: Sequence[StoredFile]
) -> tuple[DataWarning, ...]:
    """Return the warnings about the files, about inferred columns, and about those that prediction data lacks."""
    structure = await asyncio.to_thread(find_structure_warnings, storage, files, contract is not None)
    if contract is None:
        return (*structure, *await asyncio.to_thread(find_warnings, storage, files))
    return (*structure, *find_missing_columns(contract, [file.summary.names for file in files]))


async def _read_column_names(storage: Storage, dataset: Dataset, files: Sequence[File]) -> Sequence[str]:
    """Return the columns of a dataset without a template; none when only a validation can tell."""
    if dataset.contract is not None:
        return Contract.from_json(dataset.contract).names
    for file in files:
        if file.format != "iceberg":
            path = await asyncio.to_thread(storage.fetch, file.path)
            file_format = "parquet" if file.format == "parquet" else "csv"
            return await asyncio.to_thread(read_column_names, path, file_format, file.csv_options)
    return ()


async def create_from_table(
    database: Database, settings: Settings, scope: Scope, draft: DatasetDraft, source: SourceTable
) -> CommittedUpload:
    """Commit a dataset with the rows of a lake table, and its validate job.

    Raises:
        Conflict: `dataset_exists`.
    """
    try:
        async with database.transaction() as session:
            dataset = draft.to_dataset(scope)
            dataset.total_records = source.rows
            dataset.data_source = "iceberg"
            dataset.iceberg_table_name, dataset.iceberg_snapshot_id = source.name, source.snapshot_id
            session.add(dataset)
            await session.flush()
            file = source.to_file(dataset)
            session.add(file)
            await session.flush()
            job = await validation.validate(session, settings, scope, dataset, draft.contract)
            details = {"name": dataset.name, "table": source.name, "snapshot_id": source.snapshot_id}
            audit.record(session, scope, "dataset.upload", f"dataset:{dataset.id}", **details)
            return CommittedUpload(dataset, [file], job)
    except IntegrityError as error:
        raise _dataset_exists(draft.name) from error


def upload_folder(file: File) -> str:
    """Return the storage name of the folder that holds all files of the upload."""
    return str(PurePosixPath(file.path).parent)


async def _commit_dataset(
    database: Database,
    settings: Settings,
    scope: Scope,
    draft: DatasetDraft,
    targets: TargetTables,
    stored: Sequence[StoredFile],
) -> CommittedUpload:
    try:
        async with database.transaction() as session:
            dataset = draft.to_dataset(scope)
            dataset.data_source = "+".join(sorted({file.format for file in stored}))
            dataset.total_records = sum(file.summary.total_records for file in stored)
            _set_targets(dataset, targets)
            session.add(dataset)
            await session.flush()
            files = await _add_files(session, settings, scope, dataset, stored)
            job = await validation.validate(session, settings, scope, dataset, draft.contract)
            names = [file.name for file in files]
            audit.record(session, scope, "dataset.upload", f"dataset:{dataset.id}", name=dataset.name, files=names)
            return CommittedUpload(dataset, files, job)
    except IntegrityError as error:
        if read_violation(error).kind is ConstraintKind.FOREIGN_KEY:
            # The template was deleted after `draft_dataset`.
            raise NotFound("There is no template with this id.", code="template_not_found") from error
        raise _dataset_exists(draft.name) from error


def _set_targets(dataset: Dataset, targets: TargetTables) -> None:
    if targets.validated is not None:
        dataset.iceberg_table_name, dataset.lake_mode = targets.validated.name, targets.validated.mode
    if targets.raw is not None:
        dataset.raw_table_name, dataset.lake_mode = targets.raw.name, targets.raw.mode


async def _commit_files(
    database: Database,
    settings: Settings,
    scope: Scope,
    dataset_id: int,
    contract: Contract | None,
    stored: Sequence[StoredFile],
) -> CommittedUpload:
    async with database.transaction() as session:
        dataset, cancelled = await service.hold_to_change(session, scope, dataset_id)
        state_before = dataset.state
        await restoration.remember(session, scope, dataset)
        files = await _add_files(session, settings, scope, dataset, stored)
        job = await validation.validate(session, settings, scope, dataset, contract)
        details = {"name": dataset.name, "files": [file.name for file in files]} | service.name_cancelled(cancelled)
        audit.record(session, scope, "file.add", f"dataset:{dataset.id}", **details)
        return CommittedUpload(dataset, files, job, state_before)


async def _add_files(
    session: AsyncSession, settings: Settings, scope: Scope, dataset: Dataset, stored: Sequence[StoredFile]
) -> list[File]:
    await file_service.check_quota(session, settings, scope, sum(file.size_bytes for file in stored))
    files = [
        File(
            tenant_id=scope.tenant_id,
            dataset_id=dataset.id,
            name=file.name,
            path=file.path,
            format=file.format,
            delimiter=file.summary.delimiter,
            encoding=file.csv.encoding,
            header_row=file.csv.header_row,
            has_row_numbers=file.csv.has_row_numbers,
            repeated_headers=file.csv.repeated_headers,
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
