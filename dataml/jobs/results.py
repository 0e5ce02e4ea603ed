"""The result handlers that features register: called in the transaction that ends a job."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.scope import Scope
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, Result


@dataclass(frozen=True)
class ResultHandler:
    """The function by which a feature records the end of its jobs.

    `result_type` is the result of such a job; `apply` gets None instead when the job has failed or was cancelled.
    """

    result_type: type[Any]
    apply: Callable[[AsyncSession, Job, Any], Awaitable[None]]


class ResultHandlers:
    """The handler of each kind of job."""

    def __init__(self, handlers: Mapping[JobKind, ResultHandler]) -> None:
        self._handlers = handlers

    async def apply(self, session: AsyncSession, job: Job, result: Result | None) -> None:
        """Record the result of a job; without one the job has failed or was cancelled, and `job` says why.

        Raises:
            TypeError: a job of this kind cannot return such a result.
        """
        handler = self._handlers[JobKind(job.kind)]
        if result is not None and not isinstance(result, handler.result_type):
            raise TypeError(f"a {job.kind} job cannot end with {type(result).__name__}")
        await handler.apply(session, job, result)

    async def cancel(self, session: AsyncSession, job: Job) -> bool:
        """Cancel a job; False when it had ended before."""
        if not await service.cancel(session, job):
            return False
        await self.apply(session, job, None)
        return True

    async def cancel_all(self, session: AsyncSession, scope: Scope) -> None:
        """Cancel every unfinished job of a tenant."""
        for job in await service.list_unfinished(session, scope):
            await self.cancel(session, job)
