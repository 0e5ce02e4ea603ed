"""Shows one training with all it refers to, binds it to another preprocessing, and deletes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import roles
from dataml.audit import service as audit
from dataml.dataset import service as datasets
from dataml.db.base import utc_now
from dataml.db.scope import Scope
from dataml.errors import Conflict, NotFound, Unavailable
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind
from dataml.ml.bundle.manifest import MANIFEST_FILE
from dataml.storage.hashing import hash_file
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage
from dataml.train import champions, service
from dataml.train.checks.layout import join_differences, list_layout_differences
from dataml.train.models import DeletedTraining, Training, TrainingOverview, TrainingPreprocessing


@dataclass(frozen=True)
class TrainingDetail:
    """A training with all it refers to, and all that refers to it.

    `files` are the files that its rows came from, as the validation of its dataset was given them. `parent` is None
    for a first version, and for one whose parent an older version of dataml has deleted without a trace.
    `jobs_of_children` are the newest train jobs of the children, by the id of the training.
    """

    overview: TrainingOverview
    preprocessing: TrainingPreprocessing
    files: Sequence[dict[str, Any]]
    parent: Training | DeletedTraining | None
    children: Sequence[Training | DeletedTraining]
    jobs_of_children: Mapping[int, Job]


async def get_detail(session: AsyncSession, scope: Scope, train_id: int) -> TrainingDetail:
    """Return a training with all it refers to, and all that refers to it.

    Raises:
        NotFound: `training_not_found`.
    """
    training = await service.get(session, scope, train_id)
    dataset = await datasets.get(session, scope, training.dataset_id)
    job = await jobs.find_latest(session, scope, JobKind.TRAIN, training.id)
    validation = await jobs.find_by_output(session, scope, training.dataset_parquet)
    serving_ids = await champions.find_champion_ids(session, scope, {training.predictor_name})
    parent_id = training.parent_id
    children = [
        child
        for table in (Training, DeletedTraining)
        for child in await session.scalars(scope.select(table).where(table.parent_id == training.id))
    ]
    return TrainingDetail(
        overview=TrainingOverview(training, dataset, job, training.id in serving_ids),
        preprocessing=await service.get_preprocessing(session, scope, training.preprocess_id),
        files=_list_files(validation) if validation is not None else (),
        parent=None if parent_id is None else await _find_version(session, scope, parent_id),
        children=sorted(children, key=lambda child: child.id),
        jobs_of_children=await service.find_train_jobs(session, scope, [child.id for child in children]),
    )


def _list_files(job: Job) -> Sequence[dict[str, Any]]:
    """Return the files of the job that has written the rows: a validation, or a training that has read them itself."""
    return job.payload["files"] if job.kind == JobKind.VALIDATE else job.payload["rows"]["files"]


async def _find_version(session: AsyncSession, scope: Scope, train_id: int) -> Training | DeletedTraining | None:
    training = await scope.find(session, Training, Training.id == train_id)
    return training if training is not None else await service.find_deleted(session, scope, train_id)


async def bind(session: AsyncSession, scope: Scope, train_id: int, preprocess_id: int) -> None:
    """Bind a model to another preprocessing, which reads rows as its own does.

    Raises:
        NotFound: `training_not_found`, `preprocessing_not_found`.
        Conflict: `model_not_ready`, `layout_differs` with the differences.
    """
    training = await service.get_completed(session, scope, train_id, held=True)
    other = await _hold_preprocessing(session, scope, preprocess_id)
    bound = await service.get_preprocessing(session, scope, training.preprocess_id)
    if differences := list_layout_differences(bound.parse_contract(), bound.roles, other.parse_contract(), other.roles):
        detail = f"This preprocessing does not read rows as the model does: {join_differences(differences)}."
        raise Conflict(detail, code="layout_differs")
    subject = f"training:{training.id}"
    audit.record(session, scope, "training.update", subject, preprocess_id=other.id, before=bound.id)
    own_id = training.own_preprocess_id or training.preprocess_id
    training.own_preprocess_id = own_id if own_id != other.id else None
    training.preprocess_id = other.id


async def hold_deletable(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """Return a training that no running job uses, held until the end of the transaction.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `training_in_progress`, `training_in_use`.
    """
    # Predictors change for one request of the tenant at a time.
    await roles.lock(session, scope.tenant_id)
    training = await service.hold(session, scope, train_id)
    if training.status == "submitted_to_ray":
        detail = f"The training is not finished; terminate its job first. ({training.predictor_name})"
        raise Conflict(detail, code="training_in_progress")
    child = (Training.parent_id == training.id, Training.status == "submitted_to_ray")
    if await scope.find(session, Training, *child) is not None:
        detail = "A training that continues this model is not finished; wait for its end, or terminate its job."
        raise Conflict(detail, code="training_in_use")
    await champions.refuse_addressed(session, scope, training)
    return training


def find_bundle_hash(storage: Storage, training: Training) -> str | None:
    """Return the hash of a training's bundle, from its file where an older version has not recorded it. Blocking.

    None for a training without a bundle, or whose bundle storage has lost.
    """
    if training.bundle_sha256 is not None or not training.bundle:
        return training.bundle_sha256
    try:
        return hash_file(storage.fetch(training.bundle) / MANIFEST_FILE)
    except (OSError, FileMissing, Unavailable):
        return None


async def delete(session: AsyncSession, scope: Scope, training: Training, detail: dict[str, Any]) -> list[str]:
    """Delete a training that `hold_deletable` returned; return the folders to delete after the commit.

    Its preprocessing is deleted with it when no other training refers to that, and its explain job is cancelled.
    From the commit on the newest promoted one of the other versions answers for the predictor. Its predictions stay in
    the log under its id, which no other training will have, and the versions that continue it stay, too. `detail` is
    kept as what stays of it.
    """
    own_jobs = await jobs.list_for(session, scope, (JobKind.TRAIN, JobKind.EXPLAIN), training.id)
    folders = {job.directory for job in own_jobs if job.attempt}
    folders |= {str(PurePosixPath(name).parent) for name in (training.bundle, training.explanation) if name}
    for job in own_jobs:
        await jobs.cancel(session, job)
    preprocess_ids = sorted({training.preprocess_id, training.own_preprocess_id or training.preprocess_id})
    for preprocess_id in preprocess_ids:
        await _hold_preprocessing(session, scope, preprocess_id)
    session.add(_to_deleted(scope, training, detail))
    await champions.release_version(session, scope, training)
    await session.execute(scope.delete(Training).where(Training.id == training.id))
    for preprocess_id in preprocess_ids:
        refers = or_(Training.preprocess_id == preprocess_id, Training.own_preprocess_id == preprocess_id)
        if await scope.find(session, Training, refers) is None:
            rows = scope.delete(TrainingPreprocessing).where(TrainingPreprocessing.id == preprocess_id)
            await session.execute(rows)
    name, version = training.predictor_name, training.version
    subject = f"training:{training.id}"
    audit.record(session, scope, "training.delete", subject, predictor_name=name, version=version)
    return sorted(folders)


def _to_deleted(scope: Scope, training: Training, detail: dict[str, Any]) -> DeletedTraining:
    return DeletedTraining(
        id=training.id,
        tenant_id=training.tenant_id,
        predictor_name=training.predictor_name,
        version=training.version,
        parent_id=training.parent_id,
        dataset_id=training.dataset_id,
        domain=training.domain,
        problem_type=training.problem_type,
        accuracy=training.accuracy,
        created_at=training.created_at,
        deleted_by=scope.username,
        deleted_at=utc_now(),
        detail=detail,
    )


async def forget_deleted(session: AsyncSession, scope: Scope, tenant_id: str) -> None:
    """Remove what stays of the deleted trainings of a tenant that is being closed."""
    await session.execute(scope.delete(DeletedTraining))


async def delete_importance(session: AsyncSession, scope: Scope, train_id: int) -> list[str]:
    """Delete the feature importance of a training; return the folders to delete after the commit.

    Raises:
        NotFound: `training_not_found`, `feature_importance_not_found`.
        Conflict: `explanation_running`.
    """
    training = await service.hold(session, scope, train_id)
    if await jobs.find_unfinished(session, scope, JobKind.EXPLAIN, training.id) is not None:
        detail = "The feature importance is being computed; wait for its end, or terminate its job."
        raise Conflict(detail, code="explanation_running")
    if training.feature_importance is None and training.explanation is None:
        raise NotFound("This training has no feature importance.", code="feature_importance_not_found")
    folders = [str(PurePosixPath(training.explanation).parent)] if training.explanation else []
    training.feature_importance = training.explanation = None
    audit.record(session, scope, "training.delete_importance", f"training:{training.id}")
    return folders


async def _hold_preprocessing(session: AsyncSession, scope: Scope, preprocess_id: int) -> TrainingPreprocessing:
    """Return a preprocessing that stays until the end of the transaction.

    Another transaction that deletes its last training waits for this one, or has deleted it before.
    """
    return await scope.hold(session, TrainingPreprocessing, preprocess_id, "preprocessing")
