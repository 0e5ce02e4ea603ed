"""The worker actors: warm processes that run one job at a time and report to the supervisor by actor calls."""

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dataml import redaction, tracing
from dataml.iceberg.catalog import LakeConfig
from dataml.jobs.spec import Attempt, JobFailure, JobProgress, JobReport, JobSpec
from dataml.metrics.process import ProcessRecorder
from dataml.metrics.totals import REPORT_INTERVAL_S
from dataml.ml.memory import limit_allocator_caches
from dataml.runner import process_activity
from dataml.runner.execution import execute
from dataml.runner.workers import WorkerLost
from dataml.storage.storage import Storage

NAMESPACE = "dataml"
# Ray's own types know neither the methods of a named actor nor that their references can be awaited.
ActorRef = Any
_PROGRESS_INTERVAL_S = 0.2
_RETRY_S = 0.5
# A minute: long enough for a database to come back, short enough for a report that can never be written.
_MAX_REJECTIONS = 120
_LIBRARIES = ("sklearn.metrics", "lightgbm", "xgboost", "onnx")
_FIRST_TASK = "dataml.tasks.validate"
_TASKS = ("dataml.tasks.train", "dataml.tasks.score")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerProcess:
    """The node of a worker, as Ray names it, and the id of its process there."""

    node_id: str
    pid: int


class Worker:
    """Runs a job in a thread of its own, so that the actor responds meanwhile.

    A report is kept until a supervisor has recorded it: when the supervisor is gone, the next one calls `attach` and
    gets the report.
    """

    def __init__(self, storage: Storage, lake: LakeConfig, otlp_endpoint: str | None = None) -> None:
        # Threads that spin while they wait make a small fit many times slower when the cores are shared. The OpenMP
        # runtime reads the variable when the first booster library is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        limit_allocator_caches()
        redaction.install()
        tracing.start(otlp_endpoint, "worker")
        # Warnings of libraries are in the log of the attempt, too.
        logging.captureWarnings(True)
        self._storage = storage
        self._lake = lake
        self._supervisor: ActorRef | None = None
        self._term = 0
        self._attempt: Attempt | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._progress: JobProgress | None = None
        self._rejections = 0
        self._metrics = ProcessRecorder("worker")
        self._reporting: asyncio.Task[None] | None = None
        self._importing: asyncio.Task[None] | None = None

    async def warm(self) -> None:
        """Import what the validation of a dataset needs, and go on to import what other jobs need.

        The first job of a platform is a validation, and need not wait for the libraries of trainings.
        """
        await asyncio.to_thread(importlib.import_module, _FIRST_TASK)
        if self._importing is None:
            # Requests have priority over jobs: on a busy machine the API stays fast.
            os.nice(10)
            self._importing = asyncio.create_task(asyncio.to_thread(_import_heavy))

    async def ping(self) -> WorkerProcess:
        """Return the process; it answers unless it is stopped, or something holds the interpreter lock."""
        return WorkerProcess(ray.get_runtime_context().get_node_id(), os.getpid())

    async def attach(self, supervisor: ActorRef, term: int) -> Attempt | None:
        """Report to this supervisor from now on; return the current attempt, None when idle.

        Raises:
            RuntimeError: another supervisor has taken over.
        """
        if term < self._term:
            raise RuntimeError(f"another supervisor has taken over, in term {self._term}")
        self._supervisor, self._term = supervisor, term
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report_metrics())
        return self._attempt

    async def start(self, spec: JobSpec, supervisor: ActorRef, term: int) -> None:
        """Start this attempt in a thread.

        Raises:
            RuntimeError: another job runs, or another supervisor has attached.
        """
        if term != self._term:
            raise RuntimeError(f"the worker belongs to the supervisor of term {self._term}")
        if self._attempt is not None:
            raise RuntimeError(f"busy with job {self._attempt.job_id}")
        self._supervisor = supervisor
        self._rejections = 0
        self._attempt = Attempt(spec.job_id, spec.attempt)
        self._idle.clear()
        loop = asyncio.get_running_loop()
        self._forwarding = loop.create_task(self._forward_progress(spec))
        threading.Thread(target=self._run, args=(spec, loop), name=f"job-{spec.job_id}", daemon=True).start()

    async def join(self) -> None:
        """Return when no job runs and the last report is recorded."""
        await self._idle.wait()

    def _run(self, spec: JobSpec, loop: asyncio.AbstractEventLoop) -> None:
        def report_progress(progress: JobProgress) -> None:
            self._progress = progress

        report = execute(spec, self._storage, report_progress, self._lake)
        asyncio.run_coroutine_threadsafe(self._deliver(report), loop)

    async def _forward_progress(self, spec: JobSpec) -> None:
        """Send the newest progress at intervals: a task may report it as often as it likes."""
        while True:
            self._send_progress(spec.job_id, spec.attempt)
            await asyncio.sleep(_PROGRESS_INTERVAL_S)

    def _send_progress(self, job_id: int, attempt: int) -> Awaitable[None] | None:
        """Send progress that has not been sent; return the call."""
        progress, self._progress = self._progress, None
        if progress is None or self._supervisor is None:
            return None
        return self._supervisor.record_progress.remote(job_id, attempt, progress)

    async def _report_metrics(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            if self._supervisor is not None:
                # Sent once: what a supervisor that dies was sent is lost with its totals, and nothing counts twice.
                with suppress(RayError):
                    await self._supervisor.record_metrics.remote(self._metrics.take())

    async def _deliver(self, report: JobReport) -> None:
        self._forwarding.cancel()
        # The last of it is recorded before the end of the attempt, after which nothing is: the leaderboard is shown on.
        if (recorded := self._send_progress(report.job_id, report.attempt)) is not None:
            with suppress(RayError):
                await recorded
        # There is no event that announces the next supervisor, so the report is sent at intervals.
        while not await self._send(report):
            await asyncio.sleep(_RETRY_S)
            if self._rejections >= _MAX_REJECTIONS:
                detail = "The result could not be recorded; the platform's log has the cause."
                report = JobReport(report.job_id, report.attempt, failure=JobFailure("internal_error", detail))
        self._attempt = None
        self._idle.set()

    async def _send(self, report: JobReport) -> bool:
        """Send the report; True when the supervisor has recorded it."""
        if self._supervisor is None:
            return False
        try:
            return await self._supervisor.report.remote(report)
        except RayTaskError:
            # The supervisor lives and cannot record it: its database may be down, or the report is not valid.
            log.exception("the report of job %s was rejected", report.job_id)
            self._rejections += 1
            return False
        except RayError:
            # The supervisor is gone; the next one calls `attach`.
            return False


def _import_heavy() -> None:
    for name in _LIBRARIES + _TASKS:
        importlib.import_module(name)


class RayWorkers:
    """The `Workers` of a Ray cluster: named detached actors, which outlive the supervisor that started them."""

    def __init__(
        self, storage: Storage, lake: LakeConfig, count: int, cpus: float, otlp_endpoint: str | None = None
    ) -> None:
        self.names = tuple(f"worker-{number}" for number in range(count))
        self._storage = storage
        self._lake = lake
        self._cpus = cpus
        self._otlp_endpoint = otlp_endpoint
        # Made once: Ray exports each class and function that it is given to the whole cluster, and never forgets it.
        self._actor_class: Any = ray.remote(Worker)
        self._is_active: Any = ray.remote(process_activity.is_active)
        self._processes: dict[str, WorkerProcess] = {}

    async def attach(self, name: str, term: int) -> Attempt | None:
        """Make the worker report to this actor; return its attempt, None when it is idle or does not run."""
        try:
            worker: ActorRef = ray.get_actor(name, NAMESPACE)
            return await worker.attach.remote(_this_actor(), term)
        except (ValueError, RayError):
            return None

    async def warm(self, name: str, term: int) -> None:
        """Return when the worker runs, reports to this actor and has imported its libraries. Raises WorkerLost."""
        await self._call(name, "attach", _this_actor(), term)
        await self._call(name, "warm")

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        """Start this attempt. Raises WorkerLost, also where the worker refuses."""
        await self._call(name, "start", spec, _this_actor(), term)

    async def join(self, name: str) -> None:
        """Return when the worker is idle again and its report is recorded. Raises WorkerLost."""
        await self._call(name, "join")

    async def ping(self, name: str) -> None:
        """Return when the worker has answered, and remember its process. Raises WorkerLost."""
        self._processes[name] = await self._call(name, "ping")

    async def is_active(self, name: str) -> bool:
        """Return whether the worker's process works, which its node is asked; True where that is not known."""
        process = self._processes.get(name)
        if process is None:
            return True  # it has not begun
        if process.node_id == ray.get_runtime_context().get_node_id():
            return await asyncio.to_thread(process_activity.is_active, process.pid)
        node = NodeAffinitySchedulingStrategy(process.node_id, soft=False)
        try:
            return await self._is_active.options(num_cpus=0, scheduling_strategy=node).remote(process.pid)
        except RayError:
            return True

    async def kill(self, name: str) -> None:
        """Kill the worker and the attempt it runs; no error when there is none.

        Ray takes a process that does not end by itself, such as a stopped one, from the cluster at once and kills it
        with SIGKILL after 5 s.
        """
        self._processes.pop(name, None)
        try:
            ray.kill(ray.get_actor(name, NAMESPACE))
        except ValueError:
            return

    async def _call(self, name: str, method: str, *args: Any) -> Any:
        try:
            actor: ActorRef = self._actor(name)
            return await getattr(actor, method).remote(*args)
        except RayError as error:
            self._processes.pop(name, None)
            raise WorkerLost(name) from error

    def _actor(self, name: str) -> ActorRef:
        options = {"name": name, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
        return self._actor_class.options(**options, num_cpus=self._cpus, max_concurrency=16).remote(
            self._storage, self._lake, self._otlp_endpoint
        )


def _this_actor() -> ActorRef:
    return ray.get_runtime_context().current_actor
