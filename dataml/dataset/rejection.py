"""Implements `on_error=reject`: the request waits for the validation, and a wrong cell undoes the whole upload."""

import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset.models import Dataset, File
from dataml.dataset.uploads import CommittedUpload, upload_folder
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, DatamlError, Invalid, Unavailable
from dataml.jobs.models import Job
from dataml.jobs.spec import JobState
from dataml.settings import Settings
from dataml.storage.storage import Storage

MAX_WAIT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.05
# Failures whose cause is not in the data.
_PLATFORM_FAILURES: Final = frozenset(
    {"internal_error", "out_of_memory", "worker_lost", "storage_unavailable", "storage_full", "file_missing"}
    | {"lake_unavailable", "lake_full", "lake_damaged", "lake_misconfigured", "lake_timeout"}
)


async def reject_bad_cells(
    database: Database, settings: Settings, scope: Scope, upload: CommittedUpload
) -> CommittedUpload:
    """Wait for the validation, at most `MAX_WAIT_S`, and return the upload with the rows as they then are.

    When the validation has failed, the upload is undone and the failure raised; a dataset that existed before is as it
    was. When it takes longer, the upload stays, and the dataset becomes valid or failed later.

    Raises:
        Invalid: a cell is wrong, with the code and the sentence of the job's failure.
        Conflict: `validation_cancelled`, `table_differs`, `table_busy`.
        Unavailable: the validation failed for a reason that is not in the files.
    """
    job = await _wait_for_end(database, scope, upload.job.id)
    if job is None or job.state == JobState.SUCCEEDED:
        async with database.reading() as session:
            dataset = await scope.get(session, Dataset, upload.dataset.id, "dataset")
            files = [await scope.get(session, File, file.id, "file") for file in upload.files]
        return CommittedUpload(dataset, files, job or upload.job)
    async with database.transaction() as session:
        if upload.state_before is None:
            await _delete_dataset(session, scope, upload)
        else:
            await _delete_added_files(session, scope, upload, upload.state_before)
    await Storage.from_settings(settings).delete(upload_folder(upload.files[0]))
    raise _refusal(job)


async def _wait_for_end(database: Database, scope: Scope, job_id: int) -> Job | None:
    deadline = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < deadline:
        async with database.reading() as session:
            job = await scope.get(session, Job, job_id, "job")
        if JobState(job.state).is_terminal:
            return job
        await asyncio.sleep(_POLL_INTERVAL_S)
    return None


async def _delete_dataset(session: AsyncSession, scope: Scope, upload: CommittedUpload) -> None:
    await session.execute(scope.delete(File).where(File.id.in_([file.id for file in upload.files])))
    await session.execute(scope.delete(Dataset).where(Dataset.id == upload.dataset.id))
    audit.record(session, scope, "dataset.reject", f"dataset:{upload.dataset.id}", name=upload.dataset.name)


async def _delete_added_files(session: AsyncSession, scope: Scope, upload: CommittedUpload, state: str) -> None:
    ids = [file.id for file in upload.files]
    await session.execute(scope.delete(File).where(File.id.in_(ids)))
    dataset = await scope.get(session, Dataset, upload.dataset.id, "dataset")
    if dataset.state == "failed":
        dataset.state, dataset.failure = state, None
    audit.record(session, scope, "file.reject", f"dataset:{dataset.id}", name=dataset.name)


def _refusal(job: Job) -> DatamlError:
    if job.state == JobState.CANCELLED:
        return Conflict("The validation of this upload was cancelled.", code="validation_cancelled")
    detail = job.failure_detail or "The validation failed."
    if job.failure_code in ("table_differs", "table_busy"):
        return Conflict(detail, code=job.failure_code)
    if job.failure_code in _PLATFORM_FAILURES:
        return Unavailable(detail, code=job.failure_code)
    return Invalid(detail, code=job.failure_code)
