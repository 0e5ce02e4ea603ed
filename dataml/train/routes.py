"""Training calls."""

from typing import Annotated, Any

from fastapi import Query, Response

from dataml.access.dependencies import Trainer, Viewer
from dataml.access.service import Principal
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset
from dataml.db.scope import Page
from dataml.db.session import Database
from dataml.http.dependencies import AppSettings, Db, Paged
from dataml.http.routing import Router
from dataml.jobs import service as jobs_service
from dataml.jobs.dependencies import Jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState
from dataml.ml.labels import to_label
from dataml.train import service
from dataml.train.checks.request import list_roles, parse_problem_type
from dataml.train.models import Training, TrainingPreprocessing
from dataml.train.schemas import (
    DetailsAnswer,
    DetailsRequest,
    ImportanceAnswer,
    ImportanceStarted,
    SchemaAnswer,
    SummaryAnswer,
    TrainCreated,
    TrainList,
    TrainRequest,
    TrainRow,
    endpoint_url,
    schema_of,
)

router = Router(prefix="/train", tags=["Train"])
TrainId = Annotated[int, Query(description="Id of the training.")]
_RUNNING = {JobState.QUEUED: "submitted_to_ray", JobState.RUNNING: "running"}


@router.post("", status_code=201)
async def create_training(
    request: TrainRequest, user: Trainer, database: Db, settings: AppSettings, jobs: Jobs
) -> TrainCreated:
    """Train a predictor on a valid dataset. Answers at once; `/train/list` and `/jobs/{job_id}` show the progress."""
    training, job = await service.create(database, settings, user.scope, request)
    await jobs.notify()
    return TrainCreated(
        id=training.id,
        tenant_id=training.tenant_id,
        predictor_name=training.predictor_name,
        problem_type=training.problem_type,
        created_by=training.created_by,
        dataset_id=training.dataset_id,
        created_at=training.created_at,
        modified_at=training.modified_at,
        training_status=training.status,
        preprocess_id=training.preprocess_id,
        version=training.version,
        job_id=job.public_id,
    )


@router.post("/get_details")
async def get_details(request: DetailsRequest, user: Viewer, database: Db) -> DetailsAnswer:
    """The columns of a dataset and the roles they can have, to configure a training with."""
    problem_type = parse_problem_type(request.problem_type)
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, user.scope, request.dataset_id, "t")
    contract, _ = dataset.validated()
    return DetailsAnswer(
        dataset_id=request.dataset_id,
        predictor_name=request.predictor_name,
        domain=request.domain,
        problem_type=problem_type,
        dataset_schema=schema_of(contract),
        attributes=[role.value for role in list_roles(problem_type)],
    )


@router.get("/list")
async def list_trainings(user: Viewer, database: Db, page: Paged) -> TrainList:
    """Trainings of the tenant, newest first."""
    return await _list(user, database, page)


@router.get("/refresh")
async def refresh_trainings(user: Viewer, database: Db, page: Paged) -> TrainList:
    """The same list: workers report every change as it happens, so it is always fresh."""
    return await _list(user, database, page)


@router.get("/model-summary")
async def model_summary(train_id: TrainId, user: Viewer, database: Db) -> SummaryAnswer:
    """Model and metrics of a completed training, from rows the model never saw."""
    async with database.reading() as session:
        training = await service.get_completed(session, user.scope, train_id)
    metrics: dict[str, Any] = dict(training.metrics or {})
    summary = training.summary or {}
    matrix = metrics.pop("confusion_matrix", None)
    documented: dict[str, Any] = {"model": training.model, "accuracy": training.accuracy}
    documented |= {name: metrics.get(name) for name in ("precision", "recall", "f1_score")}
    classes = summary.get("classes")
    return SummaryAnswer(
        model_summary={**summary, **documented, "metrics": metrics},
        confusion_matrix=matrix,
        classes=[to_label(value) for value in classes] if classes else None,
    )


@router.get("/view-feature-importance")
async def view_feature_importance(train_id: TrainId, user: Viewer, database: Db) -> ImportanceAnswer:
    """The newest feature importance of a training, and how the last request for one stands."""
    async with database.reading() as session:
        training = await service.get(session, user.scope, train_id)
        job = await jobs_service.find_latest(session, user.scope, JobKind.EXPLAIN, train_id)
    found, status = training.feature_importance or {}, _importance_status(job)
    return ImportanceAnswer(
        # A JSON column of the database keeps no order of keys.
        feature_importance=dict(sorted(found.get("values", {}).items(), key=lambda item: -item[1])),
        # Without values, a job that succeeded is one whose result was deleted.
        status="not_started" if status == "completed" and not found else status,
        sample_rows=found.get("sample_rows"),
        total_rows=found.get("total_rows"),
        error=job.failure_detail if job else None,
    )


@router.get("/generate-feature-importance", status_code=202)
@router.post("/generate-feature-importance", status_code=202)
async def generate_feature_importance(train_id: TrainId, user: Trainer, database: Db, jobs: Jobs) -> ImportanceStarted:
    """Compute SHAP values on a sample of the training's dataset. Asked again while it runs, the same job is named."""
    async with database.transaction() as session:
        job = await service.explain(session, user.scope, train_id)
    await jobs.notify()
    return ImportanceStarted(
        status="success", message="Feature importance job submitted successfully.", shap_job_id=job.public_id
    )


@router.get("/download-schema/{train_id}")
async def download_schema(train_id: int, user: Viewer, database: Db, response: Response) -> SchemaAnswer:
    """The columns a training was given, as a file to keep."""
    async with database.reading() as session:
        training = await service.get(session, user.scope, train_id)
        preprocess = await user.scope.get(session, TrainingPreprocessing, training.preprocess_id, "preprocessing")
    response.headers["Content-Disposition"] = f'attachment; filename="{training.predictor_name}-schema.json"'
    return SchemaAnswer(schema=schema_of(service.training_contract(preprocess)))


async def _list(user: Principal, database: Database, page: Page) -> TrainList:
    async with database.reading() as session:
        total, rows = await service.list_with_jobs(session, user.scope, page)
    return TrainList(total=total, data=[train_row(user, *row) for row in rows])


def train_row(user: Principal, training: Training, dataset: Dataset, job: Job | None) -> TrainRow:
    status = training.status
    if status == "submitted_to_ray" and job is not None:
        status = _RUNNING.get(JobState(job.state), status)
    return TrainRow(
        tenant_id=training.tenant_id,
        predictor_name=training.predictor_name,
        version=training.version,
        preprocess_id=training.preprocess_id,
        problem_type=training.problem_type,
        domain=training.domain,
        created_by=training.created_by,
        id=training.id,
        dataset_id=training.dataset_id,
        dataset_name=dataset.name,
        data_source=dataset.data_source,
        created_at=training.created_at,
        modified_at=training.modified_at,
        algorithm=training.algorithm,
        accuracy=training.accuracy,
        ml_model_status=status,
        train_status=status,
        training_status=status if status == "submitted_to_ray" else status.capitalize(),
        progress=job.progress if job else 0.0,
        phrase=job.message if job else "",
        error=training.failure,
        job_id=job.public_id if job else None,
        is_promoted=training.is_promoted,
        endpoint=training.endpoint,
        endpoint_url=endpoint_url(user.tenant_name, training),
    )


def _importance_status(job: Job | None) -> str:
    if job is None:
        return "not_started"
    return {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}.get(
        JobState(job.state), "running"
    )
