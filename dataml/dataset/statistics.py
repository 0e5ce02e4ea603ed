"""Starts the statistics of a dataset, and stores them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from dataml.audit import service as audit
from dataml.dataset import service
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.errors import Invalid, NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    DescribeResult,
    DescribeSpec,
    JobKind,
)
from dataml.suggestions import describe_unknown


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
    dataset = await scope.get(session, Dataset, dataset_id, "dataset", undefer(Dataset.statistics))
    job = await jobs.find_latest(session, scope, JobKind.DESCRIBE, dataset_id)
    # Statistics of an earlier version of the dataset do not count.
    if job is None or job.payload["parquet"] != dataset.parquet:
        detail = "The statistics of this dataset were not requested yet; call POST /dataset/generate_statistics."
        raise NotFound(detail, code="statistics_not_found")
    return dataset, job


def select_parts(dataset: Dataset, columns: Sequence[str] | None, *, charts: bool) -> dict[str, Any] | None:
    """Return the statistics of a dataset, those of `columns` alone, and without charts unless `charts`.

    Raises:
        Invalid: `unknown_column`.
    """
    statistics = dataset.statistics
    if statistics is None:
        return None
    about: dict[str, Any] = statistics["columns"]
    for name in columns or ():
        if name not in about:
            raise Invalid(describe_unknown("column", name, about), code="unknown_column")
    selected = statistics | {"columns": {name: about[name] for name in columns or about}}
    return selected if charts else _without_charts(selected)


def _without_charts(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return statistics without the charts of the columns, of the correlations and of the target."""
    parts = {name: _without_chart(statistics[name]) for name in ("correlation", "target") if statistics.get(name)}
    about = {name: _without_chart(values) for name, values in statistics["columns"].items()}
    return {**statistics, **parts, "columns": about}


def _without_chart(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "chart"}


async def apply_statistics(session: AsyncSession, job: Job, result: DescribeResult | None) -> None:
    """Store the result of a describe job; when it has failed (None), earlier statistics stay."""
    if result is None:
        return
    dataset = await Scope(job.tenant_id, job.created_by).find(session, Dataset, Dataset.id == job.subject_id)
    if dataset is not None and job.payload["parquet"] == dataset.parquet:
        dataset.statistics = result.statistics
