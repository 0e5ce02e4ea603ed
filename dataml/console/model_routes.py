"""The routes of the pages of one model."""

from starlette.routing import BaseRoute

from dataml.console.views import (
    batches,
    forecasts,
    model_explanation,
    model_prediction,
    model_report,
    model_threshold,
    predictors,
)
from dataml.console.visit import page


def create_routes() -> list[BaseRoute]:
    """Return the routes of the tabs of one model, and of what they change."""
    path = "/predictors/{train_id:int}"
    return [
        page(path, model_report.show_overview),
        page(f"{path}/delete", predictors.delete, "POST"),
        page(f"{path}/report", model_report.show_report),
        page(f"{path}/errors", model_report.show_errors),
        page(f"{path}/threshold", model_threshold.show),
        page(f"{path}/threshold", model_threshold.keep, "POST"),
        page(f"{path}/threshold/reset", model_threshold.reset, "POST"),
        page(f"{path}/explanation", model_explanation.show),
        page(f"{path}/explanation", model_explanation.compute, "POST"),
        page(f"{path}/explanation/delete", model_explanation.delete, "POST"),
        page(f"{path}/forecast", forecasts.show),
        page(f"{path}/forecast", forecasts.forecast, "POST"),
        page(f"{path}/batches", batches.show_all),
        page(f"{path}/batches", batches.start, "POST"),
        page(f"{path}/batches/{{prediction_id:int}}", batches.show),
        page(f"{path}/batches/{{prediction_id:int}}/cancel", batches.cancel, "POST"),
        page(f"{path}/batches/{{prediction_id:int}}/delete", batches.delete_result, "POST"),
        page(f"{path}/try", model_prediction.show_form),
        page(f"{path}/try", model_prediction.predict, "POST"),
    ]
