"""Reads, lists and deletes datasets."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset.models import Dataset, File
from dataml.dataset.schemas import Usage
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    JobKind,
)
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


async def find_by_parquet(session: AsyncSession, scope: Scope, parquet: str) -> Dataset | None:
    """Return the dataset whose validated copy has this storage name, or None."""
    return await scope.find(session, Dataset, Dataset.parquet == parquet)


async def list_uploaded_files(session: AsyncSession, scope: Scope, dataset_id: int) -> Sequence[File]:
    """Return the files of a dataset that were uploaded, in the order of the upload."""
    rows = scope.select(File).where(File.dataset_id == dataset_id, File.purpose == "source")
    return (await session.scalars(rows.order_by(File.id))).all()
