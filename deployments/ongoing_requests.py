"""Ongoing requests of a replica that Serve does not see, reported to Serve's autoscaler."""

import asyncio
import logging
from time import perf_counter
from typing import Any, Final

from ray.serve._private.common import RequestMetadata

_INTERVAL_S: Final = 0.5
# The metrics take no more of a request than that it is not counted at the ingress.
_REQUEST: Final = RequestMetadata(request_id="", internal_request_id="")
log = logging.getLogger(__name__)


class OngoingRequests:
    """Requests that are answered within one turn of the event loop, as a mean number of ongoing ones.

    Serve counts the ongoing requests of a replica between two turns, when none of these is. Their mean number in an
    interval is the sum of the times that they took, over the length of the interval (Little 1961).
    """

    def __init__(self, app: object, loop: asyncio.AbstractEventLoop) -> None:
        """Create the count of the replica whose server has this application."""
        self._metrics = _find_metrics(app)
        self._loop = loop
        self._taken_s = 0.0
        self._reported = 0
        self._began_at: float | None = None

    def add(self, started_at: float) -> None:
        """Count a request that was answered now, and had arrived at `started_at` of `time.perf_counter`."""
        now = perf_counter()
        self._taken_s += now - started_at
        if self._began_at is None:
            self._began_at = now
            self._loop.call_later(_INTERVAL_S, self._report)

    def _report(self) -> None:
        assert self._began_at is not None
        now = perf_counter()
        count = round(self._taken_s / (now - self._began_at))
        self._change(count - self._reported)
        is_idle = not self._taken_s
        self._reported, self._taken_s, self._began_at = count, 0.0, None if is_idle else now
        if not is_idle:
            self._loop.call_later(_INTERVAL_S, self._report)

    def _change(self, difference: int) -> None:
        if self._metrics is None:
            return
        change = self._metrics.inc_num_ongoing_requests if difference > 0 else self._metrics.dec_num_ongoing_requests
        for _ in range(abs(difference)):
            change(_REQUEST)


def _find_metrics(app: Any) -> Any:
    """Return the metrics of the replica, to whose method the middlewares of its server lead."""
    while app is not None:
        replica = getattr(app, "__self__", None)
        if replica is not None:
            return getattr(replica, "_metrics_manager", None)
        app = getattr(app, "app", None) or getattr(app, "_app", None)
    log.warning("Serve does not count the predictions of the direct route: its autoscaler sees no load of them")
    return None
