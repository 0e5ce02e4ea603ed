"""The call that asks a forecast model for the next steps."""

from fastapi import Response

from dataml.access.dependencies import PredictionUser
from dataml.errors import DatamlError
from dataml.http.dependencies import Db
from dataml.http.routing import Router
from dataml.inference import forecasts
from dataml.inference.dependencies import ModelEndpoints
from dataml.inference.forecast_schemas import ForecastAnswer, ForecastRequest

router = Router(prefix="/inference", tags=["Inference"])


@router.post("/forecast", response_model=ForecastAnswer)
async def forecast(request: ForecastRequest, user: PredictionUser, database: Db, endpoints: ModelEndpoints) -> Response:
    """The next steps of one series, of several or of all, with conformal intervals from the model's backtest."""
    async with database.reading() as session:
        model, question = await forecasts.prepare_request(session, user, request)
    answer = await endpoints.forecast(model, question)
    if isinstance(answer, DatamlError):
        raise answer
    return Response(answer, media_type="application/json")
