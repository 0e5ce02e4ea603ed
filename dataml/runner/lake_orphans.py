"""The collection of orphans in the lake: what writes that were cancelled, or whose catalog failed, have left there."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from dataml.access import tenants
from dataml.clocks import steady_time
from dataml.db.session import Database
from dataml.errors import DatamlError
from dataml.iceberg.catalog import LakeConfig, open_catalog, translate_lake_errors
from dataml.iceberg.names import SCHEMAS, tenant_namespace
from dataml.iceberg.orphans import OrphanFolder, Orphans, find_orphans
from dataml.jobs import service as jobs
from dataml.jobs.spec import JobState
from dataml.runner.orphans import MIN_AGE_S

log = logging.getLogger(__name__)


class LakeOrphanCollector:
    """Removes files and folders of the tenants' tables that are a day old and that no table refers to."""

    def __init__(self, config: LakeConfig) -> None:
        self._config = config
        self._has_warned = False

    async def collect(self, database: Database) -> None:
        """Remove the orphans; nothing, if the catalog or a table does not answer, until the next call."""
        if self._config.is_local and not self._config.home.exists():
            return
        async with database.reading() as session:
            ids = await tenants.list_ids(session)
        try:
            orphans = await asyncio.to_thread(self._find, ids)
            states: dict[int, JobState] = {}
            if orphans.folders:
                async with database.reading() as session:
                    states = await jobs.list_states(session, [folder.job_id for _, folder in orphans.folders])
            removable = {folder.path for _, folder in orphans.folders if _is_removable(folder, states)}
            await asyncio.to_thread(partial(_remove, orphans, removable))
        except DatamlError as error:
            log.warning("orphans of the lake are collected later: %s", error.detail)
            return
        if not orphans.is_complete and not self._has_warned:
            self._has_warned = True
            log.warning("the storage of the lake cannot be listed: what writes leave there is not removed")

    def _find(self, tenant_ids: Sequence[str]) -> Orphans:
        namespaces = [tenant_namespace(tenant_id, schema) for tenant_id in tenant_ids for schema in SCHEMAS]
        catalog = open_catalog(self._config)
        try:
            with translate_lake_errors():
                return find_orphans(catalog, namespaces, steady_time() - MIN_AGE_S)
        finally:
            catalog.close()


def _is_removable(folder: OrphanFolder, states: dict[int, JobState]) -> bool:
    """Return whether the table of a folder was deleted through the platform, or was never created.

    Metadata is written before the catalog is asked. Behind a job that has succeeded, the table was there: another
    engine has dropped it, or the catalog is lost.
    """
    if folder.is_deleted:
        return True
    state = states.get(folder.job_id)
    if folder.has_metadata:
        return state in (JobState.FAILED, JobState.CANCELLED)
    return state is None or state.is_terminal


def _remove(orphans: Orphans, removable: set[str]) -> None:
    with translate_lake_errors():
        orphans.remove(removable)
