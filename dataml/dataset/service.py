"""Reads, lists and deletes datasets."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.datalake.service import OwnTable
from dataml.dataset.models import Dataset, File
from dataml.dataset.schemas import Usage
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind
from dataml.template.models import Template

_NOT_VALID: Final = {
    "validating": "The dataset is still being validated; try again when its job has ended.",
    "invalid": "Too few rows of the dataset could be kept; its error report says why.",
    "failed": "The validation of the dataset failed: ",
}
_USAGES: Final = {"t": "training", "p": "prediction"}


async def get(session: AsyncSession, scope: Scope, dataset_id: int) -> Dataset:
    """Return a dataset, without its statistics.

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
    where = [Dataset.state == "valid"] if only_valid else []
    # Of a wide dataset it is large, and no list shows it.
    return await scope.list(session, Dataset, page, *where, without=(Dataset.contract,))


async def count_files(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, int]:
    """Return the number of files by dataset id, results of batch predictions included."""
    rows = scope.select_columns(File, File.dataset_id, func.count(File.id))
    ids = [dataset.id for dataset in datasets]
    present = rows.where(File.dataset_id.in_(ids), File.deleted_at.is_(None))
    counts = await session.execute(present.group_by(File.dataset_id))
    return {row[0]: row[1] for row in counts}


async def get_template_names(session: AsyncSession, scope: Scope, datasets: Sequence[Dataset]) -> dict[int, str]:
    """Return the names of the templates of these datasets by template id."""
    ids = {dataset.template_id for dataset in datasets if dataset.template_id is not None}
    if not ids:
        return {}
    names = scope.select_columns(Template, Template.id, Template.name).where(Template.id.in_(ids))
    return {row[0]: row[1] for row in await session.execute(names)}


async def refuse_template_in_use(session: AsyncSession, scope: Scope, template_id: int) -> None:
    """Raise an error if a dataset was validated against the template.

    Raises:
        Conflict: `template_in_use`.
    """
    rows = scope.select_columns(Dataset, func.count()).where(Dataset.template_id == template_id)
    if used_by := await session.scalar(rows):
        datasets = "a dataset uses" if used_by == 1 else f"{used_by:,} datasets use"
        raise Conflict(f"The template cannot be deleted: {datasets} it.", code="template_in_use")


async def refuse_lake_table_in_use(session: AsyncSession, scope: Scope, table: OwnTable) -> None:
    """Raise an error if a dataset of the tenant was made from this lake table.

    Raises:
        Conflict: `table_in_use`.
    """
    made_from = (Dataset.data_source == "iceberg", Dataset.iceberg_table_name == str(table))
    rows = scope.select_columns(Dataset, func.count()).where(*made_from)
    if used_by := await session.scalar(rows):
        datasets = "a dataset is" if used_by == 1 else f"{used_by:,} datasets are"
        raise Conflict(f"The lake table cannot be deleted: {datasets} made from it.", code="table_in_use")


async def hold_to_change(session: AsyncSession, scope: Scope, dataset_id: int) -> tuple[Dataset, list[Job]]:
    """Return a dataset, locked until the end of the transaction, and the validations that were cancelled for it.

    The caller starts another validation in the same transaction: nobody sees a dataset between the two.

    Raises:
        NotFound: `dataset_not_found`.
    """
    return await _hold_without_jobs(session, scope, dataset_id, (JobKind.VALIDATE,), "Superseded by a later change")


async def hold_to_delete(session: AsyncSession, scope: Scope, dataset_id: int) -> tuple[Dataset, list[Job]]:
    """Return a dataset, locked so that nothing begins to use it, and its jobs that were cancelled for it.

    Raises:
        NotFound: `dataset_not_found`.
    """
    kinds = (JobKind.VALIDATE, JobKind.DESCRIBE)
    return await _hold_without_jobs(session, scope, dataset_id, kinds, "The dataset was deleted")


async def _hold_without_jobs(
    session: AsyncSession, scope: Scope, dataset_id: int, kinds: Sequence[JobKind], message: str
) -> tuple[Dataset, list[Job]]:
    """Cancel the unfinished jobs of a dataset, then lock it; the end of a job locks both in this order, too."""
    while True:
        # Another change may start a job before this one has the lock. The savepoint gives the lock back: to wait for
        # that job while holding its dataset could be a deadlock with the job's end.
        savepoint = await session.begin_nested()
        unfinished = await _list_unfinished(session, scope, dataset_id, kinds)
        cancelled = [job for job in unfinished if await jobs.cancel(session, job, message)]
        dataset = await scope.hold(session, Dataset, dataset_id, "dataset")
        if not await _list_unfinished(session, scope, dataset_id, kinds):
            await savepoint.commit()
            return dataset, cancelled
        await savepoint.rollback()


async def delete(session: AsyncSession, scope: Scope, dataset: Dataset, cancelled: Sequence[Job]) -> list[str]:
    """Delete a dataset that nothing refers to, with the rows of its files.

    Args:
        session: of the transaction.
        scope: who deletes it.
        dataset: as `hold_to_delete` has returned it.
        cancelled: its jobs that were cancelled for this.

    Returns:
        The storage names of the folders to remove after the commit.
    """
    files = (await session.scalars(scope.select(File).where(File.dataset_id == dataset.id))).all()
    dataset_jobs = await jobs.list_for(session, scope, (JobKind.VALIDATE, JobKind.DESCRIBE), dataset.id)
    folders = {str(PurePosixPath(file.path).parent) for file in files} | {
        job.directory for job in dataset_jobs if job.attempt
    }
    await session.execute(scope.delete(File).where(File.dataset_id == dataset.id))
    await session.execute(scope.delete(Dataset).where(Dataset.id == dataset.id))
    details = name_cancelled(cancelled)
    audit.record(session, scope, "dataset.delete", f"dataset:{dataset.id}", name=dataset.name, **details)
    return sorted(folders)


def name_cancelled(cancelled: Sequence[Job]) -> dict[str, Any]:
    """Return what the audit log says of jobs that a change of their dataset has cancelled."""
    return {"cancelled_jobs": [job.public_id for job in cancelled]} if cancelled else {}


async def _list_unfinished(
    session: AsyncSession, scope: Scope, dataset_id: int, kinds: Sequence[JobKind]
) -> Sequence[Job]:
    # Ids beyond the database's integers would fail in the driver.
    return await jobs.list_for(session, scope, kinds, dataset_id, unfinished=True) if 0 < dataset_id < 2**63 else ()


async def find_by_parquet(session: AsyncSession, scope: Scope, parquet: str) -> Dataset | None:
    """Return the dataset whose validated copy has this storage name, or None."""
    return await scope.find(session, Dataset, Dataset.parquet == parquet)


async def list_uploaded_files(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[File]:
    """Return the files of a dataset that were uploaded, in the order of the upload."""
    rows = scope.select(File).where(File.dataset_id == dataset_id, File.purpose == "source", File.deleted_at.is_(None))
    return (await session.scalars(rows.order_by(File.id))).all()
