"""Routes of trainings."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response

from dataml.access.dependencies import Trainer, Viewer
from dataml.access.service import Principal
from dataml.dataset import service as datasets
from dataml.db.scope import Page
from dataml.db.session import Database
from dataml.errors import NotFound
from dataml.http.answers import build_answer
from dataml.http.dependencies import AppSettings, Db, RequiredSpace
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router
from dataml.jobs import service as jobs_service
from dataml.jobs.dependencies import Jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState
from dataml.jobs.waiting import WAIT
from dataml.ml.labels import to_label
from dataml.train import service
from dataml.train.checks.request import list_roles, parse_problem_type
from dataml.train.models import Training, TrainingState
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
    build_created,
    build_row,
    list_columns,
    positive_label,
    read_warnings,
)

router = Router(prefix="/train", tags=["Train"])
TrainingPage = Annotated[
    Page,
    Depends(
        ListQuery(
            Training,
            search=("predictor_name",),
            filters={
                "name": Filter(
                    description="Only versions of the predictor of this name, which may be the one in URLs.",
                    where=service.is_named,
                ),
                "predictor": Filter(description="The same as `name`.", where=service.is_named),
                "state": Filter(None, TrainingState, "Only trainings in this state.", service.is_in_state),
                "status": Filter("status", Literal["submitted_to_ray", "completed", "failed", "cancelled"]),
                "problem_type": Filter("problem_type", Literal["Classification", "Regression", "Forecast"]),
                "dataset_id": Filter("dataset_id", int),
            },
            sort=("id", "predictor_name", "version", "created_at", "accuracy", "metric_value"),
            time="created_at",
        )
    ),
]
TrainId = Annotated[int, Query(description="Id of the training.")]


@router.post("", status_code=201, dependencies=[WAIT])
async def create_training(
    request: TrainRequest, user: Trainer, _: RequiredSpace, database: Db, settings: AppSettings, jobs: Jobs
) -> TrainCreated:
    """Train a predictor on a valid dataset.

    The answer comes at once; `/train/list` and `/jobs/{job_id}` show the progress.
    """
    try:
        training, job = await service.create(database, settings, user.scope, request)
    except NotFound as error:
        raise await service.suggest_predictor(database, user, error, request.predictor_name) from None
    await jobs.notify()
    return build_created(training, job)


@router.post("/get_details")
async def get_training_details(request: DetailsRequest, user: Viewer, database: Db) -> DetailsAnswer:
    """List the columns of a dataset and the roles they can have, to configure a training with."""
    problem_type = parse_problem_type(request.problem_type)
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, user.scope, request.dataset_id, "t")
    contract, _ = dataset.validated()
    return build_answer(
        DetailsAnswer,
        request,
        problem_type=problem_type,
        dataset_schema=list_columns(contract),
        attributes=[role.value for role in list_roles(problem_type)],
    )


@router.get("/list")
async def list_trainings(user: Viewer, database: Db, page: TrainingPage) -> TrainList:
    """List the trainings of the tenant, newest first."""
    return await _list(user, database, page)


@router.get("/refresh")
async def refresh_trainings(user: Viewer, database: Db, page: TrainingPage) -> TrainList:
    """List the trainings of the tenant, newest first.

    This is the same as `/train/list`: workers report every change as it happens, so the list is always up to date.
    """
    return await _list(user, database, page)


@router.get("/model-summary")
async def get_model_summary(train_id: TrainId, user: Viewer, database: Db) -> SummaryAnswer:
    """Show the model of a completed training, with its metrics on rows that it never saw."""
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
        positive_class=positive_label(training),
        average=summary.get("average"),
        warnings=read_warnings(training),
    )


@router.get("/view-feature-importance")
async def get_feature_importance(train_id: TrainId, user: Viewer, database: Db) -> ImportanceAnswer:
    """Show the newest feature importance of a training, and the state of the last request for one."""
    async with database.reading() as session:
        training = await service.get(session, user.scope, train_id)
        job = await jobs_service.find_latest(session, user.scope, JobKind.EXPLAIN, train_id)
    importance, status = training.feature_importance or {}, _importance_status(job)
    return ImportanceAnswer(
        # A JSON column of the database keeps no order of keys.
        feature_importance=dict(sorted(importance.get("values", {}).items(), key=lambda item: -item[1])),
        # A job that succeeded and has no values is one whose result was deleted.
        status="not_started" if status == "completed" and not importance else status,
        sample_rows=importance.get("sample_rows"),
        total_rows=importance.get("total_rows"),
        error=job.failure_detail if job else None,
    )


@router.get(
    "/generate-feature-importance",
    status_code=202,
    dependencies=[WAIT],
    operation_id="generate_feature_importance_by_get",
)
@router.post("/generate-feature-importance", status_code=202, dependencies=[WAIT])
async def generate_feature_importance(
    train_id: TrainId, user: Trainer, _: RequiredSpace, database: Db, settings: AppSettings, jobs: Jobs
) -> ImportanceStarted:
    """Compute SHAP values on a sample of the training's dataset.

    While such a job runs, another call starts none and returns the id of that job.
    """
    async with database.transaction() as session:
        job = await service.start_explanation(session, settings, user.scope, train_id)
    await jobs.notify()
    return ImportanceStarted(
        status="success",
        message="Feature importance job submitted successfully.",
        shap_job_id=job.public_id,
        job_state=JobState(job.state),
    )


@router.get("/download-schema/{train_id}")
async def download_training_schema(train_id: int, user: Viewer, database: Db, response: Response) -> SchemaAnswer:
    """Download the columns that a training was made with as a JSON file, whatever it is bound to by now."""
    async with database.reading() as session:
        training = await service.get(session, user.scope, train_id)
        own_id = training.own_preprocess_id or training.preprocess_id
        preprocessing = await service.get_preprocessing(session, user.scope, own_id)
    response.headers["Content-Disposition"] = f'attachment; filename="{training.url_name}-schema.json"'
    return SchemaAnswer(
        schema=list_columns(preprocessing.parse_contract()),
        train_id=train_id,
        preprocess_id=own_id,
        bound_preprocess_id=training.preprocess_id,
    )


async def _list(user: Principal, database: Database, page: Page) -> TrainList:
    async with database.reading() as session:
        total, overviews = await service.list_overviews(session, user.scope, page)
    return TrainList(total=total, data=[build_row(overview, user.tenant_name) for overview in overviews])


def _importance_status(job: Job | None) -> str:
    if job is None:
        return "not_started"
    return {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}.get(
        JobState(job.state), "running"
    )
