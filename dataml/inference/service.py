"""Predictions: the model that serves a request, batches, and the prediction log."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.contract.adaptation import refuse_foreign_types, refuse_missing
from dataml.contract.contract import Column, Contract
from dataml.contract.warnings import warnings_to_json
from dataml.dataset import file_service, source_rows
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset, File
from dataml.db.after_commit import after_commit
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.db.upsert import insert
from dataml.errors import Conflict, NotFound
from dataml.iceberg.names import TableName, parse_table_name, tenant_namespace
from dataml.iceberg.writing import LakeTarget, WriteMode
from dataml.inference.models import PredictionLogEntry
from dataml.inference.requests import RequestRecord, describe_batch, get_dataset_id
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState, ScoreResult, ScoreSpec
from dataml.jobs.time_limits import check_time_limit
from dataml.metrics.definitions import BATCH_ROWS
from dataml.serving.model_runner import LogRecord, ServableModel, new_prediction_id, prediction_time_ms
from dataml.settings import Settings
from dataml.storage.storage import Storage
from dataml.train import service as trainings
from dataml.train.checks.request import ColumnRole
from dataml.train.models import DeletedTraining, Training
from dataml.train.threshold import service as thresholds


@dataclass(frozen=True)
class ResultTable:
    """The lake table that the result of a batch is also written to."""

    name: str
    mode: WriteMode = "append"


async def get_servable_model(session: AsyncSession, user: Principal, train_id: int) -> ServableModel:
    """Return the model of a completed training.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
    """
    training = await trainings.get_completed(session, user.scope, train_id)
    return to_servable_model(training, user.tenant_name)


async def find_servable_models(
    session: AsyncSession, user: Principal, train_ids: Collection[int]
) -> dict[int, ServableModel]:
    """Return the models of those of these trainings that are completed, by training."""
    if not train_ids:
        return {}
    query = user.scope.select(Training).where(Training.id.in_(train_ids), Training.status == "completed")
    return {each.id: to_servable_model(each, user.tenant_name) for each in await session.scalars(query)}


def to_servable_model(training: Training, tenant_name: str) -> ServableModel:
    """Return a completed training as model runners need it."""
    return ServableModel(
        train_id=training.id,
        tenant_id=training.tenant_id,
        tenant_name=tenant_name,
        predictor_name=training.predictor_name,
        url_name=training.url_name,
        preprocess_id=training.preprocess_id,
        target=training.target,
        bundle=training.bundle or "",
        accuracy=training.accuracy,
        endpoint=training.endpoint,
        problem_type=training.problem_type,
        threshold=training.threshold,
        version=training.version,
    )


async def get_form(session: AsyncSession, scope: Scope, train_id: int) -> tuple[Training, list[Column]]:
    """Return a completed training and the columns that its predictions need.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
    """
    training = await trainings.get_completed(session, scope, train_id)
    preprocessing = await trainings.get_preprocessing(session, scope, training.preprocess_id)
    input_roles = (ColumnRole.FEATURE, ColumnRole.TIME)
    if training.problem_type == "Forecast":
        input_roles = (ColumnRole.TIME, ColumnRole.ID, ColumnRole.EXOGENOUS)
    columns = preprocessing.parse_contract().columns
    return training, [column for column in columns if preprocessing.roles[column.name] in input_roles]


def check_problem_type(problem_type: str, *, forecast: bool) -> None:
    """Refuse a model that another call is for.

    Raises:
        Conflict: `wrong_problem_type`: forecasts have a call of their own.
    """
    if forecast != (problem_type == "Forecast"):
        call = "POST /api/v1/inference/forecast" if not forecast else "POST /api/v1/inference"
        raise Conflict(f"The model is a {problem_type}; use {call}.", code="wrong_problem_type")


async def check_dataset(database: Database, settings: Settings, scope: Scope, train_id: int, dataset_id: int) -> None:
    """Refuse a batch of a dataset that does not have the features of the model, before any compute.

    A Forecast has features of its own; see `forecasts.start_batch`.

    Raises:
        NotFound: `training_not_found`, `dataset_not_found`.
        Conflict: `model_not_ready`, `wrong_dataset_usage`, `dataset_not_validated`.
        InvalidFields: `missing_feature`.
        Invalid: `schema_mismatch`.
    """
    async with database.reading() as session:
        training, columns = await get_form(session, scope, train_id)
        if training.problem_type == "Forecast":
            return
        rows = await source_rows.get_rows(session, scope, await datasets.get_valid(session, scope, dataset_id, "p"))
    needed = Contract(tuple(columns))
    storage = Storage.from_settings(settings)
    refuse_missing(await asyncio.to_thread(source_rows.list_missing, storage, rows, needed))
    refuse_foreign_types(needed, rows.contract)


async def start_batch(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    training: Training,
    dataset_id: int,
    *,
    explain: bool = False,
    threshold: float | None = None,
    result_table: ResultTable | None = None,
    time_limit_s: int | None = None,
) -> tuple[PredictionLogEntry, Job]:
    """Commit a batch and its job together; `training` is a completed one that is held.

    Without a `threshold` the one that is kept with the training decides, until the end of the batch.

    Raises:
        Invalid: `bad_table_name`, `time_limit_too_long`, `only_with_two_classes`.
        NotFound, Conflict: the dataset is unknown, not valid or for training.
    """
    check_problem_type(training.problem_type, forecast=False)
    check_time_limit(settings, JobKind.SCORE, time_limit_s)
    decision = thresholds.choose_threshold(training, threshold)
    dataset = await datasets.get_valid(session, scope, dataset_id, "p")
    _, parquet = dataset.validated()
    record = describe_batch(training.preprocess_id, dataset, explain=explain, threshold=decision)
    prediction = await add_batch(session, scope, training, dataset, dataset.total_records, record, result_table)
    lake = lake_target(scope, prediction, result_table)
    rows = await source_rows.get_rows(session, scope, dataset)
    spec = ScoreSpec(
        prediction.id,
        training.bundle or "",
        parquet,
        explain,
        lake,
        prediction.request,
        rows,
        distributed=await source_rows.is_large(session, settings, scope, dataset.id),
        threshold=decision.rule if decision is not None else None,
    )
    return prediction, await jobs.enqueue(session, scope, JobKind.SCORE, prediction.id, spec, time_limit_s=time_limit_s)


def lake_target(scope: Scope, prediction: PredictionLogEntry, result_table: ResultTable | None) -> LakeTarget | None:
    """Return where in the lake the result of a batch is written, with the properties of its snapshot.

    Raises:
        Invalid: `bad_table_name`.
    """
    if result_table is None:
        return None
    schema, table = parse_table_name(result_table.name, "gold")
    name = TableName(tenant_namespace(scope.tenant_id, schema), table)
    ids = {
        "prediction-id": str(prediction.id),
        "train-id": str(prediction.training_id),
        "dataset-id": str(prediction.dataset_id),
    }
    return LakeTarget(name, f"prediction-{prediction.id}", scope.username, result_table.mode, ids)


async def add_batch(
    session: AsyncSession,
    scope: Scope,
    training: Training,
    dataset: Dataset,
    records: int,
    record: RequestRecord,
    result_table: ResultTable | None,
) -> PredictionLogEntry:
    """Add a running batch to the prediction log; its result will be a file of `dataset`.

    `record` is what the log keeps of the request; the lake table is added to it.

    Raises:
        NotFound: `dataset_not_found`: the dataset was deleted after it had been read.
    """
    prediction = PredictionLogEntry(
        id=new_prediction_id(),
        tenant_id=scope.tenant_id,
        training_id=training.id,
        prediction_type="batch",
        dataset_id=dataset.id,
        status="running",
        records=records,
        input_data=f"dataset_id:{dataset.id}",
        request=record | {"result_table": asdict(result_table) if result_table is not None else None},
        created_by=scope.username,
        created_at=utc_now(),
    )
    session.add(prediction)
    try:
        await session.flush()
    except IntegrityError as error:
        raise NotFound("There is no dataset with this id.", code="dataset_not_found") from error
    audit.record(
        session, scope, "batch.start", f"prediction:{prediction.id}", train_id=training.id, dataset_id=dataset.id
    )
    return prediction


async def apply_scoring(session: AsyncSession, job: Job, result: ScoreResult | None) -> None:
    """Record the end of a score job: its result becomes a file of the dataset that was scored."""
    scope = Scope(job.tenant_id, job.created_by)
    prediction = await scope.get(session, PredictionLogEntry, job.subject_id, "prediction")
    if result is None:
        prediction.status = "cancelled" if job.state == JobState.CANCELLED else "failed"
        prediction.failure = job.failure_detail
        return
    file = await file_service.add_result_file(
        session,
        dataset_id=prediction.dataset_id or 0,
        tenant_id=job.tenant_id,
        name=f"prediction_{prediction.id}.csv",
        path=result.csv,
        total_fields=result.total_fields,
        total_records=result.total_records,
        size_bytes=result.size_bytes,
    )
    after_commit(session, partial(_count_rows, result.total_records, result.failed_records))
    prediction.status = "completed"
    prediction.file_id = file.id
    prediction.records = result.total_records
    prediction.failed_records = result.failed_records
    prediction.warnings = warnings_to_json(result.warnings)
    prediction.positive_class = result.positive_class
    if result.snapshot_id is not None:
        prediction.result_table = _shown_table(job)
        prediction.result_snapshot_id = result.snapshot_id


def _count_rows(total: int, failed: int) -> None:
    BATCH_ROWS.add("predicted", amount=total - failed)
    BATCH_ROWS.add("failed", amount=failed)


def _shown_table(job: Job) -> str:
    """Return the `schema.table` of the lake table that a score job wrote."""
    name = job.payload["lake"]["name"]
    return f"{name['namespace'].rpartition('_')[2]}.{name['table']}"


async def refuse_training_in_use(session: AsyncSession, scope: Scope, train_id: int) -> None:
    """Refuse to delete a training whose model a batch prediction uses.

    Raises:
        Conflict: `training_in_use`: a batch prediction with this model waits or runs.
    """
    if await _has_running_batch(session, scope, PredictionLogEntry.training_id == train_id):
        detail = "A batch prediction with this model is running; wait for its end, or terminate its job."
        raise Conflict(detail, code="training_in_use")


async def release_dataset(session: AsyncSession, scope: Scope, dataset_id: int) -> None:
    """Remove a dataset that is being deleted, with its files, from the prediction log, whose rows stay.

    Raises:
        Conflict: `dataset_in_use`: a batch prediction of it is running.
    """
    await _refuse_running_batch(session, scope, dataset_id)
    rows = scope.update(PredictionLogEntry).where(PredictionLogEntry.dataset_id == dataset_id)
    await session.execute(rows.values(dataset_id=None, file_id=None))


async def release_file(session: AsyncSession, scope: Scope, file_id: int) -> None:
    """Remove a file that is being deleted from the prediction log, whose rows stay.

    Raises:
        Conflict: `dataset_in_use`: a batch prediction reads it.
    """
    if 0 < file_id < 2**63:
        file = await scope.find(session, File, File.id == file_id)
        if file is not None and file.purpose == "source":
            await _refuse_running_batch(session, scope, file.dataset_id)
        rows = scope.update(PredictionLogEntry).where(PredictionLogEntry.file_id == file_id)
        await session.execute(rows.values(file_id=None))


async def _refuse_running_batch(session: AsyncSession, scope: Scope, dataset_id: int) -> None:
    if await _has_running_batch(session, scope, PredictionLogEntry.dataset_id == dataset_id):
        detail = "A batch prediction of this dataset is running; wait for its end, or terminate its job."
        raise Conflict(detail, code="dataset_in_use")


async def _has_running_batch(session: AsyncSession, scope: Scope, where: ColumnElement[bool]) -> bool:
    running = scope.select(PredictionLogEntry).where(where, PredictionLogEntry.status == "running")
    return await session.scalar(running.limit(1)) is not None


async def get_batch(
    session: AsyncSession, scope: Scope, prediction_id: int
) -> tuple[PredictionLogEntry, File | None, Job | None]:
    """Return a batch with its job, and its result file when there is one.

    Raises:
        NotFound: `prediction_not_found`, also for a real-time prediction.
    """
    prediction = await scope.get(session, PredictionLogEntry, prediction_id, "prediction")
    if prediction.prediction_type != "batch":
        raise NotFound("There is no prediction with this id.", code="prediction_not_found")
    file = await scope.get(session, File, prediction.file_id, "file") if prediction.file_id else None
    own_jobs = await jobs.list_for(session, scope, (JobKind.SCORE, JobKind.FORECAST), prediction.id)
    return prediction, file, max(own_jobs, key=lambda job: job.id, default=None)


async def list_predictions(
    session: AsyncSession, scope: Scope, train_id: int, page: Page
) -> tuple[Training | DeletedTraining, int, list[PredictionLogEntry]]:
    """Return a training, which may be deleted, the number of its predictions, and a page of them, newest first.

    Raises:
        NotFound: `training_not_found`.
    """
    training = await trainings.get_or_deleted(session, scope, train_id)
    total, rows = await scope.list(session, PredictionLogEntry, page, PredictionLogEntry.training_id == train_id)
    return training, total, rows


def first_id_at(time: datetime) -> int:
    """Return the smallest id of a prediction from this time on."""
    return min(max(int(time.timestamp() * 1000), 0) << 22, 2**63 - 1)


async def store_predictions(session: AsyncSession, records: Sequence[LogRecord]) -> None:
    """Store real-time predictions, each of them once even if it comes again; the time of each is in its id."""
    rows = [
        {
            "id": record.id,
            "tenant_id": record.tenant_id,
            "training_id": record.training_id,
            "prediction_type": record.prediction_type,
            "dataset_id": await _find_dataset_read(session, record),
            "status": "completed",
            "records": record.records,
            "failed_records": 0,
            "input_data": record.input_data,
            "request": record.request,
            "output_data": record.output_data,
            "created_by": record.username,
            "created_at": datetime.fromtimestamp(prediction_time_ms(record.id) / 1000, UTC),
        }
        for record in records
    ]
    # Records whose acknowledgement was lost come twice.
    await session.execute(insert(session, PredictionLogEntry).on_conflict_do_nothing(), rows)


async def _find_dataset_read(session: AsyncSession, record: LogRecord) -> int | None:
    """Return the dataset that a forecast was made from, unless it has been deleted since."""
    dataset_id = get_dataset_id(record.request)
    if dataset_id is None:
        return None
    found = Scope(record.tenant_id, record.username).select_columns(Dataset, Dataset.id).where(Dataset.id == dataset_id)
    # Held, so that it is not deleted before the record that refers to it is stored.
    return await session.scalar(found.with_for_update(read=True, key_share=True))
