"""Predictors: the list of their versions, trying one, and deleting one."""

from typing import Any, Final

from starlette.responses import Response

from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("queued", "running", "succeeded", "failed", "cancelled")),
    Filter("problem_type", "Problem", ("Classification", "Regression", "Forecast")),
)


async def show_all(visit: Visit) -> Response:
    """Show the versions of all predictors, newest first."""
    names = [*(field.name for field in _FILTERS), "name"]
    rows = await listing.read(visit.request, visit.api, "/train/list", names)
    return visit.render("predictors.html", listing=rows, fields=_FILTERS, busy=model_page.BUSY)


async def show_form(visit: Visit) -> Response:
    """Show a form to try the model."""
    model = await model_page.read(visit)
    return model_page.render(visit, model, "try", **await _read_form(visit, model))


async def predict(visit: Visit) -> Response:
    """Answer the form that tries a model, as a part of its page."""
    train_id = visit.request.path_params["train_id"]
    form = await visit.request.form()
    features = {name: value for name, value in form.items() if value != ""}
    body = {"train_id": int(train_id), "features": features, "explain": True}
    try:
        answer = await visit.api.call("POST", "/inference", body=body)
    except ApiError as error:
        return visit.render("refusal.html", error=error)
    probabilities = sorted((answer["probabilities"] or {}).items(), key=lambda item: -item[1])
    effects = sorted((answer["explanation"] or {}).items(), key=lambda item: -abs(item[1]))
    return visit.render(
        "answer.html",
        target="Prediction",
        prediction=answer["prediction"],
        probabilities=probabilities,
        warnings=answer["warnings"],
        effects=effects[:10],
    )


async def delete(visit: Visit) -> Response:
    """Delete a version and its model."""
    await visit.api.call("DELETE", f"/train/delete/{visit.request.path_params['train_id']}")
    return visit.redirect("/predictors", notice="The version is deleted.")


async def _read_form(visit: Visit, model: Model) -> dict[str, Any]:
    if not model_page.is_ready(model):
        return {"form": None}
    form = await visit.api.get("/inference/form-based-prediction", id=model["id"])
    answer = await visit.api.find("/dataset/view", dataset_id=model["dataset_id"], limit=1)
    example = answer["preview"][0] if answer and answer["preview"] else {}
    ranges = (model.get("summary") or {}).get("feature_ranges") or {}
    return {"form": form, "example": {k: "" if v is None else v for k, v in example.items()}, "ranges": ranges}
