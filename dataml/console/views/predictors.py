"""Predictors: the list of their versions, and the parts of one version."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (
    Filter("state", "State", ("queued", "running", "succeeded", "failed", "cancelled")),
    Filter("problem_type", "Problem", ("Classification", "Regression", "Forecast")),
)
_BUSY: Final = ("queued", "running")
_TABS: Final = {"overview": "Overview", "report": "Charts", "try": "Try it"}
_SHOWN_METRICS: Final = 8


async def show_all(visit: Visit) -> Response:
    """Show the versions of all predictors, newest first."""
    names = [*(field.name for field in _FILTERS), "name"]
    rows = await listing.read(visit.request, visit.api, "/train/list", names)
    return visit.render("predictors.html", listing=rows, fields=_FILTERS, busy=_BUSY)


async def show(visit: Visit) -> Response:
    """Show one part of a version: the overview, the charts of its report, or a form to try it."""
    train_id, tab = visit.request.path_params["train_id"], visit.request.path_params.get("tab", "overview")
    if tab not in _TABS:
        tab = "overview"
    model = await visit.api.get(f"/train/{train_id}")
    tabs = [
        (name, title, f"/predictors/{train_id}/{name}")
        for name, title in _TABS.items()
        if name != "try" or (visit.may(Permission.PREDICT) and model["problem_type"] != "Forecast")
    ]
    context = await _READERS[tab](visit, model)
    return visit.render("predictor.html", model=model, busy=_BUSY, tabs=tabs, tab=tab, **context)


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


async def compute_importance(visit: Visit) -> Response:
    """Start the feature importance of a model."""
    train_id = visit.request.path_params["train_id"]
    await visit.api.call("POST", "/train/generate-feature-importance", query={"train_id": train_id})
    return visit.redirect(f"/predictors/{train_id}", notice="The feature importance is being computed.")


async def delete(visit: Visit) -> Response:
    """Delete a version and its model."""
    await visit.api.call("DELETE", f"/train/delete/{visit.request.path_params['train_id']}")
    return visit.redirect("/predictors", notice="The version is deleted.")


async def _read_overview(visit: Visit, model: Mapping[str, Any]) -> dict[str, Any]:
    summary = model.get("summary") or {}
    found = await visit.api.find("/train/view-feature-importance", train_id=model["id"])
    shares = (found or {}).get("feature_importance") or {}
    numbers = [(name, value) for name, value in (model.get("metrics") or {}).items() if isinstance(value, int | float)]
    candidates = {name: error for name, error in (summary.get("candidates") or {}).items() if error is not None}
    return {
        "metrics": numbers[:_SHOWN_METRICS],
        "candidates": sorted(candidates.items(), key=lambda item: item[1]),
        "validation_metric": summary.get("validation_metric") or "Error",
        "importance": sorted(shares.items(), key=lambda item: -item[1])[:20],
    }


async def _read_report(visit: Visit, model: Mapping[str, Any]) -> dict[str, Any]:
    report = await visit.api.find(f"/train/{model['id']}/report") if model["state"] == "succeeded" else None
    return {"charts": list(((report or {}).get("charts") or {}).items())}


async def _read_form(visit: Visit, model: Mapping[str, Any]) -> dict[str, Any]:
    if model["state"] != "succeeded":
        return {"form": None}
    form = await visit.api.get("/inference/form-based-prediction", id=model["id"])
    answer = await visit.api.find("/dataset/view", dataset_id=model["dataset_id"], limit=1)
    example = answer["preview"][0] if answer and answer["preview"] else {}
    ranges = (model.get("summary") or {}).get("feature_ranges") or {}
    return {"form": form, "example": {k: "" if v is None else v for k, v in example.items()}, "ranges": ranges}


_READERS: Final = {"overview": _read_overview, "report": _read_report, "try": _read_form}
