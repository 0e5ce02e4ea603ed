"""What moves the predictions of a model: its feature importance, and the charts of its SHAP values."""

from typing import Any, Final

from starlette.responses import Response

from dataml.console.api import ApiError
from dataml.console.views import model_page
from dataml.console.visit import Visit

_MAX_FEATURES: Final = 30
_MAX_DEPENDENCE_CHARTS: Final = 10


async def show(visit: Visit, error: ApiError | None = None) -> Response:
    """Show the importance of the features; the page's script draws the charts."""
    model = await model_page.read(visit, is_forecast=False)
    answer: dict[str, Any] = await visit.api.get("/train/view-feature-importance", train_id=model["id"])
    shares = list(answer["feature_importance"].items())
    return model_page.render(
        visit,
        model,
        "explanation",
        error,
        importance=answer,
        shares=shares[:_MAX_FEATURES],
        n_omitted=max(len(shares) - _MAX_FEATURES, 0),
        # The explanation has a chart for each feature that has any effect, most important first.
        dependence=[name for name, share in shares if share > 0][:_MAX_DEPENDENCE_CHARTS],
    )


async def compute(visit: Visit) -> Response:
    """Start to compute the importance."""
    train_id = visit.request.path_params["train_id"]
    try:
        await visit.api.call("POST", "/train/generate-feature-importance", query={"train_id": train_id})
    except ApiError as error:
        return await show(visit, error)
    return visit.redirect(model_page.path_of(visit, "explanation"))


async def delete(visit: Visit) -> Response:
    """Delete the importance and its charts."""
    try:
        await visit.api.call("DELETE", f"/train/delete-feature-importance/{visit.request.path_params['train_id']}")
    except ApiError as error:
        return await show(visit, error)
    return visit.redirect(model_page.path_of(visit, "explanation"), notice="The explanation is deleted.")
