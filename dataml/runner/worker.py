"""Worker actors: warm processes that run one job at a time and report to the supervisor by actor calls."""

import asyncio
import importlib
import logging
import os
import threading
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from dataml import redaction
from dataml.iceberg.catalog import LakeConfig
from dataml.jobs.spec import Attempt, JobFailure, JobReport, JobSpec
from dataml.ml.memory import keep_little
from dataml.runner.execution import execute
from dataml.runner.supervisor import WorkerLost
from dataml.storage.storage import Storage

NAMESPACE = "dataml"
# Ray's own types know neither the methods of a named actor nor that their references can be awaited.
ActorRef = Any
_PROGRESS_EVERY_S = 0.2
_RETRY_S = 0.5
# A minute: long enough for a database to come back, short enough for a report that never can be written.
_MAX_REFUSALS = 120
_LIBRARIES = ("sklearn.metrics", "lightgbm", "xgboost", "onnx")
_BODIES = ("dataml.tasks.validate", "dataml.tasks.train", "dataml.tasks.score")


log = logging.getLogger(__name__)


class Worker:
    """Runs a job in a thread of its own, so that the actor answers meanwhile.

    A report is kept until a supervisor has accepted it: when the supervisor is gone, the next one calls `attach` and
    the report goes there.
    """

    def __init__(self, storage: Storage, lake: LakeConfig) -> None:
        # Requests come before jobs: on a busy machine the API keeps its answers short.
        os.nice(10)
        # Threads that spin while they wait make a small fit many times slower when the cores are shared. Read by the
        # OpenMP runtime when the first booster library is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        keep_little()
        redaction.install()
        self._storage = storage
        self._lake = lake
        self._supervisor: ActorRef | None = None
        self._attempt: Attempt | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._progress: tuple[float, str] | None = None
        self._refusals = 0

    async def warm(self) -> None:
        """Import what jobs need."""
        await asyncio.to_thread(_import_heavy)

    async def attach(self, supervisor: ActorRef) -> Attempt | None:
        self._supervisor = supervisor
        return self._attempt

    async def start(self, spec: JobSpec, supervisor: ActorRef) -> None:
        """Raises:
        RuntimeError: another job is under way.
        """
        if self._attempt is not None:
            raise RuntimeError(f"busy with job {self._attempt.job_id}")
        self._supervisor = supervisor
        self._refusals = 0
        self._attempt = Attempt(spec.job_id, spec.attempt)
        self._idle.clear()
        loop = asyncio.get_running_loop()
        self._telling = loop.create_task(self._tell(spec))
        threading.Thread(target=self._run, args=(spec, loop), name=f"job-{spec.job_id}", daemon=True).start()

    async def join(self) -> None:
        await self._idle.wait()

    def _run(self, spec: JobSpec, loop: asyncio.AbstractEventLoop) -> None:
        def note(fraction: float, message: str) -> None:
            self._progress = (fraction, message)

        report = execute(spec, self._storage, note, self._lake)
        asyncio.run_coroutine_threadsafe(self._deliver(report), loop)

    async def _tell(self, spec: JobSpec) -> None:
        """Pass on the newest progress now and then: a body may note it as often as it likes."""
        while True:
            noted, self._progress = self._progress, None
            if noted is not None and self._supervisor is not None:
                self._supervisor.progress.remote(spec.job_id, spec.attempt, *noted)
            await asyncio.sleep(_PROGRESS_EVERY_S)

    async def _deliver(self, report: JobReport) -> None:
        self._telling.cancel()
        # Nothing here can tell when a successor is up: ask again and again.
        while not await self._accepted(report):
            await asyncio.sleep(_RETRY_S)
            if self._refusals >= _MAX_REFUSALS:
                detail = "The result could not be written down; the platform's log has the cause."
                report = JobReport(report.job_id, report.attempt, failure=JobFailure("internal_error", detail))
        self._attempt = None
        self._idle.set()

    async def _accepted(self, report: JobReport) -> bool:
        if self._supervisor is None:
            return False
        try:
            return await self._supervisor.report.remote(report)
        except RayTaskError:
            # The supervisor lives and cannot write it: its database may be away, or the report is one it cannot take.
            log.exception("the report of job %s was refused", report.job_id)
            self._refusals += 1
            return False
        except RayError:
            # The supervisor is gone; its successor attaches itself.
            return False


def _import_heavy() -> None:
    for name in _LIBRARIES + _BODIES:
        importlib.import_module(name)


class RayWorkers:
    """The `Workers` of a Ray cluster: named detached actors, which outlive the supervisor that started them."""

    def __init__(self, storage: Storage, lake: LakeConfig, count: int, cpus: float) -> None:
        self.names = tuple(f"worker-{number}" for number in range(count))
        self._storage = storage
        self._lake = lake
        self._cpus = cpus

    async def attach(self, name: str) -> Attempt | None:
        try:
            worker: ActorRef = ray.get_actor(name, NAMESPACE)
            return await worker.attach.remote(_this_actor())
        except (ValueError, RayError):
            return None

    async def warm(self, name: str) -> None:
        await self._call(name, "warm")

    async def start(self, name: str, spec: JobSpec) -> None:
        await self._call(name, "start", spec, _this_actor())

    async def join(self, name: str) -> None:
        await self._call(name, "join")

    async def end(self, name: str) -> None:
        try:
            ray.kill(ray.get_actor(name, NAMESPACE))
        except ValueError:
            return

    async def _call(self, name: str, method: str, *args: Any) -> None:
        try:
            actor: ActorRef = self._actor(name)
            await getattr(actor, method).remote(*args)
        except RayError as error:
            raise WorkerLost(name) from error

    def _actor(self, name: str) -> ActorRef:
        options = {"name": name, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
        return (
            ray.remote(Worker)
            .options(**options, num_cpus=self._cpus, max_concurrency=16)
            .remote(self._storage, self._lake)
        )


def _this_actor() -> ActorRef:
    return ray.get_runtime_context().current_actor
