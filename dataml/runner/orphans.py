"""Removes from storage what no row stands behind: the leavings of processes that died at an unlucky moment."""

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset import service as datasets
from dataml.db.session import Database
from dataml.errors import Unavailable
from dataml.jobs import service as jobs
from dataml.storage.storage import ATTEMPTS, Storage
from dataml.train import service as trainings

# Longer than any upload takes, over whatever line.
_OLD_S: Final = 24 * 3600.0
log = logging.getLogger(__name__)


async def sweep(database: Database, storage: Storage) -> bool:
    """Remove the folders of attempts that ended without a result at once, and after a day also those of uploads that
    were never committed and of results that nothing refers to any more. A folder that a row refers to always stays.

    An attempt may begin meanwhile: its row is there before its folder, and rows are read after folders. False when the
    store is away; then nothing is removed.
    """
    try:
        found = await asyncio.to_thread(storage.list_folders)
    except Unavailable:
        return False
    async with database.reading() as session:
        under_way, with_result = await jobs.list_directories(session)
        needed = under_way | _with_parents(await _names(session)) if found else set()
    old = time.time() - _OLD_S
    for folder, written in found.items():
        is_recent = written >= old and (folder in with_result or not folder.startswith(f"{ATTEMPTS}/"))
        if folder not in needed and not is_recent:
            log.warning("removing %s, which nothing refers to", folder)
            await storage.delete(folder)
    return True


async def _names(session: AsyncSession) -> set[str]:
    """Every storage name that a row of any tenant has."""
    return {
        *await datasets.list_storage_names(session),
        *await trainings.list_storage_names(session),
        *await jobs.list_storage_names(session),
    }


def _with_parents(names: Iterable[str]) -> set[str]:
    return {str(path) for name in names for path in (PurePosixPath(name), *PurePosixPath(name).parents)}
