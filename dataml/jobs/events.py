"""The changes of a job as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dataml.jobs.models import Job
from dataml.jobs.watcher import JobStatus, JobWatcher, Watch

HEARTBEAT_S: Final = 15.0
"""Time between two signs of life: below every proxy's time limit of silence."""

MAX_STREAM_S: Final = 600.0
"""How long a stream lasts at most; then the client connects again, with the id of the last event."""

_RETRY_MS: Final = 2000
_HEADERS: Final = {"X-Accel-Buffering": "no"}
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The events."},
    204: {"description": "The job has ended, and the client has its last event."},
}


class EventStream(StreamingResponse):
    """The events of a job: its status now, unless that is the client's last event, and each change.

    It ends when the client goes away, and when `may_continue`, which is called at each heartbeat, returns False.
    """

    media_type = "text/event-stream"

    def __init__(
        self, watcher: JobWatcher, job: Job, last_event_id: str | None, may_continue: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__((), headers=_HEADERS)
        self._watcher = watcher
        self._job = job
        self._last_event_id = last_event_id
        self._may_continue = may_continue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as ASGI asks.

        Raises:
            TooManyRequests: `too_many_waiters`.
            Unavailable: `too_many_waiters`.
        """
        # Of newer versions of ASGI, Starlette notices only at the next event that the client has gone.
        scope = {**scope, "asgi": {"version": "3.0", "spec_version": "2.3"}}
        async with self._watcher.watch(self._job) as watch:
            self.body_iterator = _events(watch, self._job.public_id, self._last_event_id, self._may_continue)
            await super().__call__(scope, receive, send)


async def _events(
    watch: Watch, job_id: str, last_event_id: str | None, may_continue: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    ends_at = asyncio.get_running_loop().time() + MAX_STREAM_S
    yield f"retry: {_RETRY_MS}\n\n"
    sent: JobStatus | None = None
    while True:
        status = watch.status
        if status.version != last_event_id:
            last_event_id = status.version
            yield _format(job_id, sent, status)
        sent = status
        if status.state.is_terminal or asyncio.get_running_loop().time() >= ends_at:
            return
        if not await watch.changed(HEARTBEAT_S):
            if not await may_continue():
                return
            yield ": heartbeat\n\n"


def _format(job_id: str, before: JobStatus | None, status: JobStatus) -> str:
    """Return an event: `end`, `state` when that is new, else `progress`."""
    kind = "progress" if before is not None and before.state == status.state else "state"
    kind = "end" if status.state.is_terminal else kind
    return f"id: {status.version}\nevent: {kind}\ndata: {status.to_json(job_id)}\n\n"
