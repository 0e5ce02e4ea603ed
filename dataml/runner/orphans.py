"""The collection of orphans: folders in storage that no row refers to, left by processes that died."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.clocks import steady_time
from dataml.dataset import file_service
from dataml.db.session import Database
from dataml.errors import Unavailable
from dataml.jobs import service as jobs
from dataml.storage.storage import ATTEMPTS, Storage
from dataml.train import service as trainings

# Longer than any upload takes, even over a slow connection.
MIN_AGE_S: Final = 24 * 3600.0
"""How long what nothing refers to is kept."""
log = logging.getLogger(__name__)


async def collect_orphans(database: Database, storage: Storage) -> bool:
    """Remove the folders that no row refers to.

    Folders of attempts that ended without a result are removed at once; folders of uploads that were never committed,
    and of results that no row refers to any more, after a day. A folder that a row refers to always stays.

    An attempt may begin meanwhile: its row exists before its folder, and rows are read after folders.

    Returns:
        False when the store cannot be reached; then nothing is removed.
    """
    try:
        folders = await asyncio.to_thread(storage.list_folders)
    except Unavailable:
        return False
    async with database.reading() as session:
        orphans = await find_orphans(session, folders)
    for folder in orphans:
        log.warning("removing %s, which no row refers to", folder)
        await storage.delete(folder)
    return True


async def find_orphans(session: AsyncSession, folders: Mapping[str, float]) -> list[str]:
    """Return which of these folders of storage, with the times of their last writes, `collect_orphans` removes."""
    if not folders:
        return []
    running, with_result = await jobs.list_directories(session)
    needed = running | _with_parents(await _referenced_names(session))
    oldest = steady_time() - MIN_AGE_S

    def is_recent(folder: str, written_at: float) -> bool:
        return written_at >= oldest and (folder in with_result or not folder.startswith(f"{ATTEMPTS}/"))

    return [folder for folder, at in folders.items() if folder not in needed and not is_recent(folder, at)]


async def _referenced_names(session: AsyncSession) -> set[str]:
    """Return every storage name that a row of any tenant refers to."""
    return {
        *await file_service.list_storage_names(session),
        *await trainings.list_storage_names(session),
        *await jobs.list_storage_names(session),
    }


def _with_parents(names: Iterable[str]) -> set[str]:
    return {str(path) for name in names for path in (PurePosixPath(name), *PurePosixPath(name).parents)}
