"""Runs one attempt at a job, in whatever process a worker gives it."""

import importlib
import logging
from collections.abc import Callable

from dataml.errors import DatamlError
from dataml.iceberg.catalog import LakeConfig
from dataml.jobs.spec import Attempt, JobContext, JobFailure, JobReport, JobSpec
from dataml.storage.storage import Storage

log = logging.getLogger(__name__)


def execute(
    spec: JobSpec, storage: Storage, progress: Callable[[float, str], None], lake: LakeConfig | None = None
) -> JobReport:
    """Run the body of this job's kind (`dataml.tasks.<kind>.run`) and say how it ended; never raises. The files of a
    result are published when this returns."""
    context = JobContext(storage, spec.directory, progress, Attempt(spec.job_id, spec.attempt), lake)
    try:
        # Bodies bring heavy libraries: each is imported by the first job of its kind.
        body = importlib.import_module(f"dataml.tasks.{spec.kind.value}")
        result = body.run(spec.payload, context)
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
        # The one place for it: whatever a body raises becomes a failed report, and the log keeps the cause.
        log.exception("job %s failed", spec.job_id)
        detail = f"The job failed unexpectedly ({type(error).__name__}); the platform's log has the cause."
        failure = JobFailure("internal_error", detail)
    # Others remove what is in the store, and cannot reach this node's disk.
    storage.evict(spec.directory)
    return JobReport(spec.job_id, spec.attempt, failure=failure)
