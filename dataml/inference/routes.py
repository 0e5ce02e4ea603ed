"""Prediction routes.

The two real-time ones only document what `realtime.RealTimeApp` serves.
"""

import asyncio
from typing import Annotated, Final, Literal

from fastapi import Depends, Header, Path, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from dataml.access.dependencies import PredictionUser, Viewer
from dataml.contract.contract import Column
from dataml.dataset import downloads
from dataml.db.scope import Page
from dataml.errors import FieldError, Invalid, InvalidFields, NotFound
from dataml.http.answers import build_answer
from dataml.http.dependencies import AppSettings, Db, RequiredSpace
from dataml.http.lists import Filter, ListQuery
from dataml.http.openapi import BINARY, SCHEMA_REF
from dataml.http.routing import Router
from dataml.http.temporary_files import send_temporary_file
from dataml.http.warnings import list_stored_warnings
from dataml.inference import forecasts, result_files, service
from dataml.inference.forecast_schemas import BatchForecast
from dataml.inference.models import PredictionLogEntry
from dataml.inference.schemas import (
    BatchRequest,
    BatchStarted,
    DirectRequest,
    FormAnswer,
    FormField,
    PredictAnswer,
    PredictionList,
    PredictionRow,
    PredictionsAnswer,
    PredictRequest,
    ResultAnswer,
)
from dataml.jobs.dependencies import Jobs
from dataml.jobs.spec import JobState
from dataml.jobs.waiting import WAIT
from dataml.storage.damage import translate_read_errors
from dataml.storage.storage import Storage
from dataml.train import service as trainings
from dataml.train.models import DeletedTraining, Training
from dataml.train.threshold.service import not_two_classes

router = Router(prefix="/inference", tags=["Inference"])
direct = Router(tags=["Inference"])
_PARQUET: Final = downloads.PARQUET
PredictionPage = Annotated[
    Page,
    Depends(
        ListQuery(
            PredictionLogEntry,
            search=("created_by",),
            filters={
                "status": Filter("status", Literal["running", "completed", "failed", "cancelled"]),
                "dataset_id": Filter("dataset_id", int),
                "prediction_type": Filter("prediction_type", Literal["realtime", "forecast", "batch", "shadow"]),
            },
            sort=("id", "created_at", "records"),
            time="created_at",
        )
    ),
]


@router.post("/batch-prediction", status_code=202, dependencies=[WAIT], operation_id="start_batch_prediction_alias")
@router.post("/batchPrediction", status_code=202, dependencies=[WAIT])
async def start_batch_prediction(
    request: BatchRequest, user: PredictionUser, _: RequiredSpace, database: Db, settings: AppSettings, jobs: Jobs
) -> BatchStarted:
    """Score a whole dataset.

    The result is a CSV file with one row for each row of the uploaded files, in order: its Id columns, `prediction`,
    `probability_<class>`, with `explain` the features with the largest effect on the prediction, and `error`.

    The files are read by the model's contract, as a real-time prediction is: its types, defaults and rules. Only the
    model's features have to be there. A row with a value that does not fit has the reason in `error`, and no
    prediction.

    The result of a Forecast has the next steps of all series, or of some: the Id column, the Time column, `value`,
    `lower`, `upper`, `confidence`.
    """
    if request.dataset_id is not None and request.forecast is None:
        await service.check_dataset(database, settings, user.scope, request.train_id, request.dataset_id)
    async with database.transaction() as session:
        training = await trainings.get_completed(session, user.scope, request.train_id, held=True)
        result_table = service.ResultTable(request.result_table, request.result_mode) if request.result_table else None
        if training.problem_type == "Forecast":
            if request.threshold is not None:
                raise not_two_classes()
            options = request.forecast or BatchForecast.model_validate({})
            prediction, job = await forecasts.start_batch(
                session,
                settings,
                user.scope,
                training,
                request.dataset_id,
                options,
                explain=request.explain,
                result_table=result_table,
                time_limit_s=request.time_limit_s,
            )
        else:
            dataset_id = _require_dataset(request)
            prediction, job = await service.start_batch(
                session,
                settings,
                user.scope,
                training,
                dataset_id,
                explain=request.explain,
                threshold=request.threshold,
                result_table=result_table,
                time_limit_s=request.time_limit_s,
            )
    await jobs.notify()
    return BatchStarted(
        message="Batch prediction job started successfully.",
        prediction_id=prediction.id,
        job_id=job.public_id,
        job_state=JobState(job.state),
    )


def _require_dataset(request: BatchRequest) -> int:
    if request.forecast is not None:
        raise Invalid("forecast is for a model of problem_type Forecast; leave it out.", code="only_with_forecast")
    if request.dataset_id is None:
        field = FieldError(("body", "dataset_id"), "A batch prediction needs the dataset to score.", "missing")
        raise InvalidFields([field], code="invalid_request")
    return request.dataset_id


@router.get("/result")
async def get_batch_result(
    prediction_id: Annotated[int, Query(description="Id of a batch prediction.")], user: PredictionUser, database: Db
) -> ResultAnswer:
    """Show the state of a batch, and the name of its result file once it has completed."""
    async with database.reading() as session:
        prediction, file, job = await service.get_batch(session, user.scope, prediction_id)
    return build_answer(
        ResultAnswer,
        prediction,
        train_id=prediction.training_id,
        result_path=file.path if file else None,
        file_id=file.id if file else None,
        no_of_records=prediction.records,
        progress=job.progress if job else 0.0,
        error=prediction.failure,
        job_id=job.public_id if job else None,
        warnings=list_stored_warnings(prediction.warnings),
        threshold=(prediction.request or {}).get("threshold"),
    )


@router.get(
    "/result/download",
    response_class=StreamingResponse,
    responses={200: {"content": {_PARQUET: BINARY, "text/csv": BINARY}, "description": "The file."}},
)
async def download_batch_result(
    prediction_id: Annotated[int, Query(description="Id of a batch prediction.")],
    user: Viewer,
    _: RequiredSpace,
    database: Db,
    settings: AppSettings,
    result_format: Annotated[
        Literal["csv", "parquet"],
        Query(
            alias="format",
            description="csv: the file as the batch has written it; parquet: the same rows, typed: predictions as the "
            "target, probabilities and effects as numbers, Ids as text.",
        ),
    ] = "csv",
) -> Response:
    """Return the result file of a batch; 404 `file_not_found` until it has completed, and once it was deleted."""
    async with database.reading() as session:
        prediction, file, _job = await service.get_batch(session, user.scope, prediction_id)
        training = await trainings.get_or_deleted(session, user.scope, prediction.training_id)
    if file is None:
        raise NotFound("This batch has no result.", code="file_not_found")
    storage = Storage.from_settings(settings)
    if result_format == "csv":
        path = await downloads.fetch(storage, downloads.of_file(file))
        return FileResponse(path, headers=downloads.HEADERS, media_type="text/csv", filename=file.name)
    with translate_read_errors():
        parquet = await asyncio.to_thread(result_files.build_parquet, storage, file.path, training)
    return send_temporary_file(parquet, f"prediction_{prediction_id}.parquet", _PARQUET)


@router.get("/predictions")
async def list_predictions(
    train_id: Annotated[int, Query(description="Id of the training.")], user: Viewer, database: Db, page: PredictionPage
) -> PredictionList:
    """List the predictions of a model, newest first, also of one that was deleted."""
    async with database.reading() as session:
        training, total, predictions = await service.list_predictions(session, user.scope, train_id, page)
    return PredictionList(total=total, data=[_build_row(prediction, training) for prediction in predictions])


def _build_row(prediction: PredictionLogEntry, training: Training | DeletedTraining) -> PredictionRow:
    return build_answer(
        PredictionRow,
        prediction,
        prediction_id=prediction.id,
        train_id=training.id,
        date=prediction.created_at,
        predictor_name=training.predictor_name,
        predictor_version=training.version,
        model_deleted_at=training.deleted_at if isinstance(training, DeletedTraining) else None,
        no_of_records=prediction.records,
        accuracy=training.accuracy,
        problem_type=training.problem_type,
        domain_name=training.domain,
    )


@router.get("/form-based-prediction")
async def get_prediction_form(
    train_id: Annotated[int, Query(alias="id", description="Id of the training.")], user: PredictionUser, database: Db
) -> FormAnswer:
    """List the fields that a prediction with this model needs."""
    async with database.reading() as session:
        training, columns = await service.get_form(session, user.scope, train_id)
    return build_answer(FormAnswer, training, headers=[_build_field(column) for column in columns])


def _build_field(column: Column) -> FormField:
    return FormField(
        column_name=column.name,
        data_type=column.data_type,
        default_value=column.default,
        is_required=column.default is None and not column.nullable,
        minimum=column.minimum,
        maximum=column.maximum,
        allowed_values=list(column.allowed_values) if column.allowed_values else None,
    )


# Both routes below are in OpenAPI and state their permission, like every other. `app.GatewayMiddleware` passes their
# requests to `realtime.RealTimeApp` before FastAPI looks for a route.
NOT_ROUTED: Final = RuntimeError("a real-time prediction went past the gateway")


def request_body(schema: type[BaseModel]) -> dict[str, object]:
    """Return the OpenAPI description of a body that FastAPI does not read."""
    content = {"application/json": {"schema": schema.model_json_schema(ref_template=SCHEMA_REF)}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("", response_model=PredictAnswer, openapi_extra=request_body(PredictRequest))
async def predict(user: PredictionUser) -> Response:
    """Predict one row with a completed training."""
    raise NOT_ROUTED


_TenantName = Annotated[str, Path(description="Name of your own tenant.")]
_PredictorName = Annotated[str, Path(description="A predictor, by its name in URLs.")]
ALIAS: Final = "An alias of the predictor; `champion` is the version that answers without one."
VERSION: Final = "Number of a version."
ROUTING_KEY: Final = "Requests with the same key go to the same version while the traffic is split."


@direct.post(
    "/models/{tenant_name}/{predictor_name}/predict",
    response_model=PredictAnswer | PredictionsAnswer,
    openapi_extra=request_body(DirectRequest),
)
async def predict_by_name(
    user: PredictionUser,
    tenant_name: _TenantName,
    predictor_name: _PredictorName,
    x_routing_key: Annotated[str | None, Header(description=ROUTING_KEY)] = None,
) -> Response:
    """Predict with a predictor by its name: its champion answers, or the versions that share its traffic.

    This is the fastest route: the predictor's own deployment answers it when that runs.
    """
    raise NOT_ROUTED


@direct.post(
    "/models/{tenant_name}/{predictor_name}@{alias}/predict",
    response_model=PredictAnswer | PredictionsAnswer,
    openapi_extra=request_body(DirectRequest),
)
async def predict_by_alias(
    user: PredictionUser,
    tenant_name: _TenantName,
    predictor_name: _PredictorName,
    alias: Annotated[str, Path(description=ALIAS)],
) -> Response:
    """Predict with the version of a predictor that an alias names."""
    raise NOT_ROUTED


@direct.post(
    "/models/{tenant_name}/{predictor_name}/v{version}/predict",
    response_model=PredictAnswer | PredictionsAnswer,
    openapi_extra=request_body(DirectRequest),
)
async def predict_by_version(
    user: PredictionUser,
    tenant_name: _TenantName,
    predictor_name: _PredictorName,
    version: Annotated[int, Path(description=VERSION)],
) -> Response:
    """Predict with one version of a predictor."""
    raise NOT_ROUTED
