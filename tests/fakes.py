"""Fakes of what runs on Ray: the real tasks and the real predictor, in threads of this process."""

import asyncio
import logging
import threading
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from dataml.db.session import Database
from dataml.iceberg.catalog import LakeConfig
from dataml.inference import service as inference
from dataml.jobs.spec import Attempt, JobProgress, JobReport, JobSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.runner.execution import execute
from dataml.runner.supervisor import Supervisor
from dataml.runner.workers import WorkerLost
from dataml.serving.forecast_runner import ForecastRunner
from dataml.serving.model_runner import (
    DeploymentStatus,
    ForecastInferenceRequest,
    InferenceRequest,
    InferenceResponse,
    LogRecord,
    ModelRunner,
    PredictionLog,
    ServableModel,
    fetch_bundle,
)
from dataml.settings import Settings
from dataml.storage.storage import Storage
from tests.client import job_reported

log = logging.getLogger(__name__)


class _Killed(BaseException):
    """Ends the thread of a worker that was killed; no task catches it."""


class InProcessWorkers:
    """The `Workers` of a supervisor; each job runs in a thread."""

    def __init__(self, storage: Storage, count: int = 2, lake: LakeConfig | None = None) -> None:
        self.names = tuple(f"worker-{number}" for number in range(count))
        self.supervisor: Supervisor | None = None
        self._storage = storage
        self._lake = lake
        self._running: dict[str, asyncio.Task[None]] = {}
        self._killed: dict[str, asyncio.Event] = {}
        self._executing: set[asyncio.Future[JobReport]] = set()
        self._progress: set[Future[None]] = set()

    async def attach(self, name: str, term: int) -> Attempt | None:
        return None

    async def warm(self, name: str, term: int) -> None:
        return

    async def start(self, name: str, spec: JobSpec, term: int) -> None:
        self._killed[name] = asyncio.Event()
        self._running[name] = asyncio.create_task(self._run(name, spec, self._killed[name]))

    async def join(self, name: str) -> None:
        task = self._running[name]
        await asyncio.wait({task})
        task.result()

    async def ping(self, name: str) -> None:
        return

    async def is_active(self, name: str) -> bool:
        return True

    async def kill(self, name: str) -> None:
        self._killed[name].set()

    async def settle(self) -> None:
        """Return when no job runs any more, and no thread of a killed one."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*self._executing, return_exceptions=True)
        await asyncio.gather(*map(asyncio.wrap_future, set(self._progress)), return_exceptions=True)

    async def _run(self, name: str, spec: JobSpec, killed: asyncio.Event) -> None:
        """Run a job and report it. A kill ends the wait for the job; it interrupts no transaction, since a connection
        whose statement is cancelled may outlive the event loop."""
        supervisor, loop = self.supervisor, asyncio.get_running_loop()
        assert supervisor is not None

        def report_progress(progress: JobProgress) -> None:
            if killed.is_set():
                raise _Killed
            recording = supervisor.record_progress(spec.job_id, spec.attempt, progress)
            recorded = asyncio.run_coroutine_threadsafe(recording, loop)
            self._progress.add(recorded)
            recorded.add_done_callback(self._progress.discard)

        executing = loop.run_in_executor(None, execute, spec, self._storage, report_progress, self._lake)
        self._executing.add(executing)
        dying = asyncio.create_task(killed.wait())
        await asyncio.wait({executing, dying}, return_when=asyncio.FIRST_COMPLETED)
        if killed.is_set():
            raise WorkerLost(name)
        dying.cancel()
        report = executing.result()
        # The progress that a real worker reports may be lost.
        await asyncio.gather(*map(asyncio.wrap_future, set(self._progress)), return_exceptions=True)
        while not await _send(supervisor, report):  # there is no event for the return of the database
            if killed.is_set():
                raise WorkerLost(name)
            await asyncio.sleep(0.1)
        job_reported.send()


async def _send(supervisor: Supervisor, report: JobReport) -> bool:
    """Send a report; False when the database failed: a real worker sends its report again, too."""
    try:
        # No other supervisor holds the lease: it is refused only while the database is full.
        return await supervisor.report(report)
    except SQLAlchemyError:
        log.exception("the report of job %s was rejected", report.job_id)
        return False


class SupervisorThread:
    """A supervisor with a thread, a loop and a database of its own: in production it is another process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="supervisor", daemon=True)
        self._thread.start()
        self._supervisor, self._running = self._call(self._start())

    async def notify(self) -> None:
        """Wake the supervisor; this object is the `JobQueue` of the routes."""
        self._loop.call_soon_threadsafe(self._supervisor.wake)

    def add(self, record: LogRecord) -> None:
        """Write a record before returning, unlike the real log; this object is the `PredictionLog` of the runners."""
        self._call(self._record(record))

    def stop(self) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> tuple[Supervisor, asyncio.Task[None]]:
        self._database = Database(self._settings)
        self._workers = InProcessWorkers(
            Storage.for_jobs(self._settings), lake=LakeConfig.from_settings(self._settings)
        )
        supervisor = Supervisor(self._database, self._settings, self._workers, lambda: None, "supervisor")
        self._workers.supervisor = supervisor
        return supervisor, asyncio.create_task(supervisor.run())

    async def _record(self, record: LogRecord) -> None:
        async with self._database.transaction() as session:
            await inference.store_predictions(session, [record])

    async def _stop(self) -> None:
        self._supervisor.stop()
        await self._running
        await self._workers.settle()
        await self._database.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)


class _ThreadedLog:
    """A `PredictionLog` that writes to another in a thread, and can be waited for.

    A write may wait for the lock of the database, which a request of the same event loop may hold.
    """

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._writing: set[asyncio.Task[None]] = set()

    def add(self, record: LogRecord) -> None:
        task = asyncio.create_task(asyncio.to_thread(self._log.add, record))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def flush(self) -> None:
        """Wait until all that was added is written."""
        await asyncio.gather(*self._writing)


class InProcessInferenceClient:
    """The `InferenceClient` of the API: each model is loaded once and runs in this process."""

    def __init__(self, storage: Storage, log: PredictionLog) -> None:
        self._storage = storage
        self.prediction_log = _ThreadedLog(log)
        self._runners: dict[int, ModelRunner] = {}
        self._forecast_runners: dict[int, ForecastRunner] = {}
        self.deployments: dict[tuple[str, str], DeploymentStatus] = {}

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the predictions as JSON, or the error as a value."""
        if model.train_id not in self._runners:
            predictor = await asyncio.to_thread(self._load, model)
            self._runners[model.train_id] = ModelRunner(model, predictor, self.prediction_log)
        (response,) = await self._runners[model.train_id].predict([request])
        await self.prediction_log.flush()
        return response

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        if model.train_id not in self._forecast_runners:
            runner = await asyncio.to_thread(ForecastRunner.load, model, self._storage, self.prediction_log)
            self._forecast_runners[model.train_id] = runner
        response = await self._forecast_runners[model.train_id].forecast(request)
        await self.prediction_log.flush()
        return response

    async def list_deployments(
        self, tenant_id: str, predictor_names: Collection[str]
    ) -> Mapping[str, DeploymentStatus]:
        """Return what a test has put into `deployments`; without Ray nothing runs by itself."""
        found = ((name, self.deployments.get((tenant_id, name))) for name in predictor_names)
        return {name: status for name, status in found if status is not None}

    def _load(self, model: ServableModel) -> Predictor:
        return Predictor.load(fetch_bundle(self._storage, model))
