"""The health of the platform, for its administrators."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from dataml.console.visit import Visit

_LONG_WAIT: Final = timedelta(minutes=10)
_LONG_LAG_S: Final = 60


async def show(visit: Visit) -> Response:
    """Show the queue, requests and predictions, space, the supervisor, and who stores most."""
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
    activity = platform["activity"]
    if activity is None:
        return [*problems, "The supervisor cannot be reached: the figures of requests and predictions are missing."]
    log = activity["prediction_log"]
    if log["lag_s"] > _LONG_LAG_S:
        problems.append("Records of the prediction log wait for more than a minute: the database does not keep up.")
    if log["dropped"]:
        problems.append(f"{log['dropped']:,} records of the prediction log were lost because too many waited.")
    return problems
