"""The supervisor's actor. Serve keeps one beside the Api deployment and starts another when it dies."""

import asyncio
import logging
import os
from collections.abc import Sequence

import ray

from dataml.db.session import Database
from dataml.inference import service as inference
from dataml.inference.hosts import LogRecord
from dataml.jobs.spec import JobReport
from dataml.jobs.supervisor import Supervisor
from dataml.jobs.worker import RayWorkers
from dataml.settings import Settings
from deployments.deployer import Deployer

NAME = "supervisor"
log = logging.getLogger(__name__)


@ray.remote
class SupervisorActor:
    """Hosts `Supervisor` and `Deployer` in one event loop and takes the actor calls of workers and replicas."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings)
        self._deployer = Deployer(self._database, settings)
        workers = RayWorkers(settings.storage_root, settings.workers, settings.worker_cpus)
        # The name Serve gave this actor: a successor has the same one, and so takes the lease over at once.
        name = ray.get_runtime_context().get_actor_name() or NAME
        self._supervisor = Supervisor(self._database, settings, workers, self._deployer.wake, name)
        for work in (self._supervisor.run(), self._deployer.run()):
            asyncio.get_running_loop().create_task(work).add_done_callback(_end_process)

    async def wake(self) -> None:
        """Jobs have been added or cancelled."""
        self._supervisor.wake()

    async def report(self, report: JobReport) -> bool:
        """A worker's report; see `Supervisor.report`."""
        return await self._supervisor.report(report)

    async def progress(self, job_id: int, attempt: int, fraction: float, phrase: str) -> None:
        await self._supervisor.progress(job_id, attempt, fraction, phrase)

    async def record_predictions(self, records: Sequence[LogRecord]) -> None:
        async with self._database.transaction() as session:
            await inference.record(session, records)


def _end_process(task: "asyncio.Task[None]") -> None:
    # A loop that ended is a defect; a fresh actor rebuilds itself from the database.
    if not task.cancelled():
        log.error("the supervisor ended and starts again", exc_info=task.exception())
        os._exit(1)
