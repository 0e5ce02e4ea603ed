"""Datasets and their files: what other features ask of them, and what the end of a job writes into them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Final, Literal

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import roles
from dataml.audit import service as audit
from dataml.contract.contract import Contract
from dataml.dataset import lake_tables
from dataml.dataset.models import Dataset, File
from dataml.dataset.schemas import Usage
from dataml.db import every_tenant
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict, NotFound, TooLarge
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    DescribeResult,
    DescribeSpec,
    JobKind,
    JobState,
    SourceFile,
    ValidateResult,
    ValidateSpec,
)
from dataml.settings import Settings
from dataml.template import service as templates
from dataml.template.models import Template

_NOT_VALID: Final = {
    "validating": "The dataset is still being validated; ask again when its job has ended.",
    "invalid": "Too few rows of the dataset could be kept; its error report says why.",
    "failed": "The validation of the dataset failed: ",
}
_USAGES: Final = {"t": "training", "p": "prediction"}


async def get(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Raises:
    NotFound: `dataset_not_found`.
    """
    return await scope.get(session, Dataset, dataset_id, "dataset")


async def get_valid(session: AsyncSession, scope: Scope, dataset_id: int, usage: Usage) -> Dataset:
    """A dataset that training (`t`) or batch prediction (`p`) can start from.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `wrong_dataset_usage`, or `dataset_not_validated` with the reason.
    """
    dataset = await get(session, scope, dataset_id)
    if dataset.usage != usage:
        detail = f"This dataset is for {_USAGES[dataset.usage]}; a dataset of usage {usage!r} is needed here."
        raise Conflict(detail, code="wrong_dataset_usage")
    if dataset.state != "valid":
        raise not_validated(dataset)
    return dataset


async def get_readable(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """A dataset whose kept rows can be looked at, valid or not.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_not_validated`.
    """
    dataset = await get(session, scope, dataset_id)
    if dataset.parquet is None:
        raise not_validated(dataset)
    return dataset


def not_validated(dataset: Dataset) -> Conflict:
    reason = (dataset.failure or "see its job.") if dataset.state == "failed" else ""
    return Conflict(_NOT_VALID[dataset.state] + reason, code="dataset_not_validated")


async def list_datasets(
    session: AsyncSession, scope: Scope, page: Page, *, only_valid: bool = False
) -> tuple[int, list[Dataset]]:
    return await scope.list(session, Dataset, page, *([Dataset.state == "valid"] if only_valid else []))


async def file_counts(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, int]:
    """How many files each of these datasets has, results of batch predictions included."""
    rows = scope.select_columns(File, File.dataset_id, func.count(File.id))
    ids = [dataset.id for dataset in datasets]
    counts = await session.execute(rows.where(File.dataset_id.in_(ids)).group_by(File.dataset_id))
    return {row[0]: row[1] for row in counts}


async def template_names(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, str]:
    """The names of the templates of these datasets, by id."""
    ids = {dataset.template_id for dataset in datasets if dataset.template_id is not None}
    found = await session.scalars(scope.select(Template).where(Template.id.in_(ids)))
    return {template.id: template.name for template in found}


async def refuse_template_in_use(session: AsyncSession, scope: Scope, template_id: int) -> None:
    """Refuse to let a template go that datasets were checked with.

    Raises:
        Conflict: `template_in_use`.
    """
    rows = scope.select_columns(Dataset, func.count()).where(Dataset.template_id == template_id)
    if used_by := await session.scalar(rows):
        datasets = "a dataset uses" if used_by == 1 else f"{used_by:,} datasets use"
        raise Conflict(f"The template cannot be deleted: {datasets} it.", code="template_in_use")


async def get_changeable(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """A dataset whose files may come and go, held until the end of the transaction.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_is_validating`.
    """
    # Two changes at once: the second waits here for the first, and then finds it validating.
    return _not_validating(await scope.hold(session, Dataset, dataset_id, "dataset"))


async def find_changeable(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """What `get_changeable` would give at this moment; not held."""
    return _not_validating(await get(session, scope, dataset_id))


def _not_validating(dataset: Dataset) -> Dataset:
    if dataset.state == "validating":
        detail = "The dataset is being validated; change it when that has ended."
        raise Conflict(detail, code="dataset_is_validating")
    return dataset


async def check_quota(session: AsyncSession, settings: Settings, scope: Scope, more_bytes: int) -> None:
    """Raises:
    TooLarge: `quota_exceeded`: the tenant's files would be more than it may keep.
    """
    if settings.tenant_quota_bytes is None:
        return
    # Two uploads at once: the second waits here, and counts what the first has committed.
    await roles.lock(session, scope.tenant_id)
    kept = await session.scalar(scope.select_columns(File, func.coalesce(func.sum(File.size_bytes), 0))) or 0
    if kept + more_bytes > settings.tenant_quota_bytes:
        detail = f"Your tenant may keep {settings.tenant_quota_bytes:,} bytes of files and has {kept:,}; delete some."
        raise TooLarge(detail, code="quota_exceeded")


async def validate(
    session: AsyncSession, settings: Settings, scope: Scope, dataset: Dataset, contract: Contract | None
) -> Job:
    """Begin to check all files of a dataset, in this transaction. What an earlier validation has found stays until this
    one has ended."""
    dataset.state = "validating"
    dataset.failure = None
    files = await uploaded_files(session, scope, dataset.id)
    dataset.data_source = "+".join(sorted({file.format for file in files}))
    spec = ValidateSpec(
        dataset_id=dataset.id,
        files=tuple([await _source_file(session, scope, dataset, file) for file in files]),
        contract=contract,
        on_error="reject" if dataset.on_error == "reject" else "quarantine",
        min_usability=settings.min_usability,
        distributed=sum(f.size_bytes for f in files) >= settings.distributed_bytes
        and all(f.format != "iceberg" for f in files),
        lake=lake_tables.target_of(dataset),
        raw=lake_tables.raw_target_of(dataset),
    )
    return await jobs.enqueue(session, scope, JobKind.VALIDATE, dataset.id, spec)


async def delete_file(
    session: AsyncSession, settings: Settings, scope: Scope, file_id: int
) -> tuple[File, Dataset, Job | None]:
    """Take a file out of its dataset, which is validated again without it; the result of a batch prediction just goes.

    Raises:
        NotFound: `file_not_found`.
        Conflict: `dataset_is_validating`, `last_file`.
    """
    file = await scope.get(session, File, file_id, "file")
    dataset = await get_changeable(session, scope, file.dataset_id)
    left = [row for row in await uploaded_files(session, scope, dataset.id) if row.id != file.id]
    if file.purpose == "source" and not left:
        raise Conflict("This is the last file of its dataset; delete the dataset instead.", code="last_file")
    await session.execute(scope.delete(File).where(File.id == file.id))
    audit.record(session, scope, "file.delete", f"file:{file.id}", name=file.name, dataset_id=dataset.id)
    if file.purpose != "source":
        return file, dataset, None
    contract = await pinned_contract(session, scope, dataset)
    return file, dataset, await validate(session, settings, scope, dataset, contract)


async def pinned_contract(session: AsyncSession, scope: Scope, dataset: Dataset) -> Contract | None:
    """The version of the template that a dataset is checked with; None when its columns are inferred."""
    if dataset.template_id is None or dataset.template_version is None:
        return None
    return await templates.contract_of(session, scope, dataset.template_id, dataset.template_version)


async def hold_to_delete(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """A dataset that nothing begins to use until the end of the transaction. Its jobs that go on are cancelled.

    Raises:
        NotFound: `dataset_not_found`.
    """
    # Jobs before their dataset: the end of a job takes hold of both in this order.
    for job in await _jobs_of(session, scope, dataset_id):
        await jobs.cancel(session, job)
    return await scope.hold(session, Dataset, dataset_id, "dataset")


async def delete(session: AsyncSession, scope: Scope, dataset: Dataset) -> list[str]:
    """Remove a dataset that `hold_to_delete` gave and nothing refers to, with all its files.

    Returns:
        The folders that are to go when this is committed.
    """
    files = (await session.scalars(scope.select(File).where(File.dataset_id == dataset.id))).all()
    made = await _jobs_of(session, scope, dataset.id)
    folders = {str(PurePosixPath(file.path).parent) for file in files} | {job.directory for job in made if job.attempt}
    await session.execute(scope.delete(File).where(File.dataset_id == dataset.id))
    await session.execute(scope.delete(Dataset).where(Dataset.id == dataset.id))
    audit.record(session, scope, "dataset.delete", f"dataset:{dataset.id}", name=dataset.name)
    return sorted(folders)


async def _jobs_of(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[Job]:
    known = 0 < dataset_id < 2**63
    return await jobs.list_for(session, scope, (JobKind.VALIDATE, JobKind.DESCRIBE), dataset_id) if known else ()


async def list_storage_names(session: AsyncSession) -> set[str]:
    """What the datasets of every tenant have in storage."""
    files = await session.scalars(every_tenant.select(File.path))
    copies = await session.execute(every_tenant.select(Dataset.parquet, Dataset.errors, Dataset.set_aside))
    return {*files, *(name for row in copies for name in row if name)}


async def list_files(session: AsyncSession, scope: Scope, dataset_id: int, page: Page) -> tuple[int, list[File]]:
    """Raises:
    NotFound: `dataset_not_found`.
    """
    await get(session, scope, dataset_id)
    return await scope.list(session, File, page, File.dataset_id == dataset_id)


async def uploaded_files(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[File]:
    """The files that were uploaded, in the order of the upload."""
    rows = scope.select(File).where(File.dataset_id == dataset_id, File.purpose == "source")
    return (await session.scalars(rows.order_by(File.id))).all()


async def get_file(session: AsyncSession, scope: Scope, file_id: int) -> tuple[File, Dataset]:
    """Raises:
    NotFound: `file_not_found`.
    """
    file = await scope.get(session, File, file_id, "file")
    return file, await get(session, scope, file.dataset_id)


async def find_file(session: AsyncSession, scope: Scope, paths: Sequence[str]) -> File | None:
    """The file whose storage name is one of these."""
    return await scope.find(session, File, File.path.in_(paths))


async def find_by_parquet(session: AsyncSession, scope: Scope, parquet: str) -> Dataset | None:
    """The dataset whose validated copy has this storage name."""
    return await scope.find(session, Dataset, Dataset.parquet == parquet)


async def add_result_file(
    session: AsyncSession,
    dataset_id: int,
    tenant_id: str,
    name: str,
    path: str,
    total_fields: int,
    total_records: int,
    size_bytes: int,
) -> File:
    """Make the CSV that a batch prediction wrote a file of the dataset it scored."""
    file = File(
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        name=name,
        path=path,
        format="csv",
        purpose="prediction",
        size_bytes=size_bytes,
        total_fields=total_fields,
        total_records=total_records,
    )
    session.add(file)
    await session.flush()
    return file


async def describe(session: AsyncSession, scope: Scope, dataset_id: int, target: str | None = None) -> Job:
    """Start the statistics of a dataset; asked again while it runs, the same job.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_not_validated`.
        Invalid: `unknown_column`: the target is none of its columns.
    """
    # Two requests at once: the second waits here for the first one's commit, and then finds its job.
    await scope.hold(session, Dataset, dataset_id, "dataset")
    dataset = await get_readable(session, scope, dataset_id)
    running = await jobs.find_unfinished(session, scope, JobKind.DESCRIBE, dataset_id)
    asked = (dataset.parquet, target)
    if running is not None and (running.payload["parquet"], running.payload.get("target")) == asked:
        return running
    contract, parquet = dataset.validated()
    if target is not None:
        contract.column(target)
    audit.record(session, scope, "dataset.describe", f"dataset:{dataset.id}")
    return await jobs.enqueue(
        session, scope, JobKind.DESCRIBE, dataset_id, DescribeSpec(dataset_id, parquet, contract, target)
    )


async def statistics(session: AsyncSession, scope: Scope, dataset_id: int) -> tuple[Dataset, Job]:
    """A dataset with its statistics, if they are there already, and the job that makes or made them.

    Raises:
        NotFound: `dataset_not_found`, `statistics_not_found`.
    """
    dataset = await get(session, scope, dataset_id)
    job = await jobs.find_latest(session, scope, JobKind.DESCRIBE, dataset_id)
    # Those of an earlier version of the dataset are none of this one.
    if job is None or job.payload["parquet"] != dataset.parquet:
        detail = "Statistics of this dataset were never asked for; call POST /dataset/generate_statistics."
        raise NotFound(detail, code="statistics_not_found")
    return dataset, job


async def apply_validation(session: AsyncSession, job: Job, result: ValidateResult | None) -> None:
    """The end of a validate job: the dataset is valid, invalid or failed from this commit on."""
    scope = Scope(job.tenant_id, job.created_by)
    dataset = await scope.find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is None:
        return
    if result is None:
        cancelled = job.state == JobState.CANCELLED
        dataset.state = "failed"
        dataset.failure = "The validation was cancelled." if cancelled else job.failure_detail
        return
    # Whatever the threshold, a dataset without rows serves nobody.
    enough = result.kept_records and result.kept_records / result.total_records >= job.payload["min_usability"]
    dataset.state = "valid" if enough else "invalid"
    dataset.version += 1
    dataset.statistics = None
    dataset.contract = result.contract.to_json()
    dataset.parquet = result.parquet
    dataset.errors = result.errors
    dataset.set_aside = result.quarantined
    if dataset.lake_mode is not None:
        dataset.iceberg_snapshot_id = result.snapshot_id
        dataset.raw_snapshot_id = result.raw_snapshot_id
    dataset.total_records = result.total_records
    dataset.kept_records = result.kept_records
    reports = {report.file_id: report for report in result.files}
    for file in await session.scalars(scope.select(File).where(File.id.in_(reports))):
        report = reports[file.id]
        file.total_fields = report.total_fields
        file.total_records = report.total_records
        file.error_report = asdict(report.error_report) if report.error_report is not None else None


async def apply_statistics(session: AsyncSession, job: Job, result: DescribeResult | None) -> None:
    """The end of a describe job; earlier statistics stay when a new run fails."""
    if result is None:
        return
    dataset = await Scope(job.tenant_id, job.created_by).find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is not None and job.payload["parquet"] == dataset.parquet:
        dataset.statistics = result.statistics


async def _source_file(session: AsyncSession, scope: Scope, dataset: Dataset, file: File) -> SourceFile:
    if file.format == "iceberg":
        return await lake_tables.source_file(session, scope, dataset, file)
    kind: Literal["csv", "parquet"] = "parquet" if file.format == "parquet" else "csv"
    return SourceFile(file.id, file.name, file.path, kind, file.delimiter, file.total_records)
