"""The supervisor's actor. Serve keeps one beside the Api deployment and starts another when it dies.

Serve waits for this actor before it starts a replica of the API, so the actor is a thin shell: what it runs is in
`deployments.control_plane`, whose imports take seconds, and comes once the API is up.
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
    from dataml.jobs.spec import JobReport
    from dataml.serving.model_runner import LogRecord
    from deployments.control_plane import ControlPlane

NAME = "supervisor"
_API_STARTS_S = 15.0
_RETRY_S = 10.0
log = logging.getLogger(__name__)


@ray.remote
class SupervisorActor:
    """Takes the actor calls of replicas and workers."""

    def __init__(self, settings: str) -> None:
        # As JSON: a deployment by configuration turns the arguments of this actor into plain values on its way.
        self._settings = Settings.model_validate_json(settings)
        self._called = asyncio.Event()
        # The name Serve gave this actor: a successor has the same one, and so takes the lease over at once.
        self._name = ray.get_runtime_context().get_actor_name() or NAME
        self._starting = asyncio.get_running_loop().create_task(self._start())
        self._starting.add_done_callback(_end_if_failed)

    async def wake(self) -> None:
        """Jobs have been added or cancelled; also the API's first call, which says that it is up."""
        (await self._control_plane()).supervisor.wake()

    async def report(self, report: "JobReport") -> bool:
        """A worker's report; see `Supervisor.report`."""
        return await (await self._control_plane()).supervisor.report(report)

    async def record_progress(self, job_id: int, attempt: int, fraction: float, message: str) -> None:
        await (await self._control_plane()).supervisor.record_progress(job_id, attempt, fraction, message)

    async def record_predictions(self, records: "Sequence[LogRecord]") -> None:
        await (await self._control_plane()).record_predictions(records)

    async def _control_plane(self) -> "ControlPlane":
        self._called.set()
        return await asyncio.shield(self._starting)

    async def _start(self) -> "ControlPlane":
        # A restarted actor may wait for a call in vain: then it starts by itself.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._called.wait(), _API_STARTS_S)
        module = await asyncio.to_thread(importlib.import_module, "deployments.control_plane")
        control_plane: ControlPlane = module.ControlPlane(self._settings, self._name)
        loop = asyncio.get_running_loop()
        loop.create_task(control_plane.supervisor.run()).add_done_callback(_end_process)
        self._deploying = loop.create_task(_keep_running(control_plane.deployer.run))
        return control_plane


def _end_if_failed(task: "asyncio.Task[ControlPlane]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _end_process(task)


def _end_process(task: "asyncio.Task[Any]") -> None:
    # A loop that ended is a defect; a fresh actor rebuilds itself from the database.
    if not task.cancelled():
        log.error("the supervisor ended and starts again", exc_info=task.exception())
        os._exit(1)


async def _keep_running(run: Callable[[], Coroutine[None, None, None]]) -> None:
    # The pool answers for predictors whose own deployments cannot be managed: no reason to stop the jobs.
    while True:
        task = asyncio.create_task(run())
        await asyncio.wait({task})
        log.error("managing the predictors' deployments failed; tried again", exc_info=task.exception())
        await asyncio.sleep(_RETRY_S)
