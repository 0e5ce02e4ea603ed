"""The execution of one attempt at a job, in the process of its worker."""

import importlib
import logging
from collections.abc import Callable
from threading import Lock

from dataml import __version__, tracing
from dataml.errors import DatamlError
from dataml.iceberg.catalog import LakeConfig
from dataml.jobs.spec import STARTING, Attempt, JobContext, JobFailure, JobProgress, JobReport, JobSpec
from dataml.ml.leaderboard import CandidateScore, rank
from dataml.runner.attempt_log import AttemptLog
from dataml.storage import disk
from dataml.storage.damage import file_damaged, has_damaged_parquet
from dataml.storage.space import is_exhausted, is_storage_full, storage_full
from dataml.storage.storage import Storage

log = logging.getLogger(__name__)


def execute(
    spec: JobSpec, storage: Storage, report_progress: Callable[[JobProgress], None], lake: LakeConfig | None = None
) -> JobReport:
    """Run the task of this job's kind (`dataml.tasks.<kind>.run`) and return how it ended; never raises.

    The files of a result are published when this returns, and the log of the attempt is complete.
    """
    attempt = Attempt(spec.job_id, spec.attempt)
    with AttemptLog(storage, attempt) as attempt_log:
        reporter = _ProgressReporter(attempt_log, report_progress)
        attempt_log.add("INFO", f"Attempt {spec.attempt} begins, with dataml {__version__}")
        context = JobContext(
            storage, spec.directory, reporter.report, attempt, lake, report_score=reporter.report_score
        )
        ended = _run(spec, context)
        failure = ended.failure
        attempt_log.add(*("INFO", "Done") if failure is None else ("ERROR", f"{failure.code}: {failure.detail}"))
        return ended


class _ProgressReporter:
    """Sends the whole progress of an attempt with each step; the threads of its task call it."""

    def __init__(self, log: AttemptLog, send: Callable[[JobProgress], None]) -> None:
        self._log = log
        self._send = send
        self._fraction = 0.0
        self._message = STARTING
        self._scores: dict[str, CandidateScore] = {}
        self._lock = Lock()

    def report(self, share: float, message: str) -> None:
        self._log.add_progress(message)
        with self._lock:
            self._fraction, self._message = share, message
            self._send_all()

    def report_score(self, score: CandidateScore) -> None:
        with self._lock:
            self._scores[score.candidate] = score
            self._send_all()

    def _send_all(self) -> None:
        self._send(JobProgress(self._fraction, self._message, rank(self._scores.values())))


def _run(spec: JobSpec, context: JobContext) -> JobReport:
    try:
        # Tasks import heavy libraries: each is imported by the first job of its kind.
        task = importlib.import_module(f"dataml.tasks.{spec.kind.value}")
        with tracing.span_within(spec.traceparent, f"job {spec.kind.value}", {"dataml.job_id": spec.job_id}):
            result = task.run(spec.payload, context)
            context.publish()
        return JobReport(spec.job_id, spec.attempt, result=result)
    except DatamlError as error:
        failure = JobFailure(error.code, error.detail)
    except MemoryError:
        log.exception("job %s ran out of memory", spec.job_id)
        failure = JobFailure(
            "out_of_memory", "The job needed more memory than the worker has; use fewer rows or columns."
        )
    except Exception as error:
        # The one place that catches everything: any error of a task becomes a failed report, and the log has the cause.
        log.exception("job %s failed", spec.job_id)
        failure = _failure_of(error, context)
    # The supervisor removes the attempt from the store, and cannot reach this node's disk. On a full disk it cannot
    # even record the failure before there is room.
    disk.remove(context.storage.path(spec.directory))
    return JobReport(spec.job_id, spec.attempt, failure=failure)


def _failure_of(error: Exception, context: JobContext) -> JobFailure:
    root = context.storage.root
    # Not every library names the lack of space, or a damaged file, as the cause of its failure.
    if is_storage_full(error) or is_exhausted(root):
        full = storage_full("the files of the job", root)
        return JobFailure(full.code, full.detail)
    if has_damaged_parquet(context.fetched):
        damaged = file_damaged()
        return JobFailure(damaged.code, damaged.detail)
    detail = f"The job failed unexpectedly ({type(error).__name__}); the platform's log has the cause."
    return JobFailure("internal_error", detail)
