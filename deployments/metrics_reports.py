"""Reports of metrics: every process sends what it has recorded to the supervisor, which adds up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ray.exceptions import RayError

from dataml.metrics.process import ProcessKind, ProcessRecorder
from dataml.metrics.recording import Labels
from dataml.metrics.totals import REPORT_INTERVAL_S, RecentCalls, Snapshot
from deployments.supervisor_lookup import SupervisorAway

# The scrape of Prometheus waits for 10 s by default.
_TIMEOUT_S: Final = 3.0
FindSupervisor = Callable[[], Awaitable[Any]]
"""Returns a handle of the supervisor. Raises SupervisorAway."""

log = logging.getLogger(__name__)


class MetricsReporter:
    """Sends the recordings of this process every `REPORT_INTERVAL_S`.

    A recording is sent once. One that a dying supervisor may or may not have taken is lost with its totals; to send it
    again could count it twice. While there is no supervisor nothing is taken, and so nothing is lost.
    """

    def __init__(
        self, kind: ProcessKind, find_supervisor: FindSupervisor, measure: Callable[[], None] = lambda: None
    ) -> None:
        """Create a reporter; `measure` sets the gauges of this process before each report."""
        self._recorder = ProcessRecorder(kind)
        self._find_supervisor = find_supervisor
        self._measure = measure

    def start(self) -> None:
        """Report until the process ends; the event loop runs."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def report(self) -> None:
        """Send what this process has recorded since the last report."""
        await self.call("record_metrics")

    async def call(self, method: str) -> Any:
        """Return what a method of the supervisor returns for the next recording; None while it cannot be reached."""
        try:
            supervisor = await self._find_supervisor()
            self._measure()
            async with asyncio.timeout(_TIMEOUT_S):
                return await getattr(supervisor, method).remote(self._recorder.take())
        except (SupervisorAway, RayError, TimeoutError):
            log.debug("the supervisor is down; metrics wait")
            return None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            await self.report()


class SupervisorMetrics:
    """The `MetricsSource` of a replica of the API: the totals of the supervisor."""

    def __init__(self, find_supervisor: FindSupervisor, measure: Callable[[], None] = lambda: None) -> None:
        """Start to report; `measure` is as that of `MetricsReporter`."""
        self._find_supervisor = find_supervisor
        self._reporter = MetricsReporter("api", find_supervisor, measure)
        self._reporter.start()

    async def collect(self) -> Snapshot | None:
        """Return the totals, with what this process has recorded until now; None without a supervisor."""
        return await self._reporter.call("collect_metrics")

    async def list_recent_calls(self, versions: Sequence[Labels]) -> Sequence[RecentCalls | None]:
        """Return the recent calls of versions of predictors in the same order; None where it is not known."""
        try:
            supervisor = await self._find_supervisor()
            async with asyncio.timeout(_TIMEOUT_S):
                return await supervisor.list_recent_calls.remote(versions)
        except (SupervisorAway, RayError, TimeoutError):
            return [None] * len(versions)

    async def close(self) -> None:
        """Send what is left."""
        await self._reporter.report()
