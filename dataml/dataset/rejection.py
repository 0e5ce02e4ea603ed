"""`on_error=reject`: the request waits for validation, and a bad cell undoes the whole upload."""

import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset.models import Dataset, File
from dataml.dataset.uploads import Uploaded, upload_folder
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, DatamlError, Invalid, Unavailable
from dataml.jobs.models import Job
from dataml.jobs.spec import JobState
from dataml.settings import Settings
from dataml.storage.storage import Storage

WAIT_S: Final = 60.0
_POLL_S: Final = 0.05
# Failures that say nothing about the data.
_PLATFORM_FAILURES: Final = frozenset(
    {"internal_error", "out_of_memory", "worker_lost", "storage_unavailable", "storage_full", "file_missing"}
    | {"lake_unavailable", "lake_full", "lake_damaged", "lake_misconfigured", "lake_timeout"}
)


async def reject_bad_cells(database: Database, settings: Settings, scope: Scope, uploaded: Uploaded) -> Uploaded:
    """Wait for the end of validation, at most `WAIT_S`. When it failed, the upload is undone and the failure raised; a
    dataset that was there before is as it was. When it goes on for longer, it ends as failed or valid by itself.

    Raises:
        Invalid: the code and the sentence of the job's failure.
        Conflict: `validation_cancelled`.
        Unavailable: validation broke down for a reason that is not in the files.
    """
    job = await _ended(database, scope, uploaded.job.id)
    if job is None or job.state == JobState.SUCCEEDED:
        async with database.reading() as session:
            dataset = await scope.get(session, Dataset, uploaded.dataset.id, "dataset")
            files = [await scope.get(session, File, file.id, "file") for file in uploaded.files]
        return Uploaded(dataset, files, job or uploaded.job)
    async with database.transaction() as session:
        if uploaded.state_before is None:
            await _undo(session, scope, uploaded)
        else:
            await _undo_added(session, scope, uploaded, uploaded.state_before)
    await Storage.from_settings(settings).delete(upload_folder(uploaded.files[0]))
    raise _refusal(job)


async def _ended(database: Database, scope: Scope, job_id: int) -> Job | None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        async with database.reading() as session:
            job = await scope.get(session, Job, job_id, "job")
        if JobState(job.state).is_terminal:
            return job
        await asyncio.sleep(_POLL_S)
    return None


async def _undo(session: AsyncSession, scope: Scope, uploaded: Uploaded) -> None:
    await session.execute(scope.delete(File).where(File.id.in_([file.id for file in uploaded.files])))
    await session.execute(scope.delete(Dataset).where(Dataset.id == uploaded.dataset.id))
    audit.record(session, scope, "dataset.reject", f"dataset:{uploaded.dataset.id}", name=uploaded.dataset.name)


async def _undo_added(session: AsyncSession, scope: Scope, uploaded: Uploaded, state: str) -> None:
    ids = [file.id for file in uploaded.files]
    await session.execute(scope.delete(File).where(File.id.in_(ids)))
    dataset = await scope.get(session, Dataset, uploaded.dataset.id, "dataset")
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
