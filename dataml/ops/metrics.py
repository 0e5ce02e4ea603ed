"""The metrics of the platform, for Prometheus."""

import asyncio
import platform
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml import __version__
from dataml.access.dependencies import METRICS_READER
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.session import UNREACHABLE, Database
from dataml.http.dependencies import AppSettings, PlatformMetrics
from dataml.http.routing import Router
from dataml.jobs.models import Job, SupervisorLease
from dataml.jobs.spec import JobKind, JobState
from dataml.metrics.definitions import RECORDED
from dataml.metrics.exposition import render
from dataml.metrics.recording import Gauge, Labels
from dataml.metrics.totals import Snapshot
from dataml.settings import Settings
from dataml.storage.space import DiskSpace

router = Router(tags=["Utils"])
# Prometheus waits for 10 s by default.
_TIMEOUT_S: Final = 5.0
_UNFINISHED: Final = (JobState.QUEUED.value, JobState.RUNNING.value)

BUILD: Final = Gauge("dataml_build_info", "Always 1; its labels say what runs.", ("version", "python"))
TOTALS_UP: Final = Gauge(
    "dataml_metrics_up", "Whether this answer has the totals of all processes, which the supervisor adds up."
)
DATABASE_UP: Final = Gauge("dataml_database_up", "Whether the database answers.")
SUPERVISOR_UP: Final = Gauge("dataml_supervisor_up", "Whether a supervisor holds its lease. Without one no job starts.")
JOBS: Final = Gauge("dataml_jobs", "Jobs that have not ended, by state: `queued` or `running`.", ("kind", "state"))
QUEUE_AGE: Final = Gauge(
    "dataml_job_queue_age_seconds", "Age of the queued job that waits longest; 0 where none waits.", ("kind",)
)
FREE_SPACE: Final = Gauge("dataml_storage_free_bytes", "Free space of the fullest disk of the home.")
RESERVE: Final = Gauge("dataml_storage_reserve_bytes", "Free space below which uploads and jobs are refused.")

MEASURED: Final = (BUILD, TOTALS_UP, DATABASE_UP, SUPERVISOR_UP, JOBS, QUEUE_AGE, FREE_SPACE, RESERVE)
"""The gauges that are measured at a scrape; any replica measures the same."""

_Gauges = dict[str, dict[Labels, float]]


async def _database(request: Request) -> Database:
    return request.app.state.database


@router.get(
    "/metrics",
    dependencies=[METRICS_READER],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(
    request: Request,
    settings: AppSettings,
    source: PlatformMetrics,
    database: Annotated[Database, Depends(_database)],
) -> Response:
    """Return the metrics of all processes of the platform, as text for Prometheus.

    OpenMetrics is answered where `Accept` asks for it. Every replica of the API answers the same.
    """
    totals, measured = await asyncio.gather(source.collect(), _measure(settings, database))
    snapshot = totals or Snapshot({}, {}, {})
    measured[TOTALS_UP.name] = {(): float(totals is not None)}
    everything = Snapshot(snapshot.counters, snapshot.histograms, snapshot.gauges | measured)
    content, media_type = render((*MEASURED, *RECORDED), everything, request.headers.get("accept", ""))
    return Response(content, media_type=media_type)


async def _measure(settings: Settings, database: Database) -> _Gauges:
    space = DiskSpace.from_settings(settings)
    gauges: _Gauges = {
        BUILD.name: {(__version__, platform.python_version()): 1.0},
        FREE_SPACE.name: {(): float(await asyncio.to_thread(space.free_bytes))},
        RESERVE.name: {(): float(space.reserve_bytes)},
    }
    try:
        async with asyncio.timeout(_TIMEOUT_S), database.reading() as session:
            gauges |= await _measure_queue(session) | await _measure_supervisor(session)
            is_up = True
    except (*UNREACHABLE, TimeoutError):
        is_up = False
    return gauges | {DATABASE_UP.name: {(): float(is_up)}}


async def _measure_queue(session: AsyncSession) -> _Gauges:
    unfinished = every_tenant.select(Job.kind, Job.state, func.count(), func.min(Job.created_at))
    unfinished = unfinished.where(Job.state.in_(_UNFINISHED)).group_by(Job.kind, Job.state)
    counts: dict[Labels, float] = {(kind.value, state): 0.0 for kind in JobKind for state in _UNFINISHED}
    ages: dict[Labels, float] = {(kind.value,): 0.0 for kind in JobKind}
    now = utc_now()
    for kind, state, count, oldest_at in await session.execute(unfinished):
        counts[kind, state] = count
        if state == JobState.QUEUED.value:
            ages[(kind,)] = max((now - oldest_at).total_seconds(), 0.0)
    return {JOBS.name: counts, QUEUE_AGE.name: ages}


async def _measure_supervisor(session: AsyncSession) -> _Gauges:
    lease = await session.scalar(every_tenant.select(SupervisorLease))
    is_up = lease is not None and lease.expires_at > utc_now()
    return {SUPERVISOR_UP.name: {(): float(is_up)}}
