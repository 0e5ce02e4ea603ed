"""The health check: open to everyone, and it reads nothing that can be slow."""

from pydantic import BaseModel

from dataml.access.dependencies import OPEN
from dataml.http.routing import Router

router = Router(tags=["Utils"])


class HealthAnswer(BaseModel):
    """The answer of the health check."""

    status: str
    message: str


@router.get("/utils/health-check", dependencies=[OPEN])
async def health_check() -> HealthAnswer:
    """Answer 200 as soon as the API can answer."""
    return HealthAnswer(status="ok", message="Service is healthy.")
