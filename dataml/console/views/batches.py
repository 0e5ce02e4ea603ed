"""Batches of a model: datasets that were scored, a form to score another one, and the result of one."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.typed_numbers import parse_number
from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit
from dataml.errors import NotFound

_FILTERS: Final = (Filter("status", "State", ("running", "completed", "failed", "cancelled")),)
_MAX_DATASETS: Final = 200
_REASONS: Final = re.compile(r"explanation_(\d+)_(feature|effect)")


@dataclass(frozen=True)
class Preview:
    """The first rows of a result: its columns, cells as they are and as they are shown, and the reasons of each row.

    Reasons are columns of the result, which are one cell here.
    """

    columns: list[str]
    rows: list[list[tuple[str, str]]]
    reasons: list[list[tuple[str, str]]]

    @property
    def has_reasons(self) -> bool:
        """Whether the result has reasons."""
        return any(self.reasons)


async def show_all(visit: Visit) -> Response:
    """Show the batches of the model, newest first, and the form of a new one."""
    return await _render_all(visit, await model_page.read(visit), visit.request.query_params)


async def start(visit: Visit) -> Response:
    """Start a batch."""
    model = await model_page.read(visit)
    form = await visit.request.form()
    try:
        started = await visit.api.call("POST", "/inference/batchPrediction", body=_read_request(model, form))
    except ApiError as error:
        return await _render_all(visit, model, form, error)
    return visit.redirect(model_page.path_of(visit, "batches", str(started["prediction_id"])))


async def show(visit: Visit) -> Response:
    """Show one batch: how far it is, and its first rows."""
    model, batch = await _read_batch(visit)
    preview = None
    if batch["file_id"] is not None and visit.may(Permission.VIEW):
        # The file may have been deleted since.
        file = await visit.api.find("/files/view", file_id=batch["file_id"])
        preview = _read_preview(file["content_preview"]) if file else None
    return model_page.render(visit, model, "batches", batch=batch, preview=preview, prediction_id=_id(visit))


async def cancel(visit: Visit) -> Response:
    """Cancel a batch that runs."""
    _, batch = await _read_batch(visit)
    await visit.api.cancel_job(batch["job_id"])
    return visit.redirect(model_page.path_of(visit, "batches", str(_id(visit))), notice="The batch is cancelled.")


async def delete_result(visit: Visit) -> Response:
    """Delete the result of a batch; its entry in the list stays."""
    _, batch = await _read_batch(visit)
    if batch["file_id"] is None:
        raise NotFound("There is no result.", code="file_not_found")
    await visit.api.call("DELETE", f"/files/delete/{batch['file_id']}")
    return visit.redirect(model_page.path_of(visit, "batches"), notice="The result is deleted.")


def _id(visit: Visit) -> int:
    return visit.request.path_params["prediction_id"]


async def _read_batch(visit: Visit) -> tuple[Model, Mapping[str, Any]]:
    model = await model_page.read(visit)
    batch = await visit.api.get("/inference/result", prediction_id=_id(visit))
    if batch["train_id"] != model["id"]:
        raise NotFound("There is no such batch of this model.", code="prediction_not_found")
    return model, batch


async def _render_all(visit: Visit, model: Model, typed: Mapping[str, Any], error: ApiError | None = None) -> Response:
    names = [field.name for field in _FILTERS]
    fixed = {"train_id": model["id"], "prediction_type": "batch"}
    rows = await listing.read(visit.request, visit.api, "/inference/predictions", names, **fixed)
    datasets = []
    if model_page.is_ready(model) and visit.may(Permission.PREDICT):
        query = {"usage": "p", "state": "valid", "limit": _MAX_DATASETS}
        datasets = (await visit.api.get("/dataset/list", **query))["data"]
    return model_page.render(
        visit,
        model,
        "batches",
        error,
        batch=None,
        listing=rows,
        fields=_FILTERS,
        datasets=datasets,
        typed=typed,
        forecast=(model["summary"] or {}).get("forecast"),
    )


def _read_request(model: Model, form: FormData) -> dict[str, Any]:
    """Return the body of the request; what was left empty is left out."""
    text = {name: str(value).strip() for name, value in form.items() if str(value).strip()}
    body: dict[str, Any] = {"train_id": model["id"], "explain": "explain" in text}
    body |= _numbers(text, "dataset_id", "threshold")
    if "result_table" in text:
        body |= {"result_table": text["result_table"], "result_mode": text.get("result_mode", "append")}
    if model["problem_type"] == "Forecast":
        options: dict[str, Any] = _numbers(text, "steps", "level", "observations_id", "future_id")
        options |= {name: text[name] for name in ("frequency", "aggregate") if name in text}
        if "unique_ids" in text:
            options["unique_ids"] = [line.strip() for line in text["unique_ids"].splitlines() if line.strip()]
        body["forecast"] = options | {"round": "round" in text}
    return body


def _numbers(text: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Return the fields that are numbers; what is no number is sent as it is, for the API to refuse."""
    return {name: parse_number(text[name]) for name in names if name in text}


def _read_preview(lines: list[str]) -> Preview | None:
    """Return the first lines of a result as a table; the reasons of a row, five pairs of columns, as one."""
    table = list(csv.reader(lines))
    if not table:
        return None
    places = {name: place for place, name in enumerate(table[0])}
    pairs = [
        (places[f"explanation_{n}_feature"], places[f"explanation_{n}_effect"])
        for n in range(1, 6)
        if f"explanation_{n}_effect" in places
    ]
    kept = [place for name, place in places.items() if not _REASONS.fullmatch(name)]
    # A line that was cut has fewer cells.
    rows = [row for row in table[1:] if len(row) == len(table[0])]
    return Preview(
        [table[0][place] for place in kept],
        [[(row[place], _shorten(row[place])) for place in kept] for row in rows],
        [[(row[feature], _shorten(row[effect])) for feature, effect in pairs if row[feature]] for row in rows],
    )


def _shorten(cell: str) -> str:
    """Return a number with decimals with six significant digits; other texts as they are."""
    return f"{float(cell):.6g}" if re.fullmatch(r"-?\d+\.\d{5,30}(e-?\d{1,3})?", cell, re.ASCII) else cell
