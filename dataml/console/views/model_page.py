"""The frame of a model's page: its tabs, which are pages of their own."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console.api import ApiError
from dataml.console.visit import Visit
from dataml.errors import NotFound

Model = Mapping[str, Any]
"""A training, as `GET /train/{train_id}` answers it; while it runs with the `leaderboard` of its job."""
BUSY: Final = ("queued", "running")
_OVERVIEW: Final = "overview"


def path_of(visit: Visit, *more: str) -> str:
    """Return the path of the model's page, or of what belongs to it."""
    return "/".join((f"/predictors/{visit.request.path_params['train_id']}", *more))


async def read(visit: Visit, *, is_forecast: bool | None = None) -> Model:
    """Return the model that the path names; with `is_forecast` only one that is a Forecast, or only another one.

    Raises:
        ApiError: there is none.
        NotFound: `not_found`: it has no such page.
    """
    model = await visit.api.get(f"/train/{visit.request.path_params['train_id']}")
    if is_forecast not in (None, model["problem_type"] == "Forecast"):
        raise NotFound(f"A model of problem type {model['problem_type']} has no such page.", code="not_found")
    if model["state"] in BUSY and model["job_id"]:
        job = await visit.api.get(f"/jobs/{model['job_id']}")
        return {**model, "leaderboard": job["leaderboard"]}
    return model


def is_ready(model: Model) -> bool:
    """Return whether the training has completed, so that there is a model."""
    return model["state"] == "succeeded"


def render(visit: Visit, model: Model, tab: str, error: ApiError | None = None, **context: Any) -> Response:
    """Return a tab of the page; with an error, that is said above it, and the status is its own."""
    tabs = [
        (name, title, path_of(visit, *(() if name == _OVERVIEW else (name,)))) for name, title in _tabs_of(visit, model)
    ]
    status = error.status if error is not None else HTTPStatus.OK
    return visit.render(
        "predictor.html",
        status,
        model=model,
        busy=BUSY,
        tabs=tabs,
        tab=tab,
        error=error,
        is_ready=is_ready(model),
        leaderboard=model.get("leaderboard"),
        **context,
    )


def _tabs_of(visit: Visit, model: Model) -> list[tuple[str, str]]:
    """Return names and titles of the tabs that the model has, for what the user may do."""
    is_forecast, may_predict = model["problem_type"] == "Forecast", visit.may(Permission.PREDICT)
    tabs = {
        _OVERVIEW: ("Overview", True),
        "report": ("Report", True),
        "threshold": ("Threshold", model["positive_class"] is not None),
        "errors": ("Errors", not is_forecast),
        "explanation": ("Explanation", not is_forecast),
        "try": ("Try it", may_predict and not is_forecast),
        "forecast": ("Forecast", may_predict and is_forecast),
        "batches": ("Batches", True),
    }
    return [(name, title) for name, (title, is_shown) in tabs.items() if is_shown]
