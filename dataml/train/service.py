"""Trainings: from a checked request to a predictor that answers."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml import __version__
from dataml.access import roles
from dataml.access.models import Tenant
from dataml.audit import service as audit
from dataml.contract.contract import Contract
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset
from dataml.db import every_tenant
from dataml.db.constraints import read_violation
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.errors import Conflict, NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import ExplainResult, ExplainSpec, JobKind, JobState, TrainResult, TrainSpec
from dataml.ml.boosters.hyperparameters import ALGORITHMS
from dataml.settings import Settings
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage
from dataml.train.checks.continuation import Parent, check_classes, check_continuation
from dataml.train.checks.request import CheckedRequest, check, check_target_values
from dataml.train.checks.series import check_series
from dataml.train.models import Training, TrainingPreprocessing
from dataml.train.schemas import TrainRequest

# What a request says that columns of the row hold.
_IN_THE_ROW = {"dataset_id", "predictor_name", "domain", "problem_type", "columns", "algorithm", "shap_enabled"}
_GONE = ("failed", "cancelled")
_CAN_SERVE = (Training.status == "completed", Training.is_promoted)


@dataclass(frozen=True)
class TrainingPlan:
    """A request that was checked, and what it was checked against; `sha256` is that of the dataset's Parquet."""

    request: TrainRequest
    checked: CheckedRequest
    dataset: Dataset
    sha256: str
    parent: Parent | None


async def create(database: Database, settings: Settings, scope: Scope, request: TrainRequest) -> tuple[Training, Job]:
    """Check all that can be checked, then commit preprocessing, training and job together.

    Raises:
        NotFound, Conflict: the dataset is unknown, not valid, or for prediction.
        Invalid: the request does not fit the dataset; see `train.checks.request.check`.
        Conflict: `predictor_exists`; of an incremental one also what `_find_parent` and `continuation` raise.
    """
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, scope, request.dataset_id, "t")
        await _check_name(session, scope, request)
        parent = await _find_parent(session, scope, request.predictor_name) if request.is_incremental else None
    contract, parquet = dataset.validated()
    checked = check(request, contract) if parent is None else check_continuation(request, parent, contract)
    try:
        sha256 = await asyncio.to_thread(
            _check_rows, Storage.from_settings(settings), parquet, contract, checked, parent
        )
        planned = TrainingPlan(request, checked, dataset, sha256, parent)
        async with database.transaction() as session:
            return await _insert(session, settings, scope, planned)
    except IntegrityError as error:
        if read_violation(error).is_duplicate("predictor_name"):
            raise _predictor_exists(request.predictor_name) from error
        raise _dataset_gone() from error
    except (FileNotFoundError, FileMissing) as error:
        raise _dataset_gone() from error


async def _insert(
    session: AsyncSession, settings: Settings, scope: Scope, planned: TrainingPlan
) -> tuple[Training, Job]:
    request, checked, dataset, parent = planned.request, planned.checked, planned.dataset, planned.parent
    # Checked again, one request of the tenant at a time: two for one name may have come this far together.
    await roles.lock(session, scope.tenant_id)
    if parent is not None:
        await _hold_parent(session, scope, parent)
    version = await _check_name(session, scope, request)
    contract, parquet = dataset.validated()
    if parent is not None:
        contract = parent.contract
    preprocess = TrainingPreprocessing(tenant_id=scope.tenant_id, contract=contract.to_json(), roles=checked.roles)
    session.add(preprocess)
    await session.flush()
    training = Training(
        tenant_id=scope.tenant_id,
        predictor_name=request.predictor_name,
        version=version,
        dataset_id=dataset.id,
        dataset_version=dataset.version,
        dataset_parquet=parquet,
        dataset_sha256=planned.sha256,
        parent_id=parent.training.id if parent is not None else None,
        preprocess_id=preprocess.id,
        domain=request.domain,
        problem_type=checked.problem_type,
        target=checked.target,
        requested_algorithm=checked.algorithm,
        shap_enabled=request.shap_enabled,
        shap_sample_rows=settings.shap_sample_rows,
        requested=request.model_dump(mode="json", exclude=_IN_THE_ROW),
        created_by=scope.username,
    )
    session.add(training)
    await session.flush()
    spec = TrainSpec(
        train_id=training.id,
        parquet=parquet,
        contract=contract,
        problem_type=checked.problem_type,
        algorithm=checked.algorithm,
        roles=checked.roles,
        hyperparameters=request.hyperparameters,
        seed=request.seed,
        threads=settings.job_threads,
        categories=checked.categories,
        validation=checked.validation,
        tuning=checked.tuning,
        workers=request.workers,
        distributed_bytes=settings.distributed_training_bytes,
        parent=parent.training.bundle if parent is not None else None,
        forecasting=checked.forecasting,
    )
    named = {"predictor_name": training.predictor_name, "version": version}
    audit.record(session, scope, "training.start", f"training:{training.id}", **named)
    return training, await jobs.enqueue(session, scope, JobKind.TRAIN, training.id, spec)


async def _check_name(session: AsyncSession, scope: Scope, request: TrainRequest) -> int:
    """The version that this training will be."""
    same_name = Training.predictor_name == request.predictor_name
    newest = await session.scalar(scope.select_columns(Training, func.max(Training.version)).where(same_name))
    kept = await scope.find(session, Training, same_name, Training.status.not_in(_GONE))
    if kept is not None and not (request.new_version or request.is_incremental):
        raise _predictor_exists(request.predictor_name)
    return (newest or 0) + 1


async def _find_parent(session: AsyncSession, scope: Scope, predictor_name: str) -> Parent:
    """The version that a continuation starts from.

    Raises:
        NotFound: `predictor_not_found`.
        Conflict: `training_in_progress`: there may be another one to continue in a moment.
    """
    same_name = Training.predictor_name == predictor_name
    if await scope.find(session, Training, same_name, Training.status == "submitted_to_ray") is not None:
        detail = "A version of this predictor is being trained; continue the predictor when that has ended."
        raise Conflict(detail, code="training_in_progress")
    training = await get_promoted(session, scope, predictor_name)
    preprocess = await scope.get(session, TrainingPreprocessing, training.preprocess_id, "preprocessing")
    return Parent(training, training_contract(preprocess), dict(preprocess.roles))


async def _hold_parent(session: AsyncSession, scope: Scope, parent: Parent) -> None:
    """Raises:
    NotFound: `predictor_not_found`, `training_not_found`.
    Conflict: `training_in_progress`, `predictor_changed`: the version to continue is another one meanwhile.
    """
    held = await hold(session, scope, parent.training.id)
    found = await _find_parent(session, scope, held.predictor_name)
    if found.training.id != held.id or held.preprocess_id != parent.training.preprocess_id:
        raise Conflict("The predictor has changed meanwhile; send the request again.", code="predictor_changed")


def _dataset_gone() -> NotFound:
    # Deleted since it was looked at.
    return NotFound("There is no dataset with this id.", code="dataset_not_found")


def _predictor_exists(name: str) -> Conflict:
    detail = f"There is a predictor named {name!r} already; choose another name, or send new_version true."
    return Conflict(detail, code="predictor_exists")


async def get(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    return await scope.get(session, Training, train_id, "training")


async def hold(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """A training that stays as it is until the end of the transaction.

    Raises:
        NotFound: `training_not_found`.
    """
    return await scope.hold(session, Training, train_id, "training")


async def get_completed(session: AsyncSession, scope: Scope, train_id: int, *, held: bool = False) -> Training:
    """A training whose model can be asked; `held` as by `hold`.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
    """
    training = await (hold if held else get)(session, scope, train_id)
    if training.status != "completed":
        raise Conflict(f"This model is not ready: its training is {_state_words(training)}.", code="model_not_ready")
    return training


async def get_promoted(session: AsyncSession, scope: Scope, predictor_name: str) -> Training:
    """The newest completed version of a predictor, apart from those that came out worse than their parent.

    Raises:
        NotFound: `predictor_not_found`.
    """
    versions = scope.select(Training).where(Training.predictor_name == predictor_name, *_CAN_SERVE)
    training = await session.scalar(versions.order_by(Training.version.desc()).limit(1))
    if training is None:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    return training


async def list_promoted(session: AsyncSession, limit: int) -> Sequence[tuple[Training, str]]:
    """What `get_promoted` finds for every predictor of every tenant, with the tenant's name, newest first; but for
    forecasts, which the pool answers: their direct route predicts nothing."""
    newest = (
        every_tenant.select(func.max(Training.id))
        .where(*_CAN_SERVE, Training.problem_type != "Forecast")
        .group_by(Training.tenant_id, Training.predictor_name)
    )
    query = every_tenant.select(Training, Tenant.name).join(Tenant, Tenant.id == Training.tenant_id)
    query = query.where(Training.id.in_(newest), Tenant.is_active)
    rows = await session.execute(query.order_by(Training.id.desc()).limit(limit))
    return [(training, name) for training, name in rows.all()]


async def list_with_jobs(
    session: AsyncSession, scope: Scope, page: Page
) -> tuple[int, list[tuple[Training, Dataset, Job | None]]]:
    total, trainings = await scope.list(session, Training, page)
    dataset_ids, train_ids = {t.dataset_id for t in trainings}, [t.id for t in trainings]
    found = await session.scalars(scope.select(Dataset).where(Dataset.id.in_(dataset_ids)))
    by_id = {dataset.id: dataset for dataset in found}
    job_rows = scope.select(Job).where(Job.kind == JobKind.TRAIN.value, Job.subject_id.in_(train_ids))
    job_of = {job.subject_id: job for job in await session.scalars(job_rows.order_by(Job.id))}
    return total, [(t, by_id[t.dataset_id], job_of.get(t.id)) for t in trainings]


async def explain(session: AsyncSession, scope: Scope, train_id: int) -> Job:
    """Start the feature importance of a completed training; asked again while it runs, the same job.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`, `no_features_to_explain`.
    """
    training = await get_completed(session, scope, train_id, held=True)
    if not _has_features(training):
        detail = "This forecast is made of the series' own past; it has no features to explain."
        raise Conflict(detail, code="no_features_to_explain")
    running = await jobs.find_unfinished(session, scope, JobKind.EXPLAIN, train_id)
    if running is not None:
        return running
    audit.record(session, scope, "training.explain", f"training:{training.id}")
    return await _enqueue_explain(session, scope, training)


async def _enqueue_explain(session: AsyncSession, scope: Scope, training: Training) -> Job:
    spec = ExplainSpec(training.id, training.bundle or "", training.dataset_parquet, training.shap_sample_rows)
    return await jobs.enqueue(session, scope, JobKind.EXPLAIN, training.id, spec)


async def refuse_dataset_in_use(session: AsyncSession, scope: Scope, dataset_id: int) -> None:
    """Refuse to let a dataset go that trainings were made from.

    Raises:
        Conflict: `dataset_in_use`.
    """
    rows = scope.select_columns(Training, func.count()).where(Training.dataset_id == dataset_id)
    if used_by := await session.scalar(rows):
        trainings = "A training was" if used_by == 1 else f"{used_by:,} trainings were"
        raise Conflict(f"{trainings} made from this dataset, so it cannot be deleted.", code="dataset_in_use")


async def apply_training(session: AsyncSession, job: Job, result: TrainResult | None) -> None:
    """The end of a train job: the predictor is servable from this commit on."""
    scope = Scope(job.tenant_id, job.created_by)
    training = await get(session, scope, job.subject_id)
    if result is None:
        training.status = "cancelled" if job.state == JobState.CANCELLED else "failed"
        training.failure = job.failure_detail
        return
    training.status = "completed"
    training.algorithm = result.algorithm
    training.model = result.model
    training.accuracy = result.accuracy
    training.metrics = {**result.metrics, "confusion_matrix": result.confusion_matrix}
    training.summary = result.summary
    training.bundle = result.bundle
    training.is_promoted = result.is_promoted
    training.code_version = __version__
    if training.shap_enabled and _has_features(training):
        await _enqueue_explain(session, scope, training)


async def apply_explanation(session: AsyncSession, job: Job, result: ExplainResult | None) -> None:
    """The end of an explain job; an earlier importance stays when a new one fails."""
    if result is None:
        return
    training = await get(session, Scope(job.tenant_id, job.created_by), job.subject_id)
    training.feature_importance = {
        "values": result.feature_importance,
        # A worker outside the cluster may not say them.
        "sample_rows": result.sample_rows or None,
        "total_rows": result.total_rows or None,
    }
    training.explanation = result.explanation


def _check_rows(
    storage: Storage, parquet: str, contract: Contract, checked: CheckedRequest, parent: Parent | None
) -> str:
    """Look at the rows to train on; the SHA-256 of their file."""
    path = storage.fetch(parquet)
    if checked.forecasting is not None:
        bundle = parent.training.bundle if parent is not None else None
        check_series(path, contract, checked, storage.fetch(bundle) if bundle else None)
    else:
        check_target_values(path, checked.target)
        if parent is not None:
            check_classes(path, parent)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has_features(training: Training) -> bool:
    """Statistical models of a series have none."""
    members = (training.summary or {}).get("members", ())
    return training.problem_type != "Forecast" or any(each["algorithm"] in ALGORITHMS for each in members)


def training_contract(preprocess: TrainingPreprocessing) -> Contract:
    return Contract.from_json(preprocess.contract)


def _state_words(training: Training) -> str:
    return {"submitted_to_ray": "not finished yet", "failed": "failed", "cancelled": "cancelled"}[training.status]


async def list_storage_names(session: AsyncSession) -> set[str]:
    """What the trainings of every tenant have in storage: bundles, explanations, and the rows they were made from."""
    columns = (Training.bundle, Training.explanation, Training.dataset_parquet)
    rows = await session.execute(every_tenant.select(*columns))
    return {name for row in rows for name in row if name}


async def filter_existing(session: AsyncSession, train_ids: set[int]) -> set[int]:
    """Which of these trainings, of all tenants, are there."""
    rows = every_tenant.select(Training.id).where(Training.id.in_(train_ids))
    return set((await session.scalars(rows)).all())


async def list_with_own_endpoint(session: AsyncSession) -> set[int]:
    """Trainings of all tenants that are recorded as answered by their own deployment."""
    rows = every_tenant.select(Training.id).where(Training.endpoint == "own")
    return set((await session.scalars(rows)).all())
