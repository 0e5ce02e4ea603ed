"""The call that asks a forecast model for the next steps."""

from fastapi import APIRouter, Response

from dataml.dependencies import AppServices, Db, PredictionUser
from dataml.errors import DatamlError
from dataml.inference import forecasts
from dataml.inference.forecast_schemas import ForecastAnswer, ForecastRequest

router = APIRouter(prefix="/inference", tags=["Inference"])


@router.post("/forecast", response_model=ForecastAnswer)
async def forecast(request: ForecastRequest, user: PredictionUser, database: Db, services: AppServices) -> Response:
    """The next steps of one series, of several or of all, with conformal intervals from the model's backtest."""
    async with database.reading() as session:
        model, question = await forecasts.ask(session, user.scope, request)
    answer = await services.endpoints.forecast(model, question)
    if isinstance(answer, DatamlError):
        raise answer
    return Response(answer, media_type="application/json")
