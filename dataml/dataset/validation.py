"""Starts the validation of a dataset, and stores its result."""

from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.contract.contract import Contract
from dataml.contract.warnings import warnings_to_json
from dataml.dataset import lake_tables, restoration, service, source_rows
from dataml.dataset.models import Dataset, File
from dataml.db.scope import Scope
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState, ValidateResult, ValidateSpec
from dataml.jobs.time_limits import check_time_limit
from dataml.settings import Settings
from dataml.template import service as template_service


async def validate(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    dataset: Dataset,
    contract: Contract | None,
    *,
    time_limit_s: int | None = None,
) -> Job:
    """Start the validation of all files of a dataset, in this transaction.

    The results of an earlier validation stay until this one has ended. The dataset is new, or held by
    `service.hold_to_change`, so that no other validation of it is unfinished.
    """
    dataset.state = "validating"
    dataset.failure = None
    files = await service.list_uploaded_files(session, scope, dataset.id)
    dataset.data_source = "+".join(sorted({file.format for file in files}))
    sources = await source_rows.list_sources(session, scope, dataset, files)
    spec = ValidateSpec(
        dataset_id=dataset.id,
        files=sources,
        contract=contract,
        on_error="reject" if dataset.on_error == "reject" else "quarantine",
        min_usability=settings.min_usability,
        distributed=sum(f.size_bytes for f in files) >= settings.distributed_bytes
        and all(f.format != "iceberg" for f in files),
        lake=lake_tables.validated_target(dataset),
        raw=lake_tables.raw_target(dataset),
        superseded=await _list_unrecorded_jobs(session, scope, dataset),
        partial=dataset.usage == "p",
    )
    return await jobs.enqueue(session, scope, JobKind.VALIDATE, dataset.id, spec, time_limit_s=time_limit_s)


async def get_pinned_contract(session: AsyncSession, scope: Scope, dataset: Dataset) -> Contract | None:
    """Return the version of the template that a dataset is validated against; None when its columns are inferred."""
    if dataset.template_id is None or dataset.template_version is None:
        return None
    return await template_service.get_contract(session, scope, dataset.template_id, dataset.template_version)


async def validate_again(
    session: AsyncSession, settings: Settings, scope: Scope, dataset_id: int, time_limit_s: int | None = None
) -> Job:
    """Validate a dataset as it is, with today's settings; a validation that runs is superseded.

    Raises:
        NotFound: `dataset_not_found`.
        Invalid: `time_limit_too_long`.
    """
    check_time_limit(settings, JobKind.VALIDATE, time_limit_s)
    dataset, cancelled = await service.hold_to_change(session, scope, dataset_id)
    await restoration.remember(session, scope, dataset)
    contract = await get_pinned_contract(session, scope, dataset)
    job = await validate(session, settings, scope, dataset, contract, time_limit_s=time_limit_s)
    details = service.name_cancelled(cancelled)
    audit.record(session, scope, "dataset.validate", f"dataset:{dataset.id}", name=dataset.name, **details)
    return job


async def _list_unrecorded_jobs(session: AsyncSession, scope: Scope, dataset: Dataset) -> tuple[int, ...]:
    """Return the validations that were started after the last one with a result: the lake may have rows of theirs."""
    if dataset.lake_mode is None:
        return ()
    started: list[int] = []
    for job in await jobs.list_for(session, scope, (JobKind.VALIDATE,), dataset.id):
        started = [] if job.state == JobState.SUCCEEDED else [*started, *([job.id] if job.attempt else [])]
    return tuple(started)


async def apply_validation(session: AsyncSession, job: Job, result: ValidateResult | None) -> None:
    """Store the result of a validate job: the dataset is valid, invalid or failed from this commit on.

    `result` is None when the job has failed or was cancelled. A cancelled one leaves a dataset that had been validated
    before as it was then. A job that another one has superseded changes nothing.
    """
    scope = Scope(job.tenant_id, job.created_by)
    dataset = await scope.find(session, Dataset, Dataset.id == job.subject_id, lock=True)
    newest = await jobs.find_latest(session, scope, JobKind.VALIDATE, job.subject_id)
    if dataset is None or newest is None or newest.id != job.id:
        return
    is_cancelled = job.state == JobState.CANCELLED
    if result is None and is_cancelled and await restoration.restore(session, job, dataset):
        return
    dataset.settled = None
    if result is None:
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
    dataset.parquet_sha256 = result.parquet_sha256
    dataset.errors = result.errors
    dataset.set_aside = result.quarantined
    if dataset.lake_mode is not None:
        dataset.iceberg_snapshot_id = result.snapshot_id
        dataset.raw_snapshot_id = result.raw_snapshot_id
    dataset.warnings = warnings_to_json(result.warnings)
    dataset.total_records = result.total_records
    dataset.kept_records = result.kept_records
    reports = {report.file_id: report for report in result.files}
    for file in await session.scalars(scope.select(File).where(File.id.in_(reports))):
        report = reports[file.id]
        file.total_fields = report.total_fields
        file.total_records = report.total_records
        file.error_report = asdict(report.error_report) if report.error_report is not None else None
