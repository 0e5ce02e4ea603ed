"""The prediction log of a replica: sends records to the supervisor in batches, outside of the requests."""

import asyncio
import logging
from typing import Any

import ray
from ray.exceptions import RayError
from sqlalchemy.exc import SQLAlchemyError

from dataml.db.session import Database
from dataml.jobs import lease
from dataml.serving.model_runner import LogRecord

SERVE_NAMESPACE = "serve"
_FLUSH_INTERVAL_S = 0.5
# Records that are kept while the supervisor is down: about a minute of a busy replica.
_MAX_BUFFERED = 100_000
log = logging.getLogger(__name__)


class BufferedLog:
    """Buffers records for half a second and sends them to the supervisor in one actor call.

    Records are kept while the supervisor restarts. The buffer is lost when the machine dies: at most the last half
    second, the price of not writing to the database within the request.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._buffer: list[LogRecord] = []
        self._flushing: asyncio.Task[None] | None = None

    def add(self, record: LogRecord) -> None:
        """Add a record to the buffer; it is dropped when the buffer is full."""
        if len(self._buffer) >= _MAX_BUFFERED:
            return
        self._buffer.append(record)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Send all buffered records; keep them when the supervisor cannot be reached."""
        records, self._buffer = self._buffer, []
        if not records:
            return
        try:
            # Looked up each time: the lease names the current supervisor, and a handle dies with its actor.
            async with self._database.reading() as session:
                holder = await lease.find_holder(session)
            supervisor: Any = ray.get_actor(holder or "", SERVE_NAMESPACE)
            await supervisor.record_predictions.remote(records)
        except (RayError, SQLAlchemyError, ValueError):
            log.warning("the supervisor is down; %d prediction records wait", len(records))
            self._buffer = records + self._buffer

    async def _flush_soon(self) -> None:
        try:
            while self._buffer:
                await asyncio.sleep(_FLUSH_INTERVAL_S)
                await self.flush()
        finally:
            self._flushing = None
