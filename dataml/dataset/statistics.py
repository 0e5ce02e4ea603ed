"""Starts the statistics of a dataset, and stores them."""

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset import service
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.errors import NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    DescribeResult,
    DescribeSpec,
    JobKind,
)


async def describe(session: AsyncSession, scope: Scope, dataset_id: int, target: str | None = None) -> Job:
    """Start the job that computes statistics of a dataset, and return it; while the same job runs, return that one.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `dataset_not_validated`.
        Invalid: `unknown_column`: the dataset has no column `target`.
    """
    # Of two requests at once, the second waits here for the commit of the first, and then finds its job.
    await scope.hold(session, Dataset, dataset_id, "dataset")
    dataset = await service.get_readable(session, scope, dataset_id)
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
    dataset = await service.get(session, scope, dataset_id)
    job = await jobs.find_latest(session, scope, JobKind.DESCRIBE, dataset_id)
    # Statistics of an earlier version of the dataset do not count.
    if job is None or job.payload["parquet"] != dataset.parquet:
        detail = "The statistics of this dataset were not requested yet; call POST /dataset/generate_statistics."
        raise NotFound(detail, code="statistics_not_found")
    return dataset, job


async def apply_statistics(session: AsyncSession, job: Job, result: DescribeResult | None) -> None:
    """Store the result of a describe job; when it has failed (None), earlier statistics stay."""
    if result is None:
        return
    dataset = await Scope(job.tenant_id, job.created_by).find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is not None and job.payload["parquet"] == dataset.parquet:
        dataset.statistics = result.statistics
