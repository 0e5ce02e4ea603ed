"""The routes of jobs."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from dataml.access.dependencies import CallerAuthenticator, Keys, Trainer, Viewer
from dataml.access.permissions import Permission
from dataml.db.scope import Page
from dataml.errors import DatamlError, NotFound, Unavailable
from dataml.http.dependencies import AppSettings, Db
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router
from dataml.jobs import callbacks, events, service
from dataml.jobs.events import EventStream
from dataml.jobs.models import Job
from dataml.jobs.schemas import CallbackToken, JobAnswer, JobDetail, JobList, JobLog
from dataml.jobs.spec import Attempt, JobKind, JobState
from dataml.jobs.waiting import WaitSeconds, Watcher, release_slot, wait_for_job
from dataml.jobs.watcher import JobStatus
from dataml.storage.logs import read_log
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage, run_in_storage_thread

router = Router(prefix="/jobs", tags=["Jobs"])


JobPage = Annotated[
    Page,
    Depends(
        ListQuery(
            Job,
            search=("kind", "message", "created_by"),
            filters={
                "kind": Filter("kind", JobKind, "Only jobs of this kind."),
                "state": Filter("state", JobState, "Only jobs in this state."),
                "status": Filter("state", JobState, "The same as `state`."),
                "subject_id": Filter("subject_id", int, "Only jobs for this dataset, training or prediction."),
                "created_by": Filter("created_by", description="Only jobs of this user, by username."),
            },
            sort=("id", "kind", "state", "created_at", "started_at", "finished_at"),
            time="created_at",
        )
    ),
]


@router.get("/list")
async def list_jobs(user: Viewer, database: Db, page: JobPage) -> JobList:
    """List the jobs of the tenant, newest first."""
    async with database.reading() as session:
        total, jobs = await user.scope.list(session, Job, page, without=(Job.payload, Job.leaderboard))
    return JobList(total=total, data=[JobAnswer.of(job) for job in jobs])


@router.get("/{job_id}")
async def get_job(
    job_id: str,
    request: Request,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    watcher: Watcher,
    wait: WaitSeconds = 0,
) -> JobDetail:
    """Return the state, progress, attempts, times, time limit and error of one job.

    Of a batch it has what was asked, and of a training the scores of its candidates.

    With `wait` the answer comes when the job has ended, or after so many seconds.
    """
    async with database.reading() as session:
        job = await service.find(session, user.scope, job_id)
    if wait > 0 and not JobState(job.state).is_terminal:
        await wait_for_job(request, watcher, job, wait)
        async with database.reading() as session:
            job = await service.find(session, user.scope, job_id)
    return JobDetail.for_job(job, settings)


@router.get("/{job_id}/log")
async def get_job_log(
    job_id: str,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    attempt: Annotated[
        int | None, Query(ge=1, lt=2**31, description="Which attempt, counted from 1; the last one without it.")
    ] = None,
) -> JobLog:
    """Return the log of an attempt at a job, as far as it has come: a worker writes it every few seconds.

    404 `log_not_found`: no attempt has begun, there was no such attempt, its log is too old (`DATAML_JOB_LOG_DAYS`), or
    the work was done outside the cluster.
    """
    async with database.reading() as session:
        job = await service.find(session, user.scope, job_id)
    shown = Attempt(job.id, attempt or job.attempt)
    try:
        if not 1 <= shown.attempt <= job.attempt:
            raise FileMissing
        content = await run_in_storage_thread(read_log, Storage.from_settings(settings), shown.log_name)
    except FileMissing as error:
        raise NotFound("There is no log of this attempt.", code="log_not_found") from error
    return JobLog(job_id=job.public_id, attempt=shown.attempt, log=content.decode(errors="replace"))


@router.get("/{job_id}/events", status_code=200, response_class=EventStream, responses=events.DOCUMENTED)
async def stream_job_events(
    job_id: str,
    request: Request,
    user: Viewer,
    database: Db,
    watcher: Watcher,
    authenticator: CallerAuthenticator,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=300, description="Id of the last event that arrived.")
    ] = None,
) -> Response:
    """Stream the changes of a job as server-sent events: `state`, `progress`, and `end`, which is the last one.

    The data of an event is the job's `job_id`, `state`, `progress`, `phrase`, `leaderboard`, `attempts` and
    `error`, as JSON. A comment comes every 15 seconds. After 10 minutes the stream ends: connect again, with the id of
    the last event.
    """
    async with database.reading() as session:
        job = await service.find(session, user.scope, job_id)
    if JobState(job.state).is_terminal and JobStatus.of(job).version == last_event_id:
        return Response(status_code=204)

    async def may_continue() -> bool:
        try:
            (await authenticator.renew(user)).require(Permission.VIEW)
        except Unavailable:
            return True
        except DatamlError:
            return False
        return True

    release_slot(request)
    return EventStream(watcher, job, last_event_id, may_continue)


@router.post("/{job_id}/callback-token")
async def grant_callback_token(job_id: str, user: Trainer, database: Db, keys: Keys) -> CallbackToken:
    """Issue a token to report a training or feature importance from outside the cluster, with the work to do.

    The worker reports by `POST /train/result` or `/train/shap-result`.
    """
    async with database.transaction() as session:
        grant = await callbacks.grant(session, keys, user.scope, job_id)
    job = grant.job
    return CallbackToken(
        token=grant.token,
        job_id=job.public_id,
        attempt=job.attempt,
        expires_at=datetime.fromtimestamp(grant.expires_at, UTC),
        directory=job.directory,
        spec=job.payload,
    )
