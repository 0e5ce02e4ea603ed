"""Callbacks of workers outside the cluster. A report goes through the same ledger as that of a worker inside: it counts
once, and only for the attempt that runs."""

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
from dataml.train.callbacks.schemas import ExplainReport, Received, TrainReport

router = Router(prefix="/train", tags=["Train"])


@router.post("/result")
async def receive_result(
    request: TrainReport, reporter: JobReporter, database: Db, settings: AppSettings, jobs: Jobs, results: JobResults
) -> Received:
    """The end of a training that was run outside the cluster: an error, or a bundle in the attempt's own directory. The
    same report again changes nothing and is answered alike."""
    received, digest = Received(message="Result received"), callbacks.report_digest(request.model_dump_json())
    async with database.reading() as session:
        job = await callbacks.find_open(session, reporter.attempt, JobKind.TRAIN, digest)
        if job is None:
            return received
        await reports.check_training(session, reporter.scope, job, request)
    name = reports.bundle_name(reporter.attempt.directory, request.result)
    if request.result.error is not None:
        await _accept(database, results, reporter, JobKind.TRAIN, digest, reports.failure_of(request.result.error))
    else:
        spec = service.load_spec(job).payload
        assert isinstance(spec, TrainSpec)
        result = await reports.adopt(Storage.from_settings(settings), name, spec, request.result)
        try:
            accepted = await _accept(database, results, reporter, JobKind.TRAIN, digest, result)
        except Conflict:
            await reports.discard(Storage.from_settings(settings), result)
            raise
        if not accepted:
            await reports.discard(Storage.from_settings(settings), result)
    await jobs.notify()
    return received


@router.post("/shap-result")
async def receive_shap_result(
    request: ExplainReport, reporter: JobReporter, database: Db, jobs: Jobs, results: JobResults
) -> Received:
    """The feature importance of a training that was computed outside the cluster. The same report again changes nothing
    and is answered alike."""
    received, digest = Received(message="SHAP result received"), callbacks.report_digest(request.model_dump_json())
    async with database.reading() as session:
        job = await callbacks.find_open(session, reporter.attempt, JobKind.EXPLAIN, digest)
        if job is None:
            return received
        result = await reports.explanation(session, reporter.scope, job, request)
    await _accept(database, results, reporter, JobKind.EXPLAIN, digest, result)
    await jobs.notify()
    return received


async def _accept(
    database: Database,
    results: ResultHandlers,
    reporter: Reporter,
    kind: JobKind,
    digest: str,
    found: TrainResult | ExplainResult | JobFailure,
) -> bool:
    """Whether this call has ended the attempt; False when the same report came first.

    Raises:
        Conflict: what `find_open` raises, for what happened meanwhile.
    """
    failure = found if isinstance(found, JobFailure) else None
    attempt = reporter.attempt
    async with database.transaction() as session:
        job = await service.finish(session, attempt.job_id, attempt.attempt, failure)
        if job is None:
            await callbacks.find_open(session, attempt, kind, digest)
            return False
        job.callback_digest = digest
        await results.apply(session, job, None if isinstance(found, JobFailure) else found)
        named = {"attempt": attempt.attempt, "state": job.state}
        audit.record(session, reporter.scope, "job.report", f"job:{job.public_id}", **named)
    return True
