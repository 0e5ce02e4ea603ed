"""The state of the platform as a whole, for its administrators: database, storage, jobs, workers, tenants."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml import __version__
from dataml.access.dependencies import PlatformAdmin
from dataml.access.models import Tenant
from dataml.dataset.models import File
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.http.dependencies import AppSettings, Db, PlatformMetrics
from dataml.http.routing import Router
from dataml.jobs.models import Job, SupervisorLease
from dataml.jobs.spec import JobState
from dataml.ops.activity import ActivityStatus
from dataml.ops.health import HealthAnswer, measure_health
from dataml.settings import Settings
from dataml.storage.space import DiskSpace

router = Router(tags=["Utils"])
_DAY: Final = timedelta(days=1)
_MAX_TENANTS: Final = 20


class StorageStatus(BaseModel):
    """Space, in bytes."""

    kind: Literal["folder", "object store"] = Field(description="Where files are stored.")
    free_bytes: int = Field(description="Free on the fullest disk of the home.")
    reserve_bytes: int = Field(description="Uploads and jobs are refused when less is free.")
    file_bytes: int = Field(description="Size of the files of all tenants that are not deleted.")


class JobsStatus(BaseModel):
    """The queue of all tenants."""

    queued: int
    running: int
    failed_last_day: int = Field(description="Jobs that ended as failed in the last 24 hours.")
    oldest_queued_at: datetime | None = Field(description="When the job was made that waits longest.")
    workers: int = Field(description="Jobs that can run at a time.")


class SupervisorStatus(BaseModel):
    """The process that gives jobs to workers."""

    is_active: bool = Field(description="Whether it has renewed its lease in time. Without one no job starts.")
    holder: str | None = Field(description="Its name; null before the first start.")
    expires_at: datetime | None = Field(description="When its lease ends, unless it is renewed.")


class TenantUsage(BaseModel):
    """What a tenant stores."""

    tenant_id: str
    name: str
    is_active: bool
    file_bytes: int = Field(description="Size of its files that are not deleted.")
    quota_bytes: int | None = Field(description="What it may store at most; null: no limit.")


class PlatformStatus(BaseModel):
    """The state of the platform."""

    version: str
    health: HealthAnswer
    database: Literal["sqlite", "postgresql"]
    storage: StorageStatus
    jobs: JobsStatus
    supervisor: SupervisorStatus
    activity: ActivityStatus | None = Field(
        description="What the metrics of all processes say; null while the supervisor cannot be reached."
    )
    tenants: int = Field(description="Tenants that are open.")
    largest_tenants: list[TenantUsage] = Field(description="The 20 tenants that store most.")


@router.get("/utils/status")
async def get_platform_status(
    user: PlatformAdmin, database: Db, settings: AppSettings, metrics: PlatformMetrics
) -> PlatformStatus:
    """Return the state of the platform as a whole: space, the queue of jobs, the supervisor, and who stores most.

    Also how many requests and predictions there were, how long they took, and what failed, from the metrics.
    """
    space = DiskSpace.from_settings(settings)
    free_bytes, totals = await asyncio.gather(asyncio.to_thread(space.free_bytes), metrics.collect())
    async with database.reading() as session:
        usage = await _list_usage(session, settings)
        total = await session.scalar(every_tenant.select(func.coalesce(func.sum(File.size_bytes), 0)).where(_STORED))
        tenants = await session.scalar(every_tenant.select(func.count(Tenant.id)).where(Tenant.is_active))
        jobs = await _count_jobs(session, settings)
        supervisor = await _find_supervisor(session)
    return PlatformStatus(
        version=__version__,
        health=measure_health(settings),
        database="sqlite" if settings.is_sqlite else "postgresql",
        storage=StorageStatus(
            kind="folder" if settings.storage_url is None else "object store",
            free_bytes=free_bytes,
            reserve_bytes=space.reserve_bytes,
            file_bytes=total or 0,
        ),
        jobs=jobs,
        supervisor=supervisor,
        activity=None if totals is None else ActivityStatus.from_metrics(totals),
        tenants=tenants or 0,
        largest_tenants=usage,
    )


_STORED: Final = File.deleted_at.is_(None)


async def _list_usage(session: AsyncSession, settings: Settings) -> list[TenantUsage]:
    stored = func.coalesce(func.sum(File.size_bytes), 0)
    sizes = (
        every_tenant.select(Tenant.id, Tenant.name, Tenant.is_active, Tenant.quota_bytes, stored)
        .outerjoin(File, (File.tenant_id == Tenant.id) & _STORED)
        .group_by(Tenant.id, Tenant.name, Tenant.is_active, Tenant.quota_bytes)
        .order_by(stored.desc(), Tenant.name)
        .limit(_MAX_TENANTS)
    )
    return [
        TenantUsage(
            tenant_id=tenant_id,
            name=name,
            is_active=is_active,
            file_bytes=file_bytes,
            quota_bytes=quota_bytes if quota_bytes is not None else settings.tenant_quota_bytes,
        )
        for tenant_id, name, is_active, quota_bytes, file_bytes in await session.execute(sizes)
    ]


async def _count_jobs(session: AsyncSession, settings: Settings) -> JobsStatus:
    unfinished = every_tenant.select(Job.state, func.count(), func.min(Job.created_at)).group_by(Job.state)
    unfinished = unfinished.where(Job.state.in_((JobState.QUEUED.value, JobState.RUNNING.value)))
    counts: dict[str, tuple[int, Any]] = {
        state: (count, oldest) for state, count, oldest in await session.execute(unfinished)
    }
    failed = every_tenant.select(func.count(Job.id)).where(
        Job.state == JobState.FAILED.value, Job.finished_at > utc_now() - _DAY
    )
    queued, oldest_queued_at = counts.get(JobState.QUEUED.value, (0, None))
    return JobsStatus(
        queued=queued,
        running=counts.get(JobState.RUNNING.value, (0, None))[0],
        failed_last_day=await session.scalar(failed) or 0,
        oldest_queued_at=oldest_queued_at,
        workers=settings.workers,
    )


async def _find_supervisor(session: AsyncSession) -> SupervisorStatus:
    lease = await session.scalar(every_tenant.select(SupervisorLease))
    if lease is None:
        return SupervisorStatus(is_active=False, holder=None, expires_at=None)
    return SupervisorStatus(is_active=lease.expires_at > utc_now(), holder=lease.holder, expires_at=lease.expires_at)
