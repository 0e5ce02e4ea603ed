"""Reads, lists and deletes the files of datasets."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import roles, tenants
from dataml.audit import service as audit
from dataml.dataset import restoration, service, validation
from dataml.dataset.models import Dataset, File
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict, NotFound, TooLarge
from dataml.jobs.models import Job
from dataml.settings import Settings


async def list_files(session: AsyncSession, scope: Scope, dataset_id: int, page: Page) -> tuple[int, list[File]]:
    """Return the number of files of a dataset, and a page of them, newest first.

    Raises:
        NotFound: `dataset_not_found`.
    """
    await service.get(session, scope, dataset_id)
    return await scope.list(session, File, page, File.dataset_id == dataset_id, File.deleted_at.is_(None))


async def get_file(session: AsyncSession, scope: Scope, file_id: int) -> tuple[File, Dataset]:
    """Return a file with its dataset.

    Raises:
        NotFound: `file_not_found`.
    """
    file = _require(await scope.get(session, File, file_id, "file"))
    return file, await service.get(session, scope, file.dataset_id)


async def find_file(session: AsyncSession, scope: Scope, paths: Sequence[str]) -> File | None:
    """Return the file whose storage name is one of these, or None."""
    return await scope.find(session, File, File.path.in_(paths), File.deleted_at.is_(None))


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


async def delete_file(
    session: AsyncSession, settings: Settings, scope: Scope, file_id: int
) -> tuple[File, Dataset, Job | None]:
    """Delete a file, and start the validation of its dataset without it.

    A validation that runs is superseded. The row stays until the new one has ended: when that is cancelled, the file is
    back. `deleted_files` removes it then. The dataset of a batch prediction's result is not validated
    again, so there is no job.

    Raises:
        NotFound: `file_not_found`.
        Conflict: `last_file`.
    """
    file = _require(await scope.get(session, File, file_id, "file"))
    if file.purpose != "source":
        dataset = await service.get(session, scope, file.dataset_id)
        await session.execute(scope.delete(File).where(File.id == file.id))
        _record_deletion(session, scope, file, [])
        return file, dataset, None
    dataset, cancelled = await service.hold_to_change(session, scope, file.dataset_id)
    # Another change may have deleted the file before this one had the lock.
    _require(await scope.hold(session, File, file_id, "file"))
    remaining = [row for row in await service.list_uploaded_files(session, scope, dataset.id) if row.id != file.id]
    if not remaining:
        raise Conflict("This is the last file of its dataset; delete the dataset instead.", code="last_file")
    await restoration.remember(session, scope, dataset)
    file.deleted_at = utc_now()
    await session.flush()
    _record_deletion(session, scope, file, cancelled)
    contract = await validation.get_pinned_contract(session, scope, dataset)
    return file, dataset, await validation.validate(session, settings, scope, dataset, contract)


def _require(file: File) -> File:
    """Return a file that is not deleted; its row may stay for a while.

    Raises:
        NotFound: `file_not_found`.
    """
    if file.deleted_at is not None:
        raise NotFound("There is no file with this id.", code="file_not_found")
    return file


def _record_deletion(session: AsyncSession, scope: Scope, file: File, cancelled: Sequence[Job]) -> None:
    details = {"name": file.name, "dataset_id": file.dataset_id} | service.name_cancelled(cancelled)
    audit.record(session, scope, "file.delete", f"file:{file.id}", **details)


async def check_quota(session: AsyncSession, settings: Settings, scope: Scope, more_bytes: int) -> None:
    """Check that the tenant may store `more_bytes` of files.

    Raises:
        TooLarge: `quota_exceeded`.
    """
    quota_bytes = await tenants.find_quota_bytes(session, settings, scope.tenant_id)
    if quota_bytes is None:
        return
    # Of two uploads at once, the second waits here, and counts the files of the first.
    await roles.lock(session, scope.tenant_id)
    sizes = scope.select_columns(File, func.coalesce(func.sum(File.size_bytes), 0))
    used_bytes = await session.scalar(sizes.where(File.deleted_at.is_(None))) or 0
    if used_bytes + more_bytes > quota_bytes:
        detail = f"Your tenant may store {quota_bytes:,} bytes of files and has {used_bytes:,}; delete some."
        raise TooLarge(detail, code="quota_exceeded")


async def list_storage_names(session: AsyncSession) -> set[str]:
    """Return the storage names of all files of datasets, of every tenant."""
    files = await session.scalars(every_tenant.select(File.path))
    copies = await session.execute(every_tenant.select(Dataset.parquet, Dataset.errors, Dataset.set_aside))
    return {*files, *(name for row in copies for name in row if name)}
