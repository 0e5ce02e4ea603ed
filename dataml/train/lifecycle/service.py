"""What becomes of a training afterwards: looked at as a whole, bound to another preprocessing, deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.errors import Conflict, NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind
from dataml.train import service
from dataml.train.checks.layout import join_differences, list_layout_differences
from dataml.train.models import Training, TrainingPreprocessing


@dataclass(frozen=True)
class TrainingDetail:
    """A training with all it refers to and that refers to it. `files` are those its rows came from, as its dataset's
    validation was given them; `parent` is None for a first version, and for one whose parent was deleted."""

    training: Training
    preprocess: TrainingPreprocessing
    dataset: Dataset
    files: Sequence[dict[str, Any]]
    job: Job | None
    parent: Training | None
    children: Sequence[Training]


async def get_detail(session: AsyncSession, scope: Scope, train_id: int) -> TrainingDetail:
    """Raises:
    NotFound: `training_not_found`.
    """
    training = await service.get(session, scope, train_id)
    validation = await jobs.find_by_output(session, scope, training.dataset_parquet)
    children = scope.select(Training).where(Training.parent_id == training.id).order_by(Training.id)
    return TrainingDetail(
        training=training,
        preprocess=await scope.get(session, TrainingPreprocessing, training.preprocess_id, "preprocessing"),
        dataset=await datasets.get(session, scope, training.dataset_id),
        files=validation.payload["files"] if validation is not None else (),
        job=await jobs.find_latest(session, scope, JobKind.TRAIN, training.id),
        parent=await scope.find(session, Training, Training.id == training.parent_id),
        children=(await session.scalars(children)).all(),
    )


async def bind(session: AsyncSession, scope: Scope, train_id: int, preprocess_id: int) -> None:
    """Let a model be asked with another preprocessing, which reads rows as its own does.

    Raises:
        NotFound: `training_not_found`, `preprocessing_not_found`.
        Conflict: `model_not_ready`, `layout_differs` with the differences.
    """
    training = await service.get_completed(session, scope, train_id, held=True)
    other = await _hold_preprocessing(session, scope, preprocess_id)
    bound = await scope.get(session, TrainingPreprocessing, training.preprocess_id, "preprocessing")
    contracts = service.training_contract(bound), service.training_contract(other)
    if differences := list_layout_differences(contracts[0], bound.roles, contracts[1], other.roles):
        detail = f"This preprocessing does not read rows as the model does: {join_differences(differences)}."
        raise Conflict(detail, code="layout_differs")
    subject = f"training:{training.id}"
    audit.record(session, scope, "training.update", subject, preprocess_id=other.id, before=bound.id)
    training.preprocess_id = other.id


async def hold_deletable(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """A training that nothing is being made of, held until the end of the transaction.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `training_in_progress`, `training_in_use`.
    """
    training = await service.hold(session, scope, train_id)
    if training.status == "submitted_to_ray":
        detail = f"The training is not finished; terminate its job first. ({training.predictor_name})"
        raise Conflict(detail, code="training_in_progress")
    child = (Training.parent_id == training.id, Training.status == "submitted_to_ray")
    if await scope.find(session, Training, *child) is not None:
        detail = "A training that continues this model is not finished; wait for its end, or terminate its job."
        raise Conflict(detail, code="training_in_use")
    return training


async def delete(session: AsyncSession, scope: Scope, training: Training) -> list[str]:
    """Remove a training that `hold_deletable` gave, with its preprocessing when no other is bound to it; the folders
    that are to go when this is committed. Its explain job, if there is one, is cancelled.

    From the commit on the version before it is the promoted one. Its predictions stay in the log, under its id, which
    no other training will have; so do the versions that continue it.
    """
    made = await jobs.list_for(session, scope, (JobKind.TRAIN, JobKind.EXPLAIN), training.id)
    folders = {job.directory for job in made if job.attempt}
    folders |= {str(PurePosixPath(name).parent) for name in (training.bundle, training.explanation) if name}
    for job in made:
        await jobs.cancel(session, job)
    preprocess = await _hold_preprocessing(session, scope, training.preprocess_id)
    await session.execute(scope.delete(Training).where(Training.id == training.id))
    bound = scope.select_columns(Training, func.count()).where(Training.preprocess_id == preprocess.id)
    if not await session.scalar(bound):
        await session.execute(scope.delete(TrainingPreprocessing).where(TrainingPreprocessing.id == preprocess.id))
    name, version = training.predictor_name, training.version
    subject = f"training:{training.id}"
    audit.record(session, scope, "training.delete", subject, predictor_name=name, version=version)
    return sorted(folders)


async def delete_importance(session: AsyncSession, scope: Scope, train_id: int) -> list[str]:
    """Forget the feature importance of a training; the folders that are to go when this is committed.

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
    """A preprocessing that stays until the end of the transaction: who deletes its last training waits, or has been."""
    return await scope.hold(session, TrainingPreprocessing, preprocess_id, "preprocessing")
