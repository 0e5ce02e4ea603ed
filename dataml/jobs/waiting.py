"""Dependencies by which a request waits for a job, and gives up the place of a request that works."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response

from dataml.concurrency import Slot
from dataml.db.session import UNREACHABLE, Database
from dataml.errors import DatamlError
from dataml.http.request_hooks import hooks_of
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.watcher import JobStatus, JobWatcher, wait_for_end

T = TypeVar("T")
MAX_WAIT_S: Final = 60
_JOB_IDS: Final = ("job_id", "shap_job_id")


async def _watcher(request: Request) -> JobWatcher:
    return request.app.state.job_watcher


Watcher = Annotated[JobWatcher, Depends(_watcher)]
WaitSeconds = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT_S,
        description="Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.",
    ),
]


def release_slot(request: Request) -> None:
    """Give up the place of a request among those that are worked on at once: from here on it only waits."""
    slot: Slot | None = request.scope["state"].get("slot")
    if slot is not None:
        slot.release()


async def unless_gone(request: Request, waiting: Awaitable[T]) -> T | None:
    """Return what is waited for; None, at once, when the client of the request goes away."""
    task, gone = asyncio.ensure_future(waiting), asyncio.ensure_future(_client_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, gone):
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await each


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def wait_for_job(request: Request, watcher: JobWatcher, job: Job, timeout_s: float) -> JobStatus | None:
    """Wait until a job has ended, at most so long, and return its status; None when the client has gone.

    Raises:
        TooManyRequests: `too_many_waiters`.
        Unavailable: `too_many_waiters`.
    """
    async with watcher.watch(job) as watch:
        release_slot(request)
        return await unless_gone(request, wait_for_end(watch, timeout_s))


async def _wait(request: Request, wait: WaitSeconds = 0) -> None:
    if wait > 0:

        async def wait_and_complete(response: Response) -> Response:
            return await _complete(request, response, wait)

        hooks_of(request).on_response.append(wait_and_complete)


WAIT: Final = Depends(_wait)
"""For routes that start a job: with `?wait=` they answer when it has ended, and `job_state` says how.

It comes first, before the caller is authenticated: a repeated request with an `Idempotency-Key` waits, too. What is
started stays so: a request that finds no place to wait is answered at once.
"""


async def _complete(request: Request, response: Response, wait_s: float) -> Response:
    answer: dict[str, Any] = orjson.loads(response.body)
    public_id = next((answer[name] for name in _JOB_IDS if answer.get(name)), None)
    if public_id is None:
        return response
    database: Database = request.app.state.database
    with contextlib.suppress(DatamlError, *UNREACHABLE):
        async with database.reading() as session:
            job = await service.find(session, request.scope["state"]["principal"].scope, public_id)
        answer["job_state"] = job.state
        if not JobStatus.of(job).state.is_terminal:
            status = await wait_for_job(request, request.app.state.job_watcher, job, wait_s)
            answer["job_state"] = status.state if status is not None else job.state
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(orjson.dumps(answer), response.status_code, headers)
