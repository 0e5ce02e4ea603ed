"""How long an attempt at a job may run: the limit of the installation for its kind, or a smaller one of the caller."""

from typing import Annotated

from pydantic import Field

from dataml.errors import Invalid
from dataml.jobs.spec import JobKind
from dataml.settings import Settings

TimeLimit = Annotated[
    int | None,
    Field(
        ge=1,
        lt=2**31,
        description="Seconds that the job may run, at most those of the installation, which are the default. Time in "
        "the queue does not count. A job that takes longer fails with `job_timeout`.",
    ),
]


def effective_time_limit_s(settings: Settings, kind: JobKind, requested_s: int | None) -> int:
    """Return how many seconds an attempt at a job of this kind may run."""
    limit_s: int = getattr(settings, f"{kind.value}_time_limit_s")
    return limit_s if requested_s is None else min(limit_s, requested_s)


def check_time_limit(settings: Settings, kind: JobKind, requested_s: int | None) -> None:
    """Refuse a limit above that of the installation.

    Raises:
        Invalid: `time_limit_too_long`.
    """
    limit_s = effective_time_limit_s(settings, kind, None)
    if requested_s is not None and requested_s > limit_s:
        detail = f"time_limit_s is larger than this installation allows; it can be at most {limit_s}."
        raise Invalid(detail, code="time_limit_too_long")
