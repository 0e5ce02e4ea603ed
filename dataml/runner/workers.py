"""The workers as the supervisor sees them; this module does not depend on Ray."""

from typing import Protocol

from dataml.jobs.spec import Attempt, JobSpec


class WorkerLost(Exception):
    """A worker's process is gone, or hangs."""


class Workers(Protocol):
    """Named workers that run one job at a time; the names are the same after a restart of the supervisor."""

    names: tuple[str, ...]

    async def attach(self, name: str, term: int) -> Attempt | None:
        """Make the worker report to this supervisor; return its attempt, None when it is idle or was never started.

        A worker takes nothing from a supervisor with a lower term than one before.
        """
        ...

    async def warm(self, name: str, term: int) -> None:
        """Return when the worker runs, reports to this supervisor and has imported its libraries. Raises WorkerLost."""
        ...

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        """Start this attempt. Raises WorkerLost, also where the worker refuses: another supervisor has taken over."""
        ...

    async def join(self, name: str) -> None:
        """Return when the worker is idle again and its report is recorded. Raises WorkerLost."""
        ...

    async def ping(self, name: str) -> None:
        """Return when the worker has answered; one that hangs never answers. Raises WorkerLost."""
        ...

    async def is_active(self, name: str) -> bool:
        """Return whether the process of a worker that does not answer shows that it works, or cannot be looked at."""
        ...

    async def kill(self, name: str) -> None:
        """Kill the worker and the attempt it runs, also one that hangs; no error when there is none."""
        ...
