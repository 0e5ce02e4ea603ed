"""What a job is called, what it is about, and what to do after it has failed, as people read it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_TITLES: Final = {
    "validate": "Check of dataset",
    "describe": "Statistics of dataset",
    "train": "Training",
    "explain": "Feature importance of training",
    "score": "Batch prediction",
    "forecast": "Batch forecast",
}
_FOLDERS: Final = {
    "validate": "/datasets/{}",
    "describe": "/datasets/{}/columns",
    "train": "/predictors/{}",
    "explain": "/predictors/{}",
}
# What the detail of these failures does not say. All others say what to change.
_ADVICE: Final = {
    "worker_lost": "Workers often end because memory is short: try again with fewer rows or columns, or ask an "
    "administrator.",
    "internal_error": "Try once more. If it fails again, give an administrator the id of the job: the platform's log "
    "has the cause.",
    "storage_unavailable": "The storage was away. Start it again in some minutes.",
    "lake_unavailable": "The lake was away. Start it again in some minutes.",
}


def title(job: Mapping[str, Any]) -> str:
    """Return the name of a job, such as `Training 12`."""
    return f"{_TITLES.get(job['kind'], job['kind'])} {job['subject_id']}"


def subject_url(job: Mapping[str, Any]) -> str | None:
    """Return the page of what a job is about; None where there is no such page."""
    path = _FOLDERS.get(job["kind"])
    return path.format(job["subject_id"]) if path else None


def run_time_s(job: Mapping[str, Any]) -> float | None:
    """Return how long the last attempt at a job ran, in seconds; None before its end."""
    if not job["started_at"] or not job["finished_at"]:
        return None
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return max((finished - started).total_seconds(), 0.0)


def advice(job: Mapping[str, Any]) -> str | None:
    """Return what to do after a failure; None where the failure itself says it."""
    error = job["error"]
    return _ADVICE.get(error["code"]) if error else None
