"""The health of the platform, for its administrators."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from dataml.console.visit import Visit

_LONG_WAIT: Final = timedelta(minutes=10)


async def show(visit: Visit) -> Response:
    """Show space, the queue, the supervisor, and who stores most."""
    platform = await visit.api.get("/utils/status")
    return visit.render("health.html", platform=platform, problems=_find_problems(platform))


def _find_problems(platform: dict[str, Any]) -> list[str]:
    """Return what an administrator should look at, in words."""
    problems = [] if platform["health"]["status"] == "ok" else [platform["health"]["message"]]
    if not platform["supervisor"]["is_active"]:
        problems.append("No supervisor has renewed its lease: no job starts. Look at the log of the platform.")
    oldest = platform["jobs"]["oldest_queued_at"]
    if oldest and datetime.now(UTC) - datetime.fromisoformat(oldest) > _LONG_WAIT:
        problems.append(
            "A job has waited for more than 10 minutes: all workers are busy, or the cluster has no free CPU."
        )
    return problems
