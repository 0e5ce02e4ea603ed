"""Brings a dataset back to what it was before a change whose validation was cancelled.

A change, that is, files added or deleted or another validation, remembers the state before it in `Dataset.settled`. A
change that supersedes another keeps what that one remembered: nobody has seen a settled state between the two. Files
that are deleted stay in storage until the validation without them has ended; `deleted_files` removes them then.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset import service
from dataml.dataset.models import Dataset, File
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.jobs.models import Job

_FIELDS: Final = ("state", "failure", "data_source")


async def remember(session: AsyncSession, scope: Scope, dataset: Dataset) -> None:
    """Remember a dataset that is held, before it is changed; a new one has nothing to go back to."""
    if dataset.state == "validating":
        return
    files = await service.list_uploaded_files(session, scope, dataset.id)
    fields = {name: getattr(dataset, name) for name in _FIELDS}
    dataset.settled = {**fields, "files": [file.id for file in files]}


async def restore(session: AsyncSession, job: Job, dataset: Dataset) -> bool:
    """Bring back the dataset of a cancelled validation, with the files that it had; False for a new dataset."""
    settled, dataset.settled = dataset.settled, None
    if settled is None:
        return False
    for name in _FIELDS:
        setattr(dataset, name, settled[name])
    kept = set(settled["files"])
    scope = Scope(dataset.tenant_id, "")
    restored: list[str] = []
    removed: list[str] = []
    for file in await session.scalars(
        scope.select(File).where(File.dataset_id == dataset.id, File.purpose == "source")
    ):
        if file.id in kept and file.deleted_at is not None:
            file.deleted_at = None
            restored.append(file.name)
        elif file.id not in kept and file.deleted_at is None:
            file.deleted_at = utc_now()
            removed.append(file.name)
    audit.record(
        session,
        scope,
        "dataset.restore",
        f"dataset:{dataset.id}",
        name=dataset.name,
        job_id=job.public_id,
        files_restored=restored,
        files_removed=removed,
    )
    return True
