"""The routes of forecasts: by training, and by name, which `realtime.RealTimeApp` serves."""

from typing import Annotated

from fastapi import Path, Response

from dataml.access.dependencies import PredictionUser
from dataml.errors import DatamlError
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.inference import forecasts
from dataml.inference.dependencies import ModelClient
from dataml.inference.forecast_schemas import DirectForecastRequest, ForecastAnswer, ForecastRequest
from dataml.inference.routes import NOT_ROUTED, request_body

router = Router(prefix="/inference", tags=["Inference"])
direct = Router(tags=["Inference"])


@router.post("/forecast", response_model=ForecastAnswer)
async def forecast(
    request: ForecastRequest, user: PredictionUser, database: Db, settings: AppSettings, client: ModelClient
) -> Response:
    """Forecast the next steps of one series, of several or of all.

    The conformal intervals come from the model's backtest.
    """
    async with database.reading() as session:
        model, inference_request = await forecasts.prepare_request(session, settings, user, request)
    response = await client.forecast(model, inference_request)
    if isinstance(response, DatamlError):
        raise response
    return Response(response, media_type="application/json")


@direct.post(
    "/models/{tenant_name}/{forecast_name}/forecast",
    response_model=ForecastAnswer,
    openapi_extra=request_body(DirectForecastRequest),
)
async def forecast_by_name(
    user: PredictionUser,
    tenant_name: Annotated[str, Path(description="Name of your own tenant.")],
    forecast_name: Annotated[str, Path(description="A predictor of a Forecast; its newest promoted version answers.")],
) -> Response:
    """Forecast with a predictor by its name, as `POST /inference/forecast` does by a training's id."""
    raise NOT_ROUTED
