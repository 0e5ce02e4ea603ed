"""Implements `on_error=reject`: the request waits for the validation, and a wrong cell undoes the whole upload."""

import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.contract.warnings import warnings_from_json
from dataml.dataset import restoration, service, validation
from dataml.dataset.models import Dataset, File
from dataml.dataset.uploads import CommittedUpload, upload_folder
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, DatamlError, Invalid, NotFound, Unavailable
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState
from dataml.settings import Settings
from dataml.storage.storage import Storage

MAX_WAIT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.05
# Failures whose cause is not in the data.
_PLATFORM_FAILURES: Final = frozenset(
    {"internal_error", "out_of_memory", "worker_lost", "job_timeout"}
    | {"storage_unavailable", "storage_full", "file_missing", "file_damaged"}
    | {"lake_unavailable", "lake_full", "lake_damaged", "lake_misconfigured", "lake_timeout", "lake_commit_unknown"}
)


async def reject_bad_cells(
    database: Database, settings: Settings, scope: Scope, upload: CommittedUpload
) -> CommittedUpload:
    """Wait for the validation, at most `MAX_WAIT_S`, and return the upload with the rows as they then are.

    When another change supersedes that validation, the next one is waited for. When it has failed, the upload is undone
    and the failure raised; a dataset that existed before is as it was, or validated again without these files. When it
    takes longer, the upload stays, and the dataset becomes valid or failed later.

    Raises:
        Invalid: a cell is wrong, with the code and the sentence of the job's failure.
        Conflict: `validation_cancelled`, `table_differs`, `table_busy`.
        Unavailable: the validation failed for a reason that is not in the files.
    """
    job = await _wait_for_end(database, scope, upload)
    if job is None or job.state == JobState.SUCCEEDED:
        async with database.reading() as session:
            dataset = await scope.get(session, Dataset, upload.dataset.id, "dataset")
            ids = [file.id for file in upload.files]
            files = (await session.scalars(scope.select(File).where(File.id.in_(ids)).order_by(File.id))).all()
        warnings = warnings_from_json(dataset.warnings) if job is not None else upload.warnings
        return CommittedUpload(dataset, files, job or upload.job, warnings=warnings)
    async with database.transaction() as session:
        await _undo(session, settings, scope, upload)
    await Storage.from_settings(settings).delete(upload_folder(upload.files[0]))
    raise _refusal(job)


async def _wait_for_end(database: Database, scope: Scope, upload: CommittedUpload) -> Job | None:
    """Return the job that has validated the files of an upload: its own, or the newest that has superseded it."""
    deadline = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < deadline:
        async with database.reading() as session:
            job = await scope.get(session, Job, upload.job.id, "job")
            if job.state == JobState.CANCELLED:
                job = await jobs.find_latest(session, scope, JobKind.VALIDATE, upload.dataset.id) or job
        if JobState(job.state).is_terminal:
            return job
        await asyncio.sleep(_POLL_INTERVAL_S)
    return None


async def _undo(session: AsyncSession, settings: Settings, scope: Scope, upload: CommittedUpload) -> None:
    """Delete the rows of the files, and of the dataset if they are all of it; validate again what has not been."""
    try:
        dataset, cancelled = await service.hold_to_change(session, scope, upload.dataset.id)
    except NotFound:
        return  # it was deleted meanwhile
    await session.execute(scope.delete(File).where(File.id.in_([file.id for file in upload.files])))
    newest = await jobs.find_latest(session, scope, JobKind.VALIDATE, dataset.id)
    has_others = bool(await service.list_uploaded_files(session, scope, dataset.id))
    if upload.state_before is None and not has_others:
        await session.execute(scope.delete(Dataset).where(Dataset.id == dataset.id))
        audit.record(session, scope, "dataset.reject", f"dataset:{dataset.id}", name=dataset.name)
        return
    details = service.name_cancelled(cancelled)
    audit.record(session, scope, "file.reject", f"dataset:{dataset.id}", name=dataset.name, **details)
    was_validated = upload.state_before not in (None, "validating") and newest and newest.id == upload.job.id
    if has_others and not was_validated:
        await restoration.remember(session, scope, dataset)
        contract = await validation.get_pinned_contract(session, scope, dataset)
        await validation.validate(session, settings, scope, dataset, contract)
    elif was_validated and dataset.state == "failed" and upload.state_before is not None:
        dataset.state, dataset.failure = upload.state_before, None


def _refusal(job: Job) -> DatamlError:
    if job.state == JobState.CANCELLED:
        return Conflict("The validation of this upload was cancelled.", code="validation_cancelled")
    detail = job.failure_detail or "The validation failed."
    if job.failure_code in ("table_differs", "table_busy"):
        return Conflict(detail, code=job.failure_code)
    if job.failure_code in _PLATFORM_FAILURES:
        return Unavailable(detail, code=job.failure_code)
    return Invalid(detail, code=job.failure_code)
