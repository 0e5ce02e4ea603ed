"""Routes for the reports of workers outside the cluster.

A report counts once, and only for the running attempt, as that of a worker inside.
"""

from dataml.audit import service as audit
from dataml.db.session import Database
from dataml.errors import Conflict
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.jobs import callbacks, service
from dataml.jobs.dependencies import JobReporter, JobResults, Jobs, Reporter
from dataml.jobs.results import ResultHandlers
from dataml.jobs.spec import ExplainResult, JobFailure, JobKind, TrainResult, TrainSpec
from dataml.storage.storage import Storage
from dataml.train.callbacks import reports
from dataml.train.callbacks.schemas import ExplainReport, ReportReceived, TrainReport

router = Router(prefix="/train", tags=["Train"])


@router.post("/result")
async def report_training_result(
    request: TrainReport, reporter: JobReporter, database: Db, settings: AppSettings, jobs: Jobs, results: JobResults
) -> ReportReceived:
    """Report the end of a training that was run outside the cluster.

    The report has an error, or names a bundle in the attempt's own directory. The same report again changes nothing and
    gets the same answer.
    """
    received = ReportReceived(message="Result received")
    digest = callbacks.report_digest(request.model_dump_json())
    async with database.reading() as session:
        job = await callbacks.find_open(session, reporter.attempt, JobKind.TRAIN, digest)
        if job is None:
            return received
        await reports.check_training(session, reporter.scope, job, request)
    storage = Storage.from_settings(settings)
    name = reports.resolve_bundle_name(reporter.attempt.directory, request.result)
    if request.result.error is not None:
        await _finish_attempt(
            database, results, reporter, JobKind.TRAIN, digest, reports.external_failure(request.result.error)
        )
    else:
        spec = service.load_spec(job).payload
        assert isinstance(spec, TrainSpec)
        result = await reports.import_bundle(storage, name, spec, request.result)
        try:
            accepted = await _finish_attempt(database, results, reporter, JobKind.TRAIN, digest, result)
        except Conflict:
            await reports.delete_copy(storage, result)
            raise
        if not accepted:
            await reports.delete_copy(storage, result)
    await jobs.notify()
    return received


@router.post("/shap-result")
async def report_shap_result(
    request: ExplainReport, reporter: JobReporter, database: Db, jobs: Jobs, results: JobResults
) -> ReportReceived:
    """Report the feature importance of a training that was computed outside the cluster.

    The same report again changes nothing and gets the same answer.
    """
    received = ReportReceived(message="SHAP result received")
    digest = callbacks.report_digest(request.model_dump_json())
    async with database.reading() as session:
        job = await callbacks.find_open(session, reporter.attempt, JobKind.EXPLAIN, digest)
        if job is None:
            return received
        result = await reports.normalize_importance(session, reporter.scope, job, request)
    await _finish_attempt(database, results, reporter, JobKind.EXPLAIN, digest, result)
    await jobs.notify()
    return received


async def _finish_attempt(
    database: Database,
    results: ResultHandlers,
    reporter: Reporter,
    kind: JobKind,
    digest: str,
    outcome: TrainResult | ExplainResult | JobFailure,
) -> bool:
    """Finish the attempt; return False when the same report has done so before.

    Raises:
        Conflict: `job_ended`, `attempt_superseded`: another report, or another attempt, came first.
    """
    failure, result = (outcome, None) if isinstance(outcome, JobFailure) else (None, outcome)
    attempt = reporter.attempt
    async with database.transaction() as session:
        job = await service.finish(session, attempt.job_id, attempt.attempt, failure)
        if job is None:
            await callbacks.find_open(session, attempt, kind, digest)
            return False
        job.callback_digest = digest
        await results.apply(session, job, result)
        detail = {"attempt": attempt.attempt, "state": job.state}
        audit.record(session, reporter.scope, "job.report", f"job:{job.public_id}", **detail)
    return True
