"""The control plane: jobs, the predictors' own deployments and the prediction log, over one database."""

from collections.abc import Sequence

from dataml import redaction
from dataml.db.session import Database
from dataml.iceberg.catalog import LakeConfig
from dataml.inference import service as inference
from dataml.metrics.definitions import LOGGED_PREDICTIONS
from dataml.metrics.process import ProcessRecorder
from dataml.metrics.recording import Labels, Recording
from dataml.metrics.totals import RecentCalls, Snapshot, Totals
from dataml.runner.supervisor import Supervisor
from dataml.runner.worker import RayWorkers
from dataml.serving.model_runner import LogRecord
from dataml.settings import Settings
from dataml.storage.storage import Storage
from deployments.deployer import Deployer


class ControlPlane:
    """The objects that the supervisor's actor runs; the actor starts `supervisor.run()` and `deployer.run()`."""

    def __init__(self, settings: Settings, name: str) -> None:
        redaction.install()
        self._database = Database(settings)
        self._totals = Totals(settings.metrics_predictors)
        self._recorder = ProcessRecorder("supervisor")
        self.deployer = Deployer(self._database, settings)
        workers = RayWorkers(
            Storage.for_jobs(settings),
            LakeConfig.from_settings(settings),
            settings.workers,
            settings.worker_cpus,
            settings.otlp_endpoint,
        )
        self.supervisor = Supervisor(self._database, settings, workers, self.deployer.wake, name)

    async def record_predictions(self, records: Sequence[LogRecord]) -> None:
        """Write records of the prediction log."""
        async with self._database.transaction() as session:
            await inference.store_predictions(session, records)
        LOGGED_PREDICTIONS.add("written", amount=len(records))

    def record_metrics(self, recording: Recording) -> None:
        """Add what a process has recorded to the totals of the platform."""
        self._totals.add(recording)

    def collect_metrics(self, recording: Recording) -> Snapshot:
        """Add what a process has recorded, and this one, and return the totals of the platform."""
        self._totals.add(recording)
        self._totals.add(self._recorder.take())
        return self._totals.snapshot()

    def list_recent_calls(self, versions: Sequence[Labels]) -> list[RecentCalls | None]:
        """Return the recent calls of versions of predictors in the same order; None where it is not known."""
        return [self._totals.recent_calls(version) for version in versions]
