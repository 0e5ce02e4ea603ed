"""Endpoints: how completed models are served, and the address, code and figures of one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.views import endpoint_code
from dataml.console.visit import Visit

_MAX_OWN: Final = 1000
_SHOWN: Final = 20
_EXAMPLE_STEPS: Final = 7
_SCALING: Final = ("min_replicas", "max_replicas", "target_ongoing_requests", "upscale_delay_s", "downscale_delay_s")
_BUSY: Final = ("waiting", "starting", "stopping")


async def show_all(visit: Visit) -> Response:
    """Show the completed models, and what answers for each."""
    models, (own, failure) = await asyncio.gather(
        listing.read(visit.request, visit.api, "/train/list", ("name",), state="succeeded"), _read_own(visit)
    )
    return visit.render("endpoints.html", listing=models, own=own, failure=failure, busy=_BUSY)


async def _read_own(visit: Visit) -> tuple[dict[int, Mapping[str, Any]], ApiError | None]:
    """Return the deployments by the ids of their trainings, or the error where they do not say how they are."""
    try:
        answer = await visit.api.get("/endpoints", limit=_MAX_OWN)
    except ApiError as error:
        # The pool and its models can be listed all the same.
        return {}, error
    return {row["train_id"]: row for row in answer["data"]}, None


async def show(visit: Visit) -> Response:
    """Show what answers for one model, its address, its figures, and code that calls it."""
    train_id = visit.request.path_params["train_id"]
    model, endpoint, predictions = await asyncio.gather(
        visit.api.get(f"/train/{train_id}"),
        visit.api.get(f"/endpoints/{train_id}"),
        visit.api.get("/inference/predictions", train_id=train_id, limit=_SHOWN),
    )
    example = await _read_example(visit, model) if visit.may(Permission.PREDICT) else None
    return _render(visit, model, endpoint, predictions=predictions, example=example)


async def request_deployment(visit: Visit) -> Response:
    """Give a model a deployment of its own, or change its replicas."""
    train_id = visit.request.path_params["train_id"]
    form = await visit.request.form()
    body = {name: value for name in _SCALING if (value := form.get(name))}
    try:
        await visit.api.call("PUT", f"/endpoints/{train_id}", body=body)
    except ApiError as error:
        if error.status not in (409, 422):
            raise
        model, endpoint = await asyncio.gather(
            visit.api.get(f"/train/{train_id}"), visit.api.get(f"/endpoints/{train_id}")
        )
        return _render(visit, model, endpoint, error.status, failure=error.detail, given=form)
    return visit.redirect(f"/endpoints/{train_id}", notice="The deployment is asked for.")


async def withdraw_deployment(visit: Visit) -> Response:
    """Give a model back to the pool."""
    train_id = visit.request.path_params["train_id"]
    await visit.api.call("DELETE", f"/endpoints/{train_id}")
    return visit.redirect(f"/endpoints/{train_id}", notice="The model is given back to the pool.")


async def _read_example(visit: Visit, model: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a body that the model answers: with the first row of its data, or for the next steps of all series."""
    if model["state"] != "succeeded":
        return None
    if model["problem_type"] == "Forecast":
        has_series = "Id" in (model.get("roles") or {}).values()
        return {"steps": _EXAMPLE_STEPS} | ({"unique_ids": "all"} if has_series else {})
    form, rows = await asyncio.gather(
        visit.api.find("/inference/form-based-prediction", id=model["id"]),
        visit.api.find("/dataset/view", dataset_id=model["dataset_id"], limit=1),
    )
    row = rows["preview"][0] if rows and rows["preview"] else {}
    names = [field["column_name"] for field in form["headers"]] if form else []
    return {"features": {name: row.get(name) for name in names}}


def _render(
    visit: Visit,
    model: Mapping[str, Any],
    endpoint: Mapping[str, Any],
    status: int = 200,
    *,
    predictions: Mapping[str, Any] | None = None,
    example: Mapping[str, Any] | None = None,
    **context: Any,
) -> Response:
    samples = []
    if example is not None and endpoint["endpoint_url"]:
        origin = f"{visit.request.url.scheme}://{visit.request.url.netloc}"
        samples = endpoint_code.samples(origin, endpoint["endpoint_url"], model["predictor_name"], example)
    return visit.render(
        "endpoint.html",
        status,
        model=model,
        endpoint=endpoint,
        predictions=predictions,
        samples=samples,
        body=json.dumps(example, indent=2, ensure_ascii=False) if example else None,
        busy=_BUSY,
        **{"failure": None, "given": {}, **context},
    )
