"""Removes deleted files once no validation can bring them back."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset import downloads
from dataml.dataset.models import Dataset, File
from dataml.db import every_tenant
from dataml.db.session import Database
from dataml.storage.storage import Storage

_MAX_AT_ONCE: Final = 1000


async def collect_deleted_files(database: Database, storage: Storage) -> None:
    """Remove the deleted files of datasets that are not being validated: from storage, then their rows."""
    async with database.reading() as session:
        files = await _list_deleted(session)
    for file in files:
        await downloads.remove(storage, file)
    if files:
        async with database.transaction() as session:
            ids = [file.id for file in files]
            await session.execute(every_tenant.delete(File).where(File.id.in_(ids), File.deleted_at.is_not(None)))


async def _list_deleted(session: AsyncSession) -> Sequence[File]:
    settled = every_tenant.select(File).join(Dataset, Dataset.id == File.dataset_id)
    deleted = settled.where(File.deleted_at.is_not(None), Dataset.state != "validating")
    return (await session.scalars(deleted.order_by(File.id).limit(_MAX_AT_ONCE))).all()
