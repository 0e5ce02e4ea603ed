"""Predictions: which model answers, batches, and the prediction log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.contract.contract import Column
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset, File
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.db.upsert import insert
from dataml.errors import Conflict, NotFound
from dataml.iceberg.names import TableName, parse_table_name, tenant_namespace
from dataml.iceberg.writing import LakeTarget, WriteMode
from dataml.inference.models import PredictionLogEntry
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState, ScoreResult, ScoreSpec
from dataml.serving.model_runner import LogRecord, ServableModel, new_prediction_id, prediction_time_ms
from dataml.train import service as trainings
from dataml.train.checks.request import ColumnRole
from dataml.train.models import Training, TrainingPreprocessing


@dataclass(frozen=True)
class ResultTable:
    """The lake table that a batch's result goes to, too."""

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


async def get_servable_model_by_name(
    session: AsyncSession, user: Principal, tenant_name: str, predictor_name: str
) -> ServableModel:
    """Return the promoted model of a predictor of the caller's own tenant.

    Raises:
        NotFound: `predictor_not_found`, for the name of another tenant as well.
    """
    # A name with NUL cannot be stored, and PostgreSQL's driver refuses it in a query.
    if "\0" in predictor_name or tenant_name != user.tenant_name:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    return to_servable_model(await trainings.get_promoted(session, user.scope, predictor_name), tenant_name)


def to_servable_model(training: Training, tenant_name: str) -> ServableModel:
    return ServableModel(
        train_id=training.id,
        tenant_id=training.tenant_id,
        tenant_name=tenant_name,
        predictor_name=training.predictor_name,
        preprocess_id=training.preprocess_id,
        target=training.target,
        bundle=training.bundle or "",
        accuracy=training.accuracy,
        endpoint=training.endpoint,
        problem_type=training.problem_type,
    )


async def form(session: AsyncSession, scope: Scope, train_id: int) -> tuple[Training, list[Column]]:
    """A completed training and the columns its predictions ask for."""
    training = await trainings.get_completed(session, scope, train_id)
    preprocess = await scope.get(session, TrainingPreprocessing, training.preprocess_id, "preprocessing")
    asked = (ColumnRole.FEATURE, ColumnRole.TIME)
    columns = trainings.training_contract(preprocess).columns
    if training.problem_type == "Forecast":
        asked = (ColumnRole.TIME, ColumnRole.ID, ColumnRole.EXOGENOUS)
    return training, [column for column in columns if preprocess.roles[column.name] in asked]


def check_problem_type(problem_type: str, *, forecast: bool) -> None:
    """Refuse a model that another call is for.

    Raises:
        Conflict: `wrong_problem_type`: forecasts have a call of their own.
    """
    if forecast != (problem_type == "Forecast"):
        call = "POST /api/v1/inference/forecast" if not forecast else "POST /api/v1/inference"
        raise Conflict(f"The model is a {problem_type}; ask it by {call}.", code="wrong_problem_type")


async def start_batch(
    session: AsyncSession,
    scope: Scope,
    training: Training,
    dataset_id: int,
    *,
    explain: bool = False,
    into: ResultTable | None = None,
) -> tuple[PredictionLogEntry, Job]:
    """Commit a batch and its job together; `training` is a completed one that is held.

    Raises:
        Invalid: `bad_table_name`.
        NotFound, Conflict: the dataset is unknown, not valid or for training.
    """
    check_problem_type(training.problem_type, forecast=False)
    dataset = await datasets.get_valid(session, scope, dataset_id, "p")
    _, parquet = dataset.validated()
    prediction = await add_batch(session, scope, training, dataset, dataset.kept_records)
    spec = ScoreSpec(prediction.id, training.bundle or "", parquet, explain, lake_target(scope, prediction, into))
    return prediction, await jobs.enqueue(session, scope, JobKind.SCORE, prediction.id, spec)


def lake_target(scope: Scope, prediction: PredictionLogEntry, into: ResultTable | None) -> LakeTarget | None:
    """Where in the lake the result of a batch goes, and what its snapshot says of it.

    Raises:
        Invalid: `bad_table_name`.
    """
    if into is None:
        return None
    schema, table = parse_table_name(into.name, "gold")
    name = TableName(tenant_namespace(scope.tenant_id, schema), table)
    made_by = {
        "prediction-id": prediction.id,
        "train-id": prediction.training_id,
        "dataset-id": prediction.dataset_id,
    }
    ids = {key: str(value) for key, value in made_by.items()}
    return LakeTarget(name, f"prediction-{prediction.id}", scope.username, into.mode, ids)


async def add_batch(
    session: AsyncSession, scope: Scope, training: Training, dataset: Dataset, records: int
) -> PredictionLogEntry:
    """The row of a batch that begins; its result will be a file of `dataset`.

    Raises:
        NotFound: `dataset_not_found`: deleted since it was looked at.
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
    """The end of a score job: its result becomes a file of the dataset that was scored."""
    scope = Scope(job.tenant_id, job.created_by)
    prediction = await scope.get(session, PredictionLogEntry, job.subject_id, "prediction")
    if result is None:
        prediction.status = "cancelled" if job.state == JobState.CANCELLED else "failed"
        prediction.failure = job.failure_detail
        return
    file = await datasets.add_result_file(
        session,
        dataset_id=prediction.dataset_id or 0,
        tenant_id=job.tenant_id,
        name=f"prediction_{prediction.id}.csv",
        path=result.csv,
        total_fields=result.total_fields,
        total_records=result.total_records,
        size_bytes=result.size_bytes,
    )
    prediction.status = "completed"
    prediction.file_id = file.id
    prediction.records = result.total_records
    prediction.failed_records = result.failed_records
    if result.snapshot_id is not None:
        prediction.result_table = _shown_table(job)
        prediction.result_snapshot_id = result.snapshot_id


def _shown_table(job: Job) -> str:
    """`schema.table` of the lake table that a score job wrote."""
    name = job.payload["lake"]["name"]
    return f"{name['namespace'].rpartition('_')[2]}.{name['table']}"


async def refuse_training_in_use(session: AsyncSession, scope: Scope, train_id: int) -> None:
    """Raises:
    Conflict: `training_in_use`: a batch prediction with this model waits or runs.
    """
    of_training = scope.select(PredictionLogEntry).where(
        PredictionLogEntry.training_id == train_id, PredictionLogEntry.status == "running"
    )
    if await session.scalar(of_training.limit(1)) is not None:
        detail = "A batch prediction with this model is running; wait for its end, or terminate its job."
        raise Conflict(detail, code="training_in_use")


async def release_dataset(session: AsyncSession, scope: Scope, dataset_id: int) -> None:
    """Take a dataset that goes, with its files, out of the prediction log, whose rows stay.

    Raises:
        Conflict: `dataset_in_use`: a batch prediction of it is running.
    """
    of_dataset = scope.select(PredictionLogEntry).where(
        PredictionLogEntry.dataset_id == dataset_id, PredictionLogEntry.status == "running"
    )
    if await session.scalar(of_dataset.limit(1)) is not None:
        detail = "A batch prediction of this dataset is running; wait for its end, or terminate its job."
        raise Conflict(detail, code="dataset_in_use")
    rows = scope.update(PredictionLogEntry).where(PredictionLogEntry.dataset_id == dataset_id)
    await session.execute(rows.values(dataset_id=None, file_id=None))


async def release_file(session: AsyncSession, scope: Scope, file_id: int) -> None:
    """Take a file that goes out of the prediction log, whose rows stay."""
    if 0 < file_id < 2**63:
        rows = scope.update(PredictionLogEntry).where(PredictionLogEntry.file_id == file_id)
        await session.execute(rows.values(file_id=None))


async def result(
    session: AsyncSession, scope: Scope, prediction_id: int
) -> tuple[PredictionLogEntry, File | None, Job | None]:
    """A batch with its result file, once there is one, and its job.

    Raises:
        NotFound: `prediction_not_found`, also for a real-time prediction.
    """
    prediction = await scope.get(session, PredictionLogEntry, prediction_id, "prediction")
    if prediction.prediction_type != "batch":
        raise NotFound("There is no prediction with this id.", code="prediction_not_found")
    file = await scope.get(session, File, prediction.file_id, "file") if prediction.file_id else None
    made = await jobs.list_for(session, scope, (JobKind.SCORE, JobKind.FORECAST), prediction.id)
    return prediction, file, max(made, key=lambda job: job.id, default=None)


async def list_predictions(
    session: AsyncSession, scope: Scope, train_id: int, page: Page
) -> tuple[Training, int, list[PredictionLogEntry]]:
    training = await trainings.get(session, scope, train_id)
    total, rows = await scope.list(session, PredictionLogEntry, page, PredictionLogEntry.training_id == train_id)
    return training, total, rows


async def store_predictions(session: AsyncSession, records: Sequence[LogRecord]) -> None:
    """Store real-time predictions, each once however often it comes; its time is in its id."""
    rows = [
        {
            "id": r.id,
            "tenant_id": r.tenant_id,
            "training_id": r.training_id,
            "prediction_type": r.prediction_type,
            "status": "completed",
            "records": 1,
            "failed_records": 0,
            "input_data": r.input_data,
            "output_data": r.output_data,
            "created_by": r.username,
            "created_at": datetime.fromtimestamp(prediction_time_ms(r.id) / 1000, UTC),
        }
        for r in records
    ]
    # Records whose acknowledgement was lost come twice.
    await session.execute(insert(session, PredictionLogEntry).on_conflict_do_nothing(), rows)
