"""Prediction calls. The two real-time ones are only documented here; `realtime.RealTimeApp` answers them."""

from typing import Annotated

from fastapi import Path, Query, Response

from dataml.access.dependencies import PredictionUser, Viewer
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.http.dependencies import Db, Paged
from dataml.http.routing import Router
from dataml.inference import forecasts, service
from dataml.inference.forecast_schemas import BatchForecast
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
from dataml.train import service as trainings

router = Router(prefix="/inference", tags=["Inference"])
direct = Router(tags=["Inference"])


@router.post("/batch-prediction", status_code=202)
@router.post("/batchPrediction", status_code=202)
async def start_batch(request: BatchRequest, user: PredictionUser, database: Db, jobs: Jobs) -> BatchStarted:
    """Score a whole dataset. The result is a CSV with a row for each of the dataset, in order: its Id columns,
    `prediction`, `probability_<class>`, with `explain` the features that made the prediction, and `error`.

    Of a Forecast, the next steps of all series, or of some: the Id column, the Time column, `value`, `lower`, `upper`,
    `confidence`."""
    async with database.transaction() as session:
        training = await trainings.get_completed(session, user.scope, request.train_id, held=True)
        into = service.ResultTable(request.result_table, request.result_mode) if request.result_table else None
        if forecasts.is_forecast(training):
            asked = request.forecast or BatchForecast.model_validate({})
            prediction, job = await forecasts.start_batch(
                session, user.scope, training, request.dataset_id, asked, explain=request.explain, into=into
            )
        else:
            dataset_id = _dataset_of(request)
            prediction, job = await service.start_batch(
                session, user.scope, training, dataset_id, explain=request.explain, into=into
            )
    await jobs.notify()
    return BatchStarted(
        message="Batch prediction job started successfully.", prediction_id=prediction.id, job_id=job.public_id
    )


def _dataset_of(request: BatchRequest) -> int:
    if request.forecast is not None:
        raise Invalid("forecast is for a model of problem_type Forecast; leave it out.", code="only_with_forecast")
    if request.dataset_id is None:
        field = FieldError(("body", "dataset_id"), "A batch prediction needs the dataset to score.", "missing")
        raise InvalidFields([field], code="invalid_request")
    return request.dataset_id


@router.get("/result")
async def get_result(
    prediction_id: Annotated[int, Query(description="Id of a batch prediction.")], user: PredictionUser, database: Db
) -> ResultAnswer:
    """How a batch stands, and the name of its result file once it has completed."""
    async with database.reading() as session:
        prediction, file, job = await service.result(session, user.scope, prediction_id)
    return ResultAnswer(
        status=prediction.status,
        result_path=file.path if file else None,
        file_id=file.id if file else None,
        dataset_id=prediction.dataset_id,
        no_of_records=prediction.records,
        failed_records=prediction.failed_records,
        progress=job.progress if job else 0.0,
        error=prediction.failure,
        job_id=job.public_id if job else None,
        result_table=prediction.result_table,
        result_snapshot_id=prediction.result_snapshot_id,
    )


@router.get("/predictions")
async def list_predictions(
    train_id: Annotated[int, Query(description="Id of the training.")], user: Viewer, database: Db, page: Paged
) -> PredictionList:
    """The prediction log of a model, newest first."""
    async with database.reading() as session:
        training, total, rows = await service.list_predictions(session, user.scope, train_id, page)
    data = [
        PredictionRow(
            prediction_id=row.id,
            train_id=training.id,
            date=row.created_at,
            dataset_id=row.dataset_id,
            predictor_name=training.predictor_name,
            prediction_type=row.prediction_type,
            input_data=row.input_data,
            output_data=row.output_data,
            status=row.status,
            no_of_records=row.records,
            accuracy=training.accuracy,
            problem_type=training.problem_type,
            domain_name=training.domain,
            created_by=row.created_by,
        )
        for row in rows
    ]
    return PredictionList(total=total, data=data)


@router.get("/form-based-prediction")
async def get_form(
    train_id: Annotated[int, Query(alias="id", description="Id of the training.")], user: PredictionUser, database: Db
) -> FormAnswer:
    """The fields that a prediction with this model asks for."""
    async with database.reading() as session:
        training, columns = await service.form(session, user.scope, train_id)
    headers = [FormField(column_name=c.name, data_type=c.data_type, default_value=c.default) for c in columns]
    return FormAnswer(id=training.id, headers=headers, target=training.target, preprocess_id=training.preprocess_id)


# Both are in OpenAPI and state their permission, like every other call. `app.GatewayMiddleware` hands their requests to
# `realtime.RealTimeApp` before FastAPI looks for a route.
_NOT_ROUTED = RuntimeError("a real-time prediction came past the gateway")


def _body(schema: type) -> dict[str, object]:
    content = {"application/json": {"schema": schema.model_json_schema()}}  # type: ignore[attr-defined]
    return {"requestBody": {"required": True, "content": content}}


@router.post("", response_model=PredictAnswer, openapi_extra=_body(PredictRequest))
async def predict(user: PredictionUser) -> Response:
    """Predict one row with a completed training."""
    raise _NOT_ROUTED


@direct.post(
    "/models/{tenant_name}/{predictor_name}/predict",
    response_model=PredictAnswer | PredictionsAnswer,
    openapi_extra=_body(DirectRequest),
)
async def predict_directly(
    user: PredictionUser,
    tenant_name: Annotated[str, Path(description="The own tenant.")],
    predictor_name: Annotated[str, Path(description="A predictor; its newest completed version answers.")],
) -> Response:
    """Predict with a predictor by name: the fastest route, answered by the predictor's own deployment when it runs."""
    raise _NOT_ROUTED
