"""Reads and changes datasets and their files, starts their jobs, and stores the results of these."""

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
from dataml.template import service as template_service
from dataml.template.models import Template

_NOT_VALID: Final = {
    "validating": "The dataset is still being validated; try again when its job has ended.",
    "invalid": "Too few rows of the dataset could be kept; its error report says why.",
    "failed": "The validation of the dataset failed: ",
}
_USAGES: Final = {"t": "training", "p": "prediction"}


async def get(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Return a dataset.

    Raises:
        NotFound: `dataset_not_found`.
    """
    return await scope.get(session, Dataset, dataset_id, "dataset")


async def get_valid(session: AsyncSession, scope: Scope, dataset_id: int, usage: Usage) -> Dataset:
    """Return a dataset that training (`t`) or batch prediction (`p`) can start from.

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
    """Return a dataset whose kept rows can be read, whether or not it is valid.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_not_validated`.
    """
    dataset = await get(session, scope, dataset_id)
    if dataset.parquet is None:
        raise not_validated(dataset)
    return dataset


def not_validated(dataset: Dataset) -> Conflict:
    """Return the error for a dataset in another state than valid, with the reason."""
    reason = (dataset.failure or "see its job.") if dataset.state == "failed" else ""
    return Conflict(_NOT_VALID[dataset.state] + reason, code="dataset_not_validated")


async def list_datasets(
    session: AsyncSession, scope: Scope, page: Page, *, only_valid: bool = False
) -> tuple[int, list[Dataset]]:
    """Return the number of datasets, or of valid ones, and a page of them, newest first."""
    return await scope.list(session, Dataset, page, *([Dataset.state == "valid"] if only_valid else []))


async def count_files(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, int]:
    """Return the number of files by dataset id, results of batch predictions included."""
    rows = scope.select_columns(File, File.dataset_id, func.count(File.id))
    ids = [dataset.id for dataset in datasets]
    counts = await session.execute(rows.where(File.dataset_id.in_(ids)).group_by(File.dataset_id))
    return {row[0]: row[1] for row in counts}


async def get_template_names(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, str]:
    """Return the names of the templates of these datasets by template id."""
    ids = {dataset.template_id for dataset in datasets if dataset.template_id is not None}
    templates = await session.scalars(scope.select(Template).where(Template.id.in_(ids)))
    return {template.id: template.name for template in templates}


async def refuse_template_in_use(session: AsyncSession, scope: Scope, template_id: int) -> None:
    """Raise an error if a dataset was validated against the template.

    Raises:
        Conflict: `template_in_use`.
    """
    rows = scope.select_columns(Dataset, func.count()).where(Dataset.template_id == template_id)
    if used_by := await session.scalar(rows):
        datasets = "a dataset uses" if used_by == 1 else f"{used_by:,} datasets use"
        raise Conflict(f"The template cannot be deleted: {datasets} it.", code="template_in_use")


async def hold_changeable(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Return a dataset whose files can be changed, locked until the end of the transaction.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_is_validating`.
    """
    # Of two changes at once, the second waits here for the first, and is then refused.
    return _check_changeable(await scope.hold(session, Dataset, dataset_id, "dataset"))


async def get_changeable(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Return a dataset whose files can be changed at this moment.

    Raises:
        NotFound: as `hold_changeable`.
        Conflict: as `hold_changeable`.
    """
    return _check_changeable(await get(session, scope, dataset_id))


def _check_changeable(dataset: Dataset) -> Dataset:
    if dataset.state == "validating":
        detail = "The dataset is being validated; change it when its job has ended."
        raise Conflict(detail, code="dataset_is_validating")
    return dataset


async def check_quota(session: AsyncSession, settings: Settings, scope: Scope, more_bytes: int) -> None:
    """Check that the tenant may store `more_bytes` of files.

    Raises:
        TooLarge: `quota_exceeded`.
    """
    if settings.tenant_quota_bytes is None:
        return
    # Of two uploads at once, the second waits here, and counts the files of the first.
    await roles.lock(session, scope.tenant_id)
    used_bytes = await session.scalar(scope.select_columns(File, func.coalesce(func.sum(File.size_bytes), 0))) or 0
    if used_bytes + more_bytes > settings.tenant_quota_bytes:
        detail = (
            f"Your tenant may store {settings.tenant_quota_bytes:,} bytes of files and has {used_bytes:,}; delete some."
        )
        raise TooLarge(detail, code="quota_exceeded")


async def validate(
    session: AsyncSession, settings: Settings, scope: Scope, dataset: Dataset, contract: Contract | None
) -> Job:
    """Start the validation of all files of a dataset, in this transaction.

    The results of an earlier validation stay until this one has ended.
    """
    dataset.state = "validating"
    dataset.failure = None
    files = await list_uploaded_files(session, scope, dataset.id)
    dataset.data_source = "+".join(sorted({file.format for file in files}))
    spec = ValidateSpec(
        dataset_id=dataset.id,
        files=tuple([await _source_file(session, scope, dataset, file) for file in files]),
        contract=contract,
        on_error="reject" if dataset.on_error == "reject" else "quarantine",
        min_usability=settings.min_usability,
        distributed=sum(f.size_bytes for f in files) >= settings.distributed_bytes
        and all(f.format != "iceberg" for f in files),
        lake=lake_tables.validated_target(dataset),
        raw=lake_tables.raw_target(dataset),
    )
    return await jobs.enqueue(session, scope, JobKind.VALIDATE, dataset.id, spec)


async def delete_file(
    session: AsyncSession, settings: Settings, scope: Scope, file_id: int
) -> tuple[File, Dataset, Job | None]:
    """Delete the row of a file, and start the validation of its dataset without it.

    The dataset of a batch prediction's result is not validated again, so there is no job.

    Raises:
        NotFound: `file_not_found`.
        Conflict: `dataset_is_validating`, `last_file`.
    """
    file = await scope.get(session, File, file_id, "file")
    dataset = await get_changeable(session, scope, file.dataset_id)
    remaining = [row for row in await list_uploaded_files(session, scope, dataset.id) if row.id != file.id]
    if file.purpose == "source" and not remaining:
        raise Conflict("This is the last file of its dataset; delete the dataset instead.", code="last_file")
    await session.execute(scope.delete(File).where(File.id == file.id))
    audit.record(session, scope, "file.delete", f"file:{file.id}", name=file.name, dataset_id=dataset.id)
    if file.purpose != "source":
        return file, dataset, None
    contract = await get_pinned_contract(session, scope, dataset)
    return file, dataset, await validate(session, settings, scope, dataset, contract)


async def get_pinned_contract(session: AsyncSession, scope: Scope, dataset: Dataset) -> Contract | None:
    """Return the version of the template that a dataset is validated against; None when its columns are inferred."""
    if dataset.template_id is None or dataset.template_version is None:
        return None
    return await template_service.get_contract(session, scope, dataset.template_id, dataset.template_version)


async def hold_to_delete(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Return a dataset, locked until the end of the transaction so that nothing begins to use it; cancel its jobs.

    Raises:
        NotFound: `dataset_not_found`.
    """
    # Jobs before their dataset: the end of a job locks both in this order.
    for job in await _list_jobs(session, scope, dataset_id):
        await jobs.cancel(session, job)
    return await scope.hold(session, Dataset, dataset_id, "dataset")


async def delete(session: AsyncSession, scope: Scope, dataset: Dataset) -> list[str]:
    """Delete a dataset that `hold_to_delete` has returned and nothing refers to, with the rows of its files.

    Returns:
        The storage names of the folders to remove after the commit.
    """
    files = (await session.scalars(scope.select(File).where(File.dataset_id == dataset.id))).all()
    dataset_jobs = await _list_jobs(session, scope, dataset.id)
    folders = {str(PurePosixPath(file.path).parent) for file in files} | {
        job.directory for job in dataset_jobs if job.attempt
    }
    await session.execute(scope.delete(File).where(File.dataset_id == dataset.id))
    await session.execute(scope.delete(Dataset).where(Dataset.id == dataset.id))
    audit.record(session, scope, "dataset.delete", f"dataset:{dataset.id}", name=dataset.name)
    return sorted(folders)


async def _list_jobs(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[Job]:
    # Ids beyond the database's integers would fail in the driver.
    is_id = 0 < dataset_id < 2**63
    return await jobs.list_for(session, scope, (JobKind.VALIDATE, JobKind.DESCRIBE), dataset_id) if is_id else ()


async def list_storage_names(session: AsyncSession) -> set[str]:
    """Return the storage names of all files of datasets, of every tenant."""
    files = await session.scalars(every_tenant.select(File.path))
    copies = await session.execute(every_tenant.select(Dataset.parquet, Dataset.errors, Dataset.set_aside))
    return {*files, *(name for row in copies for name in row if name)}


async def list_files(session: AsyncSession, scope: Scope, dataset_id: int, page: Page) -> tuple[int, list[File]]:
    """Return the number of files of a dataset, and a page of them, newest first.

    Raises:
        NotFound: `dataset_not_found`.
    """
    await get(session, scope, dataset_id)
    return await scope.list(session, File, page, File.dataset_id == dataset_id)


async def list_uploaded_files(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[File]:
    """Return the files of a dataset that were uploaded, in the order of the upload."""
    rows = scope.select(File).where(File.dataset_id == dataset_id, File.purpose == "source")
    return (await session.scalars(rows.order_by(File.id))).all()


async def get_file(session: AsyncSession, scope: Scope, file_id: int) -> tuple[File, Dataset]:
    """Return a file with its dataset.

    Raises:
        NotFound: `file_not_found`.
    """
    file = await scope.get(session, File, file_id, "file")
    return file, await get(session, scope, file.dataset_id)


async def find_file(session: AsyncSession, scope: Scope, paths: Sequence[str]) -> File | None:
    """Return the file whose storage name is one of these, or None."""
    return await scope.find(session, File, File.path.in_(paths))


async def find_by_parquet(session: AsyncSession, scope: Scope, parquet: str) -> Dataset | None:
    """Return the dataset whose validated copy has this storage name, or None."""
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
    """Add the CSV that a batch prediction has written to the files of the dataset that it scored."""
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
    """Start the job that computes statistics of a dataset, and return it; while the same job runs, return that one.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_not_validated`.
        Invalid: `unknown_column`: the dataset has no column `target`.
    """
    # Of two requests at once, the second waits here for the commit of the first, and then finds its job.
    await scope.hold(session, Dataset, dataset_id, "dataset")
    dataset = await get_readable(session, scope, dataset_id)
    running = await jobs.find_unfinished(session, scope, JobKind.DESCRIBE, dataset_id)
    if running is not None and (running.payload["parquet"], running.payload.get("target")) == (dataset.parquet, target):
        return running
    contract, parquet = dataset.validated()
    if target is not None:
        contract.column(target)
    audit.record(session, scope, "dataset.describe", f"dataset:{dataset.id}")
    return await jobs.enqueue(
        session, scope, JobKind.DESCRIBE, dataset_id, DescribeSpec(dataset_id, parquet, contract, target)
    )


async def get_statistics(session: AsyncSession, scope: Scope, dataset_id: int) -> tuple[Dataset, Job]:
    """Return a dataset, with its statistics if they are there already, and the newest job that computes them.

    Raises:
        NotFound: `dataset_not_found`, `statistics_not_found`.
    """
    dataset = await get(session, scope, dataset_id)
    job = await jobs.find_latest(session, scope, JobKind.DESCRIBE, dataset_id)
    # Statistics of an earlier version of the dataset do not count.
    if job is None or job.payload["parquet"] != dataset.parquet:
        detail = "The statistics of this dataset were not requested yet; call POST /dataset/generate_statistics."
        raise NotFound(detail, code="statistics_not_found")
    return dataset, job


async def apply_validation(session: AsyncSession, job: Job, result: ValidateResult | None) -> None:
    """Store the result of a validate job: the dataset is valid, invalid or failed from this commit on.

    `result` is None when the job has failed or was cancelled.
    """
    scope = Scope(job.tenant_id, job.created_by)
    dataset = await scope.find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is None:
        return
    if result is None:
        is_cancelled = job.state == JobState.CANCELLED
        dataset.state = "failed"
        dataset.failure = "The validation was cancelled." if is_cancelled else job.failure_detail
        return
    # Without a row a dataset is invalid, whatever the threshold is.
    is_usable = result.kept_records and result.kept_records / result.total_records >= job.payload["min_usability"]
    dataset.state = "valid" if is_usable else "invalid"
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
    """Store the result of a describe job; when it has failed (None), earlier statistics stay."""
    if result is None:
        return
    dataset = await Scope(job.tenant_id, job.created_by).find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is not None and job.payload["parquet"] == dataset.parquet:
        dataset.statistics = result.statistics


async def _source_file(session: AsyncSession, scope: Scope, dataset: Dataset, file: File) -> SourceFile:
    if file.format == "iceberg":
        return await lake_tables.get_source_file(session, scope, dataset, file)
    file_format: Literal["csv", "parquet"] = "parquet" if file.format == "parquet" else "csv"
    return SourceFile(file.id, file.name, file.path, file_format, file.delimiter, file.total_records)
