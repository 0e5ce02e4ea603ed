"""Trainings: from a checked request to a predictor that answers."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.models import Tenant
from dataml.audit import service as audit
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset
from dataml.db import every_tenant
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.errors import Conflict, NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import ExplainResult, ExplainSpec, JobKind, JobState, TrainResult, TrainSpec
from dataml.ml.contract import Contract
from dataml.settings import Settings
from dataml.train.models import Preprocess, Training
from dataml.train.request import CheckedRequest, check, check_target_values
from dataml.train.schemas import TrainRequest

_GONE = ("failed", "cancelled")


async def create(database: Database, settings: Settings, scope: Scope, request: TrainRequest) -> tuple[Training, Job]:
    """Check all that can be checked, then commit preprocessing, training and job together.

    Raises:
        NotFound, Conflict: the dataset is unknown, not valid, or for prediction.
        Invalid: the request does not fit the dataset; see `train.request.check`.
        Conflict: `predictor_exists`.
    """
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, scope, request.dataset_id, "t")
        await _check_name(session, scope, request)
    contract, parquet = dataset.validated()
    checked = check(request, contract)
    await asyncio.to_thread(check_target_values, settings.storage_root / parquet, checked.target)
    try:
        async with database.transaction() as session:
            return await _insert(session, settings, scope, request, checked, dataset)
    except IntegrityError as error:
        if "predictor_name" in str(error.orig):
            raise _predictor_exists(request.predictor_name) from error
        # Deleted since it was looked at.
        raise NotFound("There is no dataset with this id.", code="dataset_not_found") from error


async def _insert(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    request: TrainRequest,
    checked: CheckedRequest,
    dataset: Dataset,
) -> tuple[Training, Job]:
    # Checked again under the write lock: two requests for one name may have come this far together.
    version = await _check_name(session, scope, request)
    contract, parquet = dataset.validated()
    preprocess = Preprocess(tenant_id=scope.tenant_id, contract=contract.to_json(), roles=checked.roles)
    session.add(preprocess)
    await session.flush()
    training = Training(
        tenant_id=scope.tenant_id,
        predictor_name=request.predictor_name,
        version=version,
        dataset_id=dataset.id,
        dataset_version=dataset.version,
        dataset_parquet=parquet,
        preprocess_id=preprocess.id,
        domain=request.domain,
        problem_type=checked.problem_type,
        target=checked.target,
        requested_algorithm=checked.algorithm,
        shap_enabled=request.shap_enabled,
        shap_sample_rows=settings.shap_sample_rows,
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
    )
    named = {"predictor_name": training.predictor_name, "version": version}
    audit.record(session, scope, "training.start", f"training:{training.id}", **named)
    return training, await jobs.enqueue(session, scope, JobKind.TRAIN, training.id, spec)


async def _check_name(session: AsyncSession, scope: Scope, request: TrainRequest) -> int:
    """The version that this training will be."""
    same_name = Training.predictor_name == request.predictor_name
    newest = await session.scalar(scope.select_columns(Training, func.max(Training.version)).where(same_name))
    kept = await scope.find(session, Training, same_name, Training.status.not_in(_GONE))
    if kept is not None and not request.new_version:
        raise _predictor_exists(request.predictor_name)
    return (newest or 0) + 1


def _predictor_exists(name: str) -> Conflict:
    detail = f"There is a predictor named {name!r} already; choose another name, or send new_version true."
    return Conflict(detail, code="predictor_exists")


async def get(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    return await scope.get(session, Training, train_id, "training")


async def get_completed(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """Raises:
    NotFound: `training_not_found`.
    Conflict: `model_not_ready`.
    """
    training = await get(session, scope, train_id)
    if training.status != "completed":
        raise Conflict(f"This model is not ready: its training is {_state_words(training)}.", code="model_not_ready")
    return training


async def get_promoted(session: AsyncSession, scope: Scope, predictor_name: str) -> Training:
    """The newest completed version of a predictor.

    Raises:
        NotFound: `predictor_not_found`.
    """
    versions = scope.select(Training).where(Training.predictor_name == predictor_name, Training.status == "completed")
    training = await session.scalar(versions.order_by(Training.version.desc()).limit(1))
    if training is None:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    return training


async def promoted(session: AsyncSession, limit: int) -> Sequence[tuple[Training, str]]:
    """The newest completed version of every predictor of every tenant with the tenant's name, newest first."""
    newest = (
        every_tenant.select(func.max(Training.id))
        .where(Training.status == "completed")
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
    """Start the feature importance of a completed training; asked again while it runs, the same job."""
    training = await get_completed(session, scope, train_id)
    running = await jobs.unfinished(session, scope, JobKind.EXPLAIN, train_id)
    if running is not None:
        return running
    audit.record(session, scope, "training.explain", f"training:{training.id}")
    return await _enqueue_explain(session, scope, training)


async def _enqueue_explain(session: AsyncSession, scope: Scope, training: Training) -> Job:
    spec = ExplainSpec(training.id, training.bundle or "", training.dataset_parquet, training.shap_sample_rows)
    return await jobs.enqueue(session, scope, JobKind.EXPLAIN, training.id, spec)


async def count_using_dataset(session: AsyncSession, scope: Scope, dataset_id: int) -> int:
    """How many trainings were made from a dataset."""
    rows = scope.select_columns(Training, func.count()).where(Training.dataset_id == dataset_id)
    return await session.scalar(rows) or 0


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
    if training.shap_enabled:
        await _enqueue_explain(session, scope, training)


async def apply_explanation(session: AsyncSession, job: Job, result: ExplainResult | None) -> None:
    """The end of an explain job; an earlier importance stays when a new one fails."""
    if result is None:
        return
    training = await get(session, Scope(job.tenant_id, job.created_by), job.subject_id)
    training.feature_importance = {
        "values": result.feature_importance,
        "sample_rows": result.sample_rows,
        "total_rows": result.total_rows,
    }
    training.explanation = result.explanation


def training_contract(preprocess: Preprocess) -> Contract:
    return Contract.from_json(preprocess.contract)


def _state_words(training: Training) -> str:
    return {"submitted_to_ray": "not finished yet", "failed": "failed", "cancelled": "cancelled"}[training.status]


async def storage_names(session: AsyncSession) -> set[str]:
    """What the trainings of every tenant have in storage: their bundles, the rows they were made from, and what
    explains them."""
    columns = (Training.bundle, Training.dataset_parquet, Training.explanation)
    rows = await session.execute(every_tenant.select(*columns))
    return {name for row in rows for name in row if name}


async def with_own_endpoint(session: AsyncSession) -> set[int]:
    """Trainings of all tenants that are recorded as answered by their own deployment."""
    rows = every_tenant.select(Training.id).where(Training.endpoint == "own")
    return set((await session.scalars(rows)).all())
