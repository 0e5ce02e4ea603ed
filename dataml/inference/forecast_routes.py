"""The route of forecasts."""

from fastapi import Response

from dataml.access.dependencies import PredictionUser
from dataml.errors import DatamlError
from dataml.http.dependencies import Db
from dataml.http.routing import Router
from dataml.inference import forecasts
from dataml.inference.dependencies import ModelClient
from dataml.inference.forecast_schemas import ForecastAnswer, ForecastRequest

router = Router(prefix="/inference", tags=["Inference"])


@router.post("/forecast", response_model=ForecastAnswer)
async def forecast(request: ForecastRequest, user: PredictionUser, database: Db, client: ModelClient) -> Response:
    """Forecast the next steps of one series, of several or of all.

    The conformal intervals come from the model's backtest.
    """
    async with database.reading() as session:
        model, inference_request = await forecasts.prepare_request(session, user, request)
    response = await client.forecast(model, inference_request)
    if isinstance(response, DatamlError):
        raise response
    return Response(response, media_type="application/json")
