"""Carries prediction records from a replica to the supervisor, in batches, off the request's path."""

import asyncio
import logging
from typing import Any

import ray
from ray.exceptions import RayError
from sqlalchemy.exc import SQLAlchemyError

from dataml.db.session import Database
from dataml.jobs import service as jobs
from dataml.serving.model_runner import LogRecord

SERVE_NAMESPACE = "serve"
_EVERY_S = 0.5
# What is kept while the supervisor is away: about a minute of a busy replica.
_MAX_WAITING = 100_000
log = logging.getLogger(__name__)


class BufferedLog:
    """Collects records for half a second and hands them to the supervisor in one actor call.

    Records wait while the supervisor restarts. What a replica holds when its machine dies is lost: at most the last
    half second, the price for not writing to the database within the request.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[LogRecord] = []
        self._flushing: asyncio.Task[None] | None = None

    def add(self, record: LogRecord) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            return
        self._waiting.append(record)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Hand over everything that waits; keeps it when the supervisor cannot be reached."""
        records, self._waiting = self._waiting, []
        if not records:
            return
        try:
            # Looked up each time: the lease names the supervisor in charge, and a handle dies with its actor.
            async with self._database.reading() as session:
                holder = await jobs.find_lease_holder(session)
            supervisor: Any = ray.get_actor(holder or "", SERVE_NAMESPACE)
            await supervisor.record_predictions.remote(records)
        except (RayError, SQLAlchemyError, ValueError):
            log.warning("the supervisor is away; %d prediction records wait", len(records))
            self._waiting = records + self._waiting

    async def _flush_soon(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(_EVERY_S)
                await self.flush()
        finally:
            self._flushing = None
