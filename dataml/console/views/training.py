"""The form that starts a training: on a dataset, as the next version of a predictor, or as its continuation."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import API, ApiError, Call
from dataml.console.training_form import CATEGORY, NAMES, ROLE, build_request, locate_errors, prefill
from dataml.console.visit import Visit

PATH: Final = "/predictors/new"
_MODES: Final = ("new", "version", "continue")
# Wider tables list the columns of a role by their names; a row for each would be a page of megabytes.
_MAX_ROWS: Final = 150
_MAX_CHOICES: Final = 1000
_ROLES_BY_NAMES: Final = ("Id", "Time", "Ignore", "Exogenous")
_MAX_FIELDS: Final = 5000


async def show(visit: Visit) -> Response:
    """Show the datasets to choose from; with a dataset its columns; with a target the whole form."""
    visit.principal.require(Permission.TRAIN_MODELS)
    query = visit.request.query_params
    parent = await visit.api.get(f"/train/{query['from']}") if query.get("from", "").isdecimal() else None
    dataset_id = query.get("dataset") or (str(parent["dataset_id"]) if parent and "choose" not in query else "")
    if not dataset_id.isdecimal():
        return await _choose_dataset(visit)
    dataset = await visit.api.get("/dataset/get_dataset_by_id", dataset_id=dataset_id)
    target = query.get("target") or (parent["target"] if parent else "")
    form: dict[str, str] = {"target": target, "predictor_name": dataset["dataset_name"], "mode": "new"}
    if parent is not None:
        mode = query.get("mode", "version")
        form |= prefill(parent, mode if mode in _MODES else "version")
    form |= {name: query[name] for name in ("predictor_name", "problem_type") if query.get(name)}
    return await _render(visit, dataset, form, {}, prefilled=parent is not None)


async def start(visit: Visit) -> Response:
    """Start the training that the form describes, or show the form again with what is wrong."""
    form = await _read_form(visit)
    request = build_request(form, _dataset_id(form))
    try:
        created = await visit.api.call("POST", "/train", body=request)
    except ApiError as error:
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise
        try:
            dataset = await visit.api.get("/dataset/get_dataset_by_id", dataset_id=_dataset_id(form))
        except ApiError:
            raise error from None
        errors = locate_errors(error, request, form)
        return await _render(visit, dataset, form, errors, prefilled=True, status=error.status)
    return visit.redirect(f"/predictors/{created['id']}", notice="The training has started.")


async def check(visit: Visit) -> Response:
    """Say what the form would train, or why that is refused, as a part of its page; nothing is started."""
    form = await _read_form(visit)
    request = build_request(form, _dataset_id(form))
    errors: dict[str, list[str]] = {}
    checked = None
    try:
        checked = await visit.api.call("POST", "/train/check", body=request)
    except ApiError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise
        errors = locate_errors(error, request, form)
    call = Call("POST", f"{API}/train", {}, request)
    return visit.render("train_check.html", checked=checked, errors=errors, call=call)


async def _choose_dataset(visit: Visit) -> Response:
    query = visit.request.query_params
    rows = await listing.read(visit.request, visit.api, "/dataset/list", (), usage="t", state="valid")
    kept = {name: query[name] for name in ("from", "choose", "mode") if query.get(name)}
    return visit.render("train_dataset.html", listing=replace(rows, query={**rows.query, **kept}), kept=kept)


async def _read_form(visit: Visit) -> dict[str, str]:
    sent = await visit.request.form(max_fields=_MAX_FIELDS)
    return {name: value for name, value in sent.items() if isinstance(value, str)}


def _dataset_id(form: Mapping[str, str]) -> int:
    return listing.whole_number(form.get("dataset_id"))


async def _render(
    visit: Visit,
    dataset: Mapping[str, Any],
    form: dict[str, str],
    errors: Mapping[str, list[str]],
    *,
    prefilled: bool,
    status: int = HTTPStatus.OK,
) -> Response:
    # A form that is sent by a program may lack any field.
    form = {"target": "", "mode": "new", "predictor_name": ""} | form
    columns = dataset["schema"] or []
    names = [column["column_name"] for column in columns]
    suggestion = None
    if form.get("target"):
        try:
            suggestion = await visit.api.get("/train/suggestion", dataset_id=dataset["id"], target=form["target"])
        except ApiError as error:
            if error.status not in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
                raise
            field = "target" if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else ""
            errors = {**errors, field: [error.detail]}
    if suggestion is not None:
        form = _complete(form, suggestion, prefilled=prefilled)
    is_wide = len(columns) > _MAX_ROWS
    if is_wide:
        form |= _by_names(form)
    return visit.render(
        "train_new.html",
        status,
        dataset=dataset,
        names=names if len(names) <= _MAX_CHOICES else [],
        suggestion=suggestion,
        options={each["problem_type"]: each for each in suggestion["options"]} if suggestion else {},
        form=form,
        errors=errors,
        is_wide=is_wide,
        pairs=lambda values: [(value, value) for value in values],
        roles_by_names=_ROLES_BY_NAMES,
        source=visit.request.query_params.get("from") or form.get("from", ""),
    )


def _complete(form: Mapping[str, str], suggestion: Mapping[str, Any], *, prefilled: bool) -> dict[str, str]:
    """Return a form with what is suggested for the fields that nobody has filled in."""
    roles = {} if prefilled else {ROLE + row["column_name"]: row["attribute_name"] for row in suggestion["columns"]}
    return {"problem_type": suggestion["problem_type"]} | roles | dict(form)


def _by_names(form: Mapping[str, str]) -> dict[str, str]:
    """Return the fields with the columns of each role, from those with the role of each column."""
    lists: dict[str, list[str]] = {}
    for field, value in form.items():
        if field.startswith(ROLE) and value in _ROLES_BY_NAMES:
            lists.setdefault(NAMES + value, []).append(field.removeprefix(ROLE))
        elif field.startswith(CATEGORY):
            lists.setdefault(NAMES + "category", []).append(field.removeprefix(CATEGORY))
    return {field: "\n".join(names) for field, names in lists.items()}
