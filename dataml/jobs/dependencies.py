"""Dependencies of routes that start, end or report jobs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from dataml.access.dependencies import BearerToken, Keys
from dataml.access.service import active_user, bearer_of
from dataml.db.scope import Scope
from dataml.errors import Unauthorized
from dataml.http.dependencies import Db, RequestOrigin
from dataml.http.request_hooks import hooks_of
from dataml.jobs import service
from dataml.jobs.results import ResultHandlers
from dataml.jobs.spec import Attempt


class JobQueue(Protocol):
    """The supervisor, as calls see it."""

    async def notify(self) -> None:
        """Tell the supervisor that the job table has changed; called after the commit, never before."""
        ...


@dataclass(frozen=True)
class Reporter:
    """A worker outside the cluster, with a token for one attempt at one job; it acts for who asked for the token."""

    attempt: Attempt
    scope: Scope


class JobToken:
    """The rule of a call that takes a job's token, and no other."""

    needs = "a job's token"

    async def __call__(
        self, request: Request, keys: Keys, database: Db, origin: RequestOrigin, _: BearerToken
    ) -> Reporter:
        """Return who reports, and on which attempt.

        Raises:
            Unauthorized: `missing_token`, `invalid_token`.
        """
        claims = keys.read_callback(bearer_of(request.headers.get("authorization")))
        async with database.reading() as session:
            job = await service.find_by_id(session, claims.job_id)
            user = await active_user(session, job.tenant_id, claims.user_id) if job is not None else None
        if job is None or user is None:
            raise Unauthorized("The token is not valid any more.", code="invalid_token")
        return Reporter(
            Attempt(claims.job_id, claims.attempt), Scope(job.tenant_id, user, claims.user_id, origin=origin)
        )


@dataclass(frozen=True)
class _QueueAfterCommit:
    """The queue of a request whose transactions are committed later: it is notified then."""

    queue: JobQueue
    after_commit: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]

    async def notify(self) -> None:
        await self.after_commit(self.queue.notify)


async def _jobs(request: Request) -> JobQueue:
    queue: JobQueue = request.app.state.jobs
    after_commit = hooks_of(request).after_commit
    return queue if after_commit is None else _QueueAfterCommit(queue, after_commit)


async def _result_handlers(request: Request) -> ResultHandlers:
    return request.app.state.result_handlers


Jobs = Annotated[JobQueue, Depends(_jobs)]
JobResults = Annotated[ResultHandlers, Depends(_result_handlers)]
JobReporter = Annotated[Reporter, Depends(JobToken())]
