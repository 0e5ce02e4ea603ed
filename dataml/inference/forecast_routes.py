"""The routes of forecasts: by training, and by name, which `realtime.RealTimeApp` serves."""

from typing import Annotated

from fastapi import Header, Path, Response

from dataml.access.dependencies import PredictionUser
from dataml.errors import DatamlError
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.inference import forecasts
from dataml.inference.dependencies import ModelClient
from dataml.inference.forecast_schemas import DirectForecastRequest, ForecastAnswer, ForecastRequest
from dataml.inference.routes import ALIAS, NOT_ROUTED, ROUTING_KEY, VERSION, request_body

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


_TenantName = Annotated[str, Path(description="Name of your own tenant.")]
_ForecastName = Annotated[str, Path(description="A predictor of a Forecast, by its name in URLs.")]


@direct.post(
    "/models/{tenant_name}/{forecast_name}/forecast",
    response_model=ForecastAnswer,
    openapi_extra=request_body(DirectForecastRequest),
)
async def forecast_by_name(
    user: PredictionUser,
    tenant_name: _TenantName,
    forecast_name: _ForecastName,
    x_routing_key: Annotated[str | None, Header(description=ROUTING_KEY)] = None,
) -> Response:
    """Forecast with a predictor by its name, as `POST /inference/forecast` does by a training's id.

    Its champion answers, or the versions that share its traffic.
    """
    raise NOT_ROUTED


@direct.post(
    "/models/{tenant_name}/{forecast_name}@{alias}/forecast",
    response_model=ForecastAnswer,
    openapi_extra=request_body(DirectForecastRequest),
)
async def forecast_by_alias(
    user: PredictionUser,
    tenant_name: _TenantName,
    forecast_name: _ForecastName,
    alias: Annotated[str, Path(description=ALIAS)],
) -> Response:
    """Forecast with the version of a predictor that an alias names."""
    raise NOT_ROUTED


@direct.post(
    "/models/{tenant_name}/{forecast_name}/v{version}/forecast",
    response_model=ForecastAnswer,
    openapi_extra=request_body(DirectForecastRequest),
)
async def forecast_by_version(
    user: PredictionUser,
    tenant_name: _TenantName,
    forecast_name: _ForecastName,
    version: Annotated[int, Path(description=VERSION)],
) -> Response:
    """Forecast with one version of a predictor."""
    raise NOT_ROUTED
