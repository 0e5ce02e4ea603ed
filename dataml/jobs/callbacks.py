"""Reports from workers outside the cluster: the tokens to send them, and which report counts."""

import hashlib
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.tokens import CallbackClaims, TokenKeys
from dataml.audit import service as audit
from dataml.db.scope import Scope
from dataml.errors import Conflict
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import Attempt, JobKind, JobState

TOKEN_LIFETIME_S: Final = 24 * 3600
_KINDS: Final = (JobKind.TRAIN, JobKind.EXPLAIN)


@dataclass(frozen=True)
class CallbackGrant:
    """A token to report the current attempt; `expires_at` is in seconds since 1970."""

    job: Job
    token: str
    expires_at: int


async def grant(session: AsyncSession, keys: TokenKeys, scope: Scope, public_id: str) -> CallbackGrant:
    """Allow a worker outside the cluster to report the current attempt.

    The first report counts. A worker of the cluster that runs the job goes on until then.

    Raises:
        NotFound: `job_not_found`.
        Conflict: `no_callback`: only trainings and feature importances can be reported; `job_not_running`.
    """
    job = await service.find(session, scope, public_id)
    if JobKind(job.kind) not in _KINDS:
        raise Conflict(f"A {job.kind} job takes no report from outside the cluster.", code="no_callback")
    if job.state != JobState.RUNNING:
        raise Conflict(f"The job is {job.state}; a token is for one that is running.", code="job_not_running")
    assert scope.user_id is not None, "only a user requests a token"
    expires_at = int(time.time()) + TOKEN_LIFETIME_S
    token = keys.sign_callback(CallbackClaims(scope.user_id, job.id, job.attempt), expires_at)
    audit.record(session, scope, "job.callback_token", f"job:{job.public_id}", attempt=job.attempt)
    return CallbackGrant(job, token, expires_at)


async def find_open(session: AsyncSession, attempt: Attempt, kind: JobKind, digest: str) -> Job | None:
    """Return the job while this attempt runs; None when the report with this digest has ended it already.

    Raises:
        Conflict: `wrong_job`: the token is for a job of another kind; `attempt_superseded`; `job_ended`.
    """
    job = await service.find_by_id(session, attempt.job_id)
    if job is None or job.kind != kind:
        raise Conflict("The token is for a job of another kind.", code="wrong_job")
    if job.attempt != attempt.attempt or job.state == JobState.QUEUED:
        raise Conflict("This attempt was given up; the job is tried again.", code="attempt_superseded")
    if job.state == JobState.RUNNING:
        return job
    if job.callback_digest == digest:
        return None
    raise Conflict(f"The job has ended already: it is {job.state}.", code="job_ended")


def report_digest(report: str) -> str:
    """Return the SHA-256 of a report's JSON, as hexadecimal digits."""
    return hashlib.sha256(report.encode(errors="surrogatepass")).hexdigest()
