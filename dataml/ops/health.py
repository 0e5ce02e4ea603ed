"""The health check: open to everyone, and it reads nothing that can be slow."""

from typing import Literal

from pydantic import BaseModel

from dataml.access.dependencies import OPEN
from dataml.http.dependencies import AppSettings
from dataml.http.routing import Router
from dataml.settings import Settings
from dataml.storage.space import DiskSpace

router = Router(tags=["Utils"])
_LOW_SPACE = "Too little disk space is free: uploads and new jobs are refused, and queued jobs wait."


class HealthAnswer(BaseModel):
    """The answer of the health check."""

    status: Literal["ok", "degraded"]
    message: str


@router.get("/utils/health-check", dependencies=[OPEN])
async def check_health(settings: AppSettings) -> HealthAnswer:
    """Answer 200 as soon as the API can answer.

    `status` is `degraded` while less than `DATAML_STORAGE_RESERVE_BYTES` is free on the disk.
    """
    return measure_health(settings)


def measure_health(settings: Settings) -> HealthAnswer:
    """Return whether the API can take all work."""
    if DiskSpace.from_settings(settings).is_low():
        return HealthAnswer(status="degraded", message=_LOW_SPACE)
    return HealthAnswer(status="ok", message="Service is healthy.")
