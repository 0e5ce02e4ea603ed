"""Trainings: from a checked request to a predictor that answers."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, false, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from dataml import __version__
from dataml.access import roles
from dataml.access.models import Tenant
from dataml.access.permissions import Permission
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.contract.warnings import warnings_from_json
from dataml.dataset import service as datasets
from dataml.dataset import source_rows
from dataml.dataset.models import Dataset, File
from dataml.db import every_tenant
from dataml.db.constraints import read_violation
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.errors import Conflict, NotFound
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    DatasetRows,
    ExplainResult,
    ExplainSpec,
    JobContext,
    JobKind,
    JobState,
    TrainResult,
    TrainSpec,
)
from dataml.jobs.time_limits import check_time_limit
from dataml.ml.boosters.hyperparameters import ALGORITHMS
from dataml.settings import Settings
from dataml.storage.damage import file_damaged, translate_read_errors
from dataml.storage.hashing import hash_file
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage
from dataml.suggestions import MAX_COMPARED_NAMES, add_suggestion
from dataml.tasks.continued_rows import used_columns
from dataml.tasks.model_rows import ModelRows
from dataml.train import champions
from dataml.train.checks.continuation import Parent, check_classes, check_continuation, check_schema
from dataml.train.checks.request import check_request, check_target_values
from dataml.train.checks.series import check_continued_series, check_series
from dataml.train.models import (
    STATUS_BY_STATE,
    DeletedTraining,
    Predictor,
    Training,
    TrainingOverview,
    TrainingPreprocessing,
    TrainingState,
)
from dataml.train.predictor_names import resolve_url_name
from dataml.train.schemas import TrainRequest

# Fields of a request that have columns of their own in the row.
_COLUMNS_OF_ROW: Final = {
    "dataset_id",
    "predictor_name",
    "domain",
    "problem_type",
    "columns",
    "algorithm",
    "shap_enabled",
}
_UNSUCCESSFUL: Final = ("failed", "cancelled")
_STATUS_WORDS: Final = {"submitted_to_ray": "not finished yet", "failed": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True)
class TrainingPlan:
    """A checked request, and what it was checked against.

    `version` is the one that it would be now. `spec` is the payload of the job, whose `train_id` is 0 until the
    training has a row. `parent` is the version that an incremental training continues.
    """

    request: TrainRequest
    dataset: Dataset
    version: int
    parent: Parent | None
    spec: TrainSpec


async def create(database: Database, settings: Settings, scope: Scope, request: TrainRequest) -> tuple[Training, Job]:
    """Check all that can be checked, then commit preprocessing, training and job together.

    Raises:
        NotFound, Conflict, FileMissing, Invalid: what `check` raises; of an incremental training also
            `training_not_found`, `predictor_changed`.
        FileDamaged: `file_damaged`.
    """
    plan = await check(database, settings, scope, request)
    try:
        async with _translate_lost_rows(database, scope, plan.dataset):
            sha256 = await asyncio.to_thread(_hash_rows, Storage.from_settings(settings), plan.spec)
        if plan.dataset.parquet_sha256 not in (None, sha256):
            raise file_damaged()
        async with database.transaction() as session:
            return await _insert(session, settings, scope, plan, sha256)
    except IntegrityError as error:
        if read_violation(error).is_duplicate("predictor_name"):
            raise _predictor_exists(request.predictor_name) from error
        raise _dataset_deleted() from error


async def check(database: Database, settings: Settings, scope: Scope, request: TrainRequest) -> TrainingPlan:
    """Return what a request would train, and change nothing.

    Raises:
        NotFound: `dataset_not_found`; of an incremental training also `predictor_not_found`.
        Conflict: `dataset_not_validated`, `wrong_dataset_usage`, `predictor_exists`, `url_name_exists`; of an
            incremental training also `training_in_progress`, and what `check_continuation` and `check_classes` raise.
        FileMissing: `file_missing`: storage has lost the rows.
        Invalid: `time_limit_too_long`; the request does not fit the dataset: see `check_request`,
            `check_target_values` and `check_series`.
    """
    check_time_limit(settings, JobKind.TRAIN, request.time_limit_s)
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, scope, request.dataset_id, "t")
        version = await _next_version(session, scope, request)
        await resolve_url_name(session, scope, request.predictor_name)
        rows = await source_rows.get_rows(session, scope, dataset)
        parent = await _find_parent(session, scope, request.predictor_name) if request.is_incremental else None
    contract, parquet = dataset.validated()
    if parent is None:
        spec = check_request(request, contract, parquet)
    else:
        spec = check_continuation(request, parent, rows, parquet)
    async with _translate_lost_rows(database, scope, dataset):
        spec = await asyncio.to_thread(_check_rows, Storage.from_settings(settings), spec, parent, request)
    return TrainingPlan(request, dataset, version, parent, spec)


@asynccontextmanager
async def _translate_lost_rows(database: Database, scope: Scope, dataset: Dataset) -> AsyncIterator[None]:
    """Raise `dataset_not_found` for rows that are missing since their dataset was deleted meanwhile.

    Raises:
        NotFound: `dataset_not_found`.
        FileMissing: The dataset is as it was, and storage has lost its rows.
    """
    try:
        yield
    except FileMissing as error:
        async with database.reading() as session:
            as_read = (Dataset.id == dataset.id, Dataset.parquet == dataset.parquet)
            is_lost = await scope.find(session, Dataset, *as_read) is not None
        raise error if is_lost else _dataset_deleted() from error


async def _insert(
    session: AsyncSession, settings: Settings, scope: Scope, plan: TrainingPlan, sha256: str
) -> tuple[Training, Job]:
    request, dataset, spec = plan.request, plan.dataset, plan.spec
    # The name is checked again, for one request of the tenant at a time: two for one name may have passed the first
    # check together.
    await roles.lock(session, scope.tenant_id)
    if plan.parent is not None:
        await _hold_parent(session, scope, plan.parent)
    version = await _next_version(session, scope, request)
    url_name = await resolve_url_name(session, scope, request.predictor_name)
    await champions.add_predictor(session, scope, request.predictor_name, url_name)
    preprocessing = TrainingPreprocessing(tenant_id=scope.tenant_id, contract=spec.contract.to_json(), roles=spec.roles)
    session.add(preprocessing)
    await session.flush()
    training = Training(
        tenant_id=scope.tenant_id,
        predictor_name=request.predictor_name,
        url_name=url_name,
        version=version,
        dataset_id=dataset.id,
        dataset_version=dataset.version,
        dataset_parquet=spec.parquet,
        dataset_sha256=sha256,
        parent_id=plan.parent.training.id if plan.parent is not None else None,
        preprocess_id=preprocessing.id,
        domain=request.domain,
        problem_type=spec.problem_type,
        target=spec.target,
        requested_algorithm=spec.algorithm,
        shap_enabled=request.shap_enabled,
        shap_sample_rows=settings.shap_sample_rows,
        requested=request.model_dump(mode="json", exclude=_COLUMNS_OF_ROW),
        created_by=scope.username,
    )
    session.add(training)
    await session.flush()
    audit.record(
        session,
        scope,
        "training.start",
        f"training:{training.id}",
        predictor_name=training.predictor_name,
        version=version,
    )
    payload = replace(
        spec,
        train_id=training.id,
        threads=settings.job_threads,
        dataset_warnings=(*spec.dataset_warnings, *warnings_from_json(dataset.warnings)),
        distributed_bytes=settings.distributed_training_bytes,
        is_large=await source_rows.is_large(session, settings, scope, dataset.id),
    )
    return training, await jobs.enqueue(
        session, scope, JobKind.TRAIN, training.id, payload, time_limit_s=request.time_limit_s
    )


async def _next_version(session: AsyncSession, scope: Scope, request: TrainRequest) -> int:
    """Return the version that this training will be.

    Raises:
        Conflict: `predictor_exists`: the request asks for no new version.
    """
    same_name = Training.predictor_name == request.predictor_name
    newest = await _find_newest_version(session, scope, request.predictor_name)
    current = await scope.find(session, Training, same_name, Training.status.not_in(_UNSUCCESSFUL))
    if current is not None and not (request.new_version or request.is_incremental):
        raise _predictor_exists(request.predictor_name)
    return newest + 1


async def _find_newest_version(session: AsyncSession, scope: Scope, predictor_name: str) -> int:
    """Return the highest version of a predictor, deleted ones included; 0 without one.

    A deleted version keeps its number, by which its predictions name it.
    """
    versions = [
        await session.scalar(
            scope.select_columns(table, func.max(table.version)).where(table.predictor_name == predictor_name)
        )
        for table in (Training, DeletedTraining)
    ]
    return max(version or 0 for version in versions)


async def _find_parent(session: AsyncSession, scope: Scope, predictor_name: str) -> Parent:
    """Return the version that a continuation starts from.

    Raises:
        NotFound: `predictor_not_found`.
        Conflict: `training_in_progress`: another version may be the one to continue in a moment.
    """
    same_name = Training.predictor_name == predictor_name
    if await scope.find(session, Training, same_name, Training.status == "submitted_to_ray") is not None:
        detail = "A version of this predictor is being trained; continue the predictor when that has ended."
        raise Conflict(detail, code="training_in_progress")
    training = await get_champion(session, scope, predictor_name)
    preprocessing = await get_preprocessing(session, scope, training.preprocess_id)
    return Parent(training, preprocessing.parse_contract(), dict(preprocessing.roles))


async def _hold_parent(session: AsyncSession, scope: Scope, parent: Parent) -> None:
    """Hold the version to continue until the end of the transaction, and check that it still is the one.

    Raises:
        NotFound: `predictor_not_found`, `training_not_found`.
        Conflict: `training_in_progress`, `predictor_changed`: the version to continue is another one now.
    """
    held = await hold(session, scope, parent.training.id)
    current = await _find_parent(session, scope, held.predictor_name)
    if current.training.id != held.id or held.preprocess_id != parent.training.preprocess_id:
        raise Conflict("The predictor has changed meanwhile; send the request again.", code="predictor_changed")


def _dataset_deleted() -> NotFound:
    """Return the error of a dataset that was deleted after it had been read."""
    return NotFound("There is no dataset with this id.", code="dataset_not_found")


def _predictor_exists(name: str) -> Conflict:
    detail = f"There is a predictor named {name!r} already; choose another name, or send new_version true."
    return Conflict(detail, code="predictor_exists")


async def get(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """Return a training.

    Raises:
        NotFound: `training_not_found`.
    """
    return await scope.get(session, Training, train_id, "training")


async def get_or_deleted(session: AsyncSession, scope: Scope, train_id: int) -> Training | DeletedTraining:
    """Return a training, or what stays of it when it was deleted.

    Raises:
        NotFound: `training_not_found`.
    """
    deleted = await find_deleted(session, scope, train_id)
    return deleted if deleted is not None else await get(session, scope, train_id)


async def find_deleted(session: AsyncSession, scope: Scope, train_id: int) -> DeletedTraining | None:
    """Return what stays of a training that was deleted, or None."""
    # Ids beyond the database's integers would fail in the driver.
    return await scope.find(session, DeletedTraining, DeletedTraining.id == train_id) if 0 < train_id < 2**63 else None


async def hold(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """Return a training that stays as it is until the end of the transaction.

    Raises:
        NotFound: `training_not_found`.
    """
    return await scope.hold(session, Training, train_id, "training")


async def get_completed(session: AsyncSession, scope: Scope, train_id: int, *, held: bool = False) -> Training:
    """Return a training whose model can predict; with `held`, as `hold` does.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
    """
    return refuse_unfinished(await (hold if held else get)(session, scope, train_id))


def refuse_unfinished(training: Training) -> Training:
    """Return a training whose model can predict.

    Raises:
        Conflict: `model_not_ready`.
    """
    if training.status != "completed":
        raise Conflict(
            f"This model is not ready: its training is {_STATUS_WORDS[training.status]}.", code="model_not_ready"
        )
    return training


async def get_champion(session: AsyncSession, scope: Scope, name: str, *, in_url: bool = False) -> Training:
    """Return the version that answers for a predictor.

    With `in_url`, the name may also be the one that stands for the predictor in URLs.

    Raises:
        NotFound: `predictor_not_found`.
    """
    training = await champions.find_champion(session, scope, name, in_url=in_url)
    if training is None:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    return training


async def list_completed_versions(session: AsyncSession, scope: Scope, predictor_name: str) -> Sequence[int]:
    """Return the numbers of the completed versions of a predictor, in order."""
    versions = scope.select_columns(Training, Training.version).where(
        Training.predictor_name == predictor_name, Training.status == "completed"
    )
    return (await session.scalars(versions.order_by(Training.version))).all()


async def suggest_predictor(
    database: Database, user: Principal, error: NotFound, name: str, *, in_url: bool = False
) -> NotFound:
    """Return the error about a predictor that does not exist, with a similar name for who may list the trainings.

    With `in_url`, names are those of predictors in URLs. Other errors are returned as they are.
    """
    if error.code != "predictor_not_found" or Permission.VIEW not in user.permissions:
        return error
    column = Predictor.url_name if in_url else Predictor.predictor_name
    known = user.scope.select_columns(Predictor, column).where(Predictor.champion_id.is_not(None))
    async with database.reading() as session:
        names = (await session.scalars(known.limit(MAX_COMPARED_NAMES))).all()
    return NotFound(add_suggestion(error.detail, name, names), code=error.code)


async def list_champions(session: AsyncSession, limit: int) -> Sequence[tuple[Training, str]]:
    """Return the versions that answer for the predictors of all tenants, with the tenant's name, newest first.

    Forecasts are left out: they get a deployment of their own on request only.
    """
    query = every_tenant.select(Training, Tenant.name).join(Tenant, Tenant.id == Training.tenant_id)
    are_served = (champions.is_champion(), Training.problem_type != "Forecast")
    query = query.where(*are_served, Tenant.is_active)
    rows = await session.execute(query.order_by(Training.id.desc()).limit(limit))
    return [(training, name) for training, name in rows.all()]


async def get_preprocessing(session: AsyncSession, scope: Scope, preprocess_id: int) -> TrainingPreprocessing:
    """Return a preprocessing.

    Raises:
        NotFound: `preprocessing_not_found`.
    """
    return await scope.get(session, TrainingPreprocessing, preprocess_id, "preprocessing")


def is_named(name: str) -> ColumnElement[bool]:
    """Return the condition of the versions of a predictor, by its name or by the one that it has in URLs."""
    # No predictor has the URL name of another as its own name.
    return (Training.predictor_name == name) | (Training.url_name == name)


def is_in_state(state: TrainingState) -> ColumnElement[bool]:
    """Return the condition of trainings that are in a state; lists have no deleted ones."""
    if state is TrainingState.DELETED:
        return false()
    if state in STATUS_BY_STATE:
        return Training.status == STATUS_BY_STATE[state]
    # Together with the tenant's condition of the list: a job is of the tenant of its training.
    running = every_tenant.select(Job.subject_id).where(
        Job.kind == JobKind.TRAIN.value, Job.state == JobState.RUNNING.value
    )
    is_running = Training.id.in_(running)
    return (Training.status == "submitted_to_ray") & (is_running if state is TrainingState.RUNNING else ~is_running)


async def find_train_jobs(session: AsyncSession, scope: Scope, train_ids: Collection[int]) -> dict[int, Job]:
    """Return the newest train job of each of these trainings, without its payload, by the id of the training."""
    if not train_ids:
        return {}
    rows = scope.select(Job).where(Job.kind == JobKind.TRAIN.value, Job.subject_id.in_(train_ids))
    unseen = [defer(column, raiseload=True) for column in (Job.payload, Job.leaderboard)]
    # Sorted here: for an order by id SQLite would go through all trainings of the tenant.
    jobs_by_age = sorted(await session.scalars(rows.options(*unseen)), key=lambda job: job.id)
    return {job.subject_id: job for job in jobs_by_age}


async def list_overviews(session: AsyncSession, scope: Scope, page: Page) -> tuple[int, list[TrainingOverview]]:
    """Return the number of trainings of the tenant, and a page of them, newest first."""
    # Of wide datasets these are large, and no list shows them.
    unseen = (Training.feature_importance, Training.requested)
    total, trainings = await scope.list(session, Training, page, without=unseen)
    dataset_ids, train_ids = {t.dataset_id for t in trainings}, [t.id for t in trainings]
    dataset_rows = scope.select(Dataset).where(Dataset.id.in_(dataset_ids))
    dataset_rows = dataset_rows.options(defer(Dataset.contract, raiseload=True))
    datasets_by_id = {dataset.id: dataset for dataset in await session.scalars(dataset_rows)}
    jobs_by_id = await find_train_jobs(session, scope, train_ids)
    serving_ids = await champions.find_champion_ids(session, scope, {t.predictor_name for t in trainings})
    return total, [
        TrainingOverview(t, datasets_by_id[t.dataset_id], jobs_by_id.get(t.id), t.id in serving_ids) for t in trainings
    ]


async def start_explanation(session: AsyncSession, settings: Settings, scope: Scope, train_id: int) -> Job:
    """Start to compute the feature importance of a completed training; return the job, which may run already.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`, `no_features_to_explain`.
    """
    training = await get_completed(session, scope, train_id, held=True)
    if not _has_features(training):
        detail = "This forecast uses only the past of the series; it has no features to explain."
        raise Conflict(detail, code="no_features_to_explain")
    running = await jobs.find_unfinished(session, scope, JobKind.EXPLAIN, train_id)
    if running is not None:
        return running
    audit.record(session, scope, "training.explain", f"training:{training.id}")
    is_large = await source_rows.is_large(session, settings, scope, training.dataset_id)
    return await _enqueue_explain(session, scope, training, distributed=is_large)


async def _enqueue_explain(session: AsyncSession, scope: Scope, training: Training, *, distributed: bool) -> Job:
    sample_rows = training.shap_sample_rows
    bundle, parquet = training.bundle or "", training.dataset_parquet
    spec = ExplainSpec(training.id, bundle, parquet, sample_rows, distributed=distributed)
    return await jobs.enqueue(session, scope, JobKind.EXPLAIN, training.id, spec)


async def refuse_dataset_in_use(session: AsyncSession, scope: Scope, dataset_id: int) -> None:
    """Refuse to delete a dataset that trainings were made from.

    Raises:
        Conflict: `dataset_in_use`.
    """
    rows = scope.select_columns(Training, func.count()).where(Training.dataset_id == dataset_id)
    if used_by := await session.scalar(rows):
        trainings = "A training was" if used_by == 1 else f"{used_by:,} trainings were"
        raise Conflict(f"{trainings} made from this dataset, so it cannot be deleted.", code="dataset_in_use")


async def refuse_file_in_use(session: AsyncSession, scope: Scope, file_id: int) -> None:
    """Refuse to delete a file that an incremental training reads.

    Raises:
        Conflict: `dataset_in_use`.
    """
    file = await scope.find(session, File, File.id == file_id) if 0 < file_id < 2**63 else None
    if file is None or file.purpose != "source":
        return
    reads = (Training.dataset_id == file.dataset_id, Training.status == "submitted_to_ray")
    if await scope.find(session, Training, *reads, Training.parent_id.is_not(None)) is not None:
        detail = "A training that continues a predictor reads this file; wait for its end, or terminate its job."
        raise Conflict(detail, code="dataset_in_use")


async def apply_training(session: AsyncSession, job: Job, result: TrainResult | None) -> None:
    """Record the end of a train job: from this commit on the predictor can serve."""
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
    training.bundle_sha256 = result.bundle_sha256
    await champions.promote_completed(session, scope, training, is_better=result.is_promoted)
    if result.parquet is not None:
        training.dataset_parquet, training.dataset_sha256 = result.parquet, result.parquet_sha256
    training.code_version = __version__
    if training.shap_enabled and _has_features(training):
        # A version without this field may have queued the training.
        await _enqueue_explain(session, scope, training, distributed=job.payload.get("is_large", False))


async def apply_explanation(session: AsyncSession, job: Job, result: ExplainResult | None) -> None:
    """Record the end of an explain job; an earlier importance stays when a new one fails."""
    if result is None:
        return
    training = await get(session, Scope(job.tenant_id, job.created_by), job.subject_id)
    training.feature_importance = {
        "values": result.feature_importance,
        # A worker outside the cluster may not report them.
        "sample_rows": result.sample_rows or None,
        "total_rows": result.total_rows or None,
    }
    training.explanation = result.explanation


def _check_rows(storage: Storage, spec: TrainSpec, parent: Parent | None, request: TrainRequest) -> TrainSpec:
    """Check the rows to train on; return the spec as they settle it. Blocking."""
    with translate_read_errors():
        path = storage.fetch(spec.parquet)
        if parent is not None and spec.rows is not None:
            _check_continued_rows(storage, spec, parent, spec.rows)
            return spec
        if spec.forecasting is not None:
            return check_series(path, spec, spec.forecasting)
        target = pq.read_table(path, columns=[spec.target]).column(spec.target)
        check_target_values(target, spec, allow_identifier=request.allow_identifier_target)
        return spec


def _hash_rows(storage: Storage, spec: TrainSpec) -> str:
    """Return the SHA-256 hash of the file with the rows to train on. Blocking."""
    with translate_read_errors():
        return hash_file(storage.fetch(spec.parquet))


def _check_continued_rows(storage: Storage, spec: TrainSpec, parent: Parent, dataset: DatasetRows) -> None:
    rows = ModelRows(dataset, spec.parquet, used_columns(spec), JobContext(storage, ""))
    check_schema(rows, dataset.contract)
    if spec.forecasting is not None:
        check_continued_series(rows, storage.fetch(spec.parent or ""), spec.forecasting.revised)
        return
    target = rows.read([spec.target]).column(spec.target)
    check_target_values(target, spec, allow_identifier=True)  # that was settled with the first version
    check_classes(target, parent)


def _has_features(training: Training) -> bool:
    """Return whether a model has features to explain: statistical models of a series have none."""
    members = (training.summary or {}).get("members", ())
    return training.problem_type != "Forecast" or any(member["algorithm"] in ALGORITHMS for member in members)


async def list_storage_names(session: AsyncSession) -> set[str]:
    """Return the storage names of all tenants' bundles and explanations, and of the rows they were made from."""
    columns = (Training.bundle, Training.explanation, Training.dataset_parquet)
    rows = await session.execute(every_tenant.select(*columns))
    return {name for row in rows for name in row if name}


async def filter_existing(session: AsyncSession, train_ids: set[int]) -> set[int]:
    """Return the ids of those of these trainings, of any tenant, that exist."""
    rows = every_tenant.select(Training.id).where(Training.id.in_(train_ids))
    return set((await session.scalars(rows)).all())


async def list_with_own_endpoint(session: AsyncSession) -> set[int]:
    """Return the ids of all tenants' trainings that are recorded as served by their own deployment."""
    rows = every_tenant.select(Training.id).where(Training.endpoint == "own")
    return set((await session.scalars(rows)).all())
