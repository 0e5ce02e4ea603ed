"""The prediction log of a replica: sends records to the supervisor in batches, outside of the requests."""

import asyncio
import logging
import time

from ray.exceptions import RayError

from dataml.db.session import Database
from dataml.metrics.definitions import LOGGED_PREDICTIONS, PREDICTION_LOG_LAG, WAITING_PREDICTIONS
from dataml.serving.model_runner import LogRecord, prediction_time_ms
from deployments.supervisor_lookup import SupervisorAway, find_supervisor

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
            LOGGED_PREDICTIONS.add("dropped")
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
            await (await find_supervisor(self._database)).record_predictions.remote(records)
        except (RayError, SupervisorAway):
            log.warning("the supervisor is down; %d prediction records wait", len(records))
            self._buffer = records + self._buffer

    def measure(self) -> None:
        """Set the gauges of the log of this process."""
        WAITING_PREDICTIONS.set(len(self._buffer))
        lag_s = time.time() - prediction_time_ms(self._buffer[0].id) / 1000 if self._buffer else 0.0
        PREDICTION_LOG_LAG.set(max(lag_s, 0.0))

    async def _flush_soon(self) -> None:
        try:
            while self._buffer:
                await asyncio.sleep(_FLUSH_INTERVAL_S)
                await self.flush()
        finally:
            self._flushing = None
