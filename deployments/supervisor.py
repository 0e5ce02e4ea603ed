"""The supervisor's actor, which Serve keeps beside the Api deployment and restarts when it dies.

Serve waits for this actor before it starts a replica of the API. So the actor imports `deployments.control_plane`,
which takes seconds, only once the API is up.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray

from dataml.settings import Settings

if TYPE_CHECKING:
    from dataml.jobs.spec import JobProgress, JobReport
    from dataml.metrics.recording import Labels, Recording
    from dataml.metrics.totals import RecentCalls, Snapshot
    from dataml.serving.model_runner import LogRecord
    from deployments.control_plane import ControlPlane

NAME = "supervisor"
_MAX_WAIT_FOR_API_S = 15.0
_RETRY_S = 10.0
log = logging.getLogger(__name__)


@ray.remote
class SupervisorActor:
    """Receives the actor calls of replicas and workers, and runs the control plane."""

    def __init__(self, settings: str) -> None:
        # As JSON: a deployment by configuration converts the arguments of this actor to plain values.
        self._settings = Settings.model_validate_json(settings)
        self._first_call = asyncio.Event()
        # Serve gives this name to the actor and to its successor, which so takes the lease over at once.
        self._name = ray.get_runtime_context().get_actor_name() or NAME
        self._starting = asyncio.get_running_loop().create_task(self._start())
        self._starting.add_done_callback(_exit_if_failed)

    async def wake(self) -> None:
        """Look at the queue: jobs were added or cancelled; the API's first call also says that the API is up."""
        (await self._control_plane()).supervisor.wake()

    async def report(self, report: "JobReport") -> bool:
        """Record a worker's report; see `Supervisor.report`."""
        return await (await self._control_plane()).supervisor.report(report)

    async def record_progress(self, job_id: int, attempt: int, progress: "JobProgress") -> None:
        """Write the progress of an attempt."""
        await (await self._control_plane()).supervisor.record_progress(job_id, attempt, progress)

    async def record_predictions(self, records: "Sequence[LogRecord]") -> None:
        """Write records of the prediction log."""
        await (await self._control_plane()).record_predictions(records)

    async def record_metrics(self, recording: "Recording") -> None:
        """Add what a process has recorded to the totals of the platform."""
        (await self._control_plane()).record_metrics(recording)

    async def collect_metrics(self, recording: "Recording") -> "Snapshot":
        """Add what a process has recorded, and return the totals of the platform."""
        return (await self._control_plane()).collect_metrics(recording)

    async def list_recent_calls(self, versions: "Sequence[Labels]") -> "list[RecentCalls | None]":
        """Return the recent calls of versions of predictors in the same order; None where it is not known."""
        return (await self._control_plane()).list_recent_calls(versions)

    async def _control_plane(self) -> "ControlPlane":
        self._first_call.set()
        return await asyncio.shield(self._starting)

    async def _start(self) -> "ControlPlane":
        # A restarted actor may never be called by the API: then it starts after this time.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first_call.wait(), _MAX_WAIT_FOR_API_S)
        module = await asyncio.to_thread(importlib.import_module, "deployments.control_plane")
        control_plane: ControlPlane = module.ControlPlane(self._settings, self._name)
        loop = asyncio.get_running_loop()
        loop.create_task(control_plane.supervisor.run()).add_done_callback(_exit_process)
        tasks = {"managing the predictors' deployments": control_plane.deployer.run}
        if self._settings.spare_process:
            from deployments.spare_process import keep_spare_process

            tasks["keeping a spare process"] = keep_spare_process
        self._tasks = [loop.create_task(_run_forever(run, name)) for name, run in tasks.items()]
        return control_plane


def _exit_if_failed(task: "asyncio.Task[ControlPlane]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _exit_process(task)


def _exit_process(task: "asyncio.Task[Any]") -> None:
    # The loop never ends without a defect; a new actor rebuilds its state from the database.
    if not task.cancelled():
        log.error("the supervisor has ended and restarts", exc_info=task.exception())
        os._exit(1)


async def _run_forever(run: Callable[[], Coroutine[None, None, None]], name: str) -> None:
    # Jobs go on without these: the pool serves predictors whose own deployments cannot be managed.
    while True:
        task = asyncio.create_task(run())
        await asyncio.wait({task})
        log.error("%s failed; trying again", name, exc_info=task.exception())
        await asyncio.sleep(_RETRY_S)
