"""Forecasts of a model: a series is chosen, its history and its forecast are shown on one chart."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import curves
from dataml.console.api import ApiError
from dataml.console.rendering import url
from dataml.console.typed_numbers import parse_number
from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit

# Frequencies to choose; the API refuses those that are finer than the model's.
_FREQUENCIES: Final = ("Hour", "Day", "Week", "Month", "Quarter", "Year")
_LEVELS: Final = ("80", "90", "95", "99")
_FUTURE: Final = "future."
_SEARCHED: Final = 50
_MAX_DATASETS: Final = 200
# Rows of the form for values of the future; more steps need a dataset.
_MAX_FUTURE_ROWS: Final = 60


@dataclass(frozen=True)
class FutureColumn:
    """A column whose values of the future the model needs."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Options:
    """What was chosen, as it was typed."""

    series: str | None
    steps: str
    level: str
    frequency: str
    aggregate: str
    dataset_id: str
    is_rounded: bool
    is_explained: bool

    @classmethod
    def read(cls, given: Mapping[str, Any], horizon: Any) -> "Options":
        """Return the options of a query or a form."""
        text = {name: str(value).strip() for name, value in given.items()}
        return cls(
            series=text.get("series"),
            steps=text.get("steps") or str(horizon or 1),
            level=text.get("level") or "95",
            frequency=text.get("frequency", ""),
            aggregate=text.get("aggregate") or "sum",
            dataset_id=text.get("dataset_id", ""),
            is_rounded=bool(text.get("round")),
            is_explained=bool(text.get("explain")),
        )


async def show(visit: Visit) -> Response:
    """Show the form, with the history of the series that is chosen; its script asks for the forecast."""
    model = await model_page.read(visit, is_forecast=True)
    if not model_page.is_ready(model):
        return model_page.render(visit, model, "forecast", options=None)
    return await _render(visit, model, visit.request.query_params)


async def forecast(visit: Visit) -> Response:
    """Forecast what the form says: as a part of the page for its script, or else as the page."""
    model = await model_page.read(visit, is_forecast=True)
    form = await visit.request.form()
    options = Options.read(form, _horizon(model))
    is_fragment = visit.request.headers.get("x-fragment") is not None
    try:
        columns = await _read_future_columns(visit, model)
        answer = await visit.api.call("POST", "/inference/forecast", body=_build_request(model, options, form, columns))
        shown = await _describe(visit, model, options, answer)
    except ApiError as error:
        if is_fragment:
            return visit.render("refusal.html", error=error)
        return await _render(visit, model, form, error)
    if is_fragment:
        return visit.render("forecast_answer.html", answer=shown)
    return await _render(visit, model, form, None, shown)


async def _render(
    visit: Visit,
    model: Model,
    given: Mapping[str, Any],
    error: ApiError | None = None,
    answer: Mapping[str, Any] | None = None,
) -> Response:
    options = Options.read(given, _horizon(model))
    found, columns = await asyncio.gather(
        _read_series(visit, model, str(given.get("q", "")), str(given.get("in", ""))),
        _read_future_columns(visit, model),
    )
    series = options.series
    if series is None and found["data"]:
        series = found["data"][0]["unique_id"]
    datasets = []
    if visit.may(Permission.VIEW):
        datasets = (await visit.api.get("/dataset/list", state="valid", limit=_MAX_DATASETS))["data"]
    return model_page.render(
        visit,
        model,
        "forecast",
        error,
        options=options,
        series=series,
        found=found,
        q=given.get("q", ""),
        chosen_level=given.get("in", ""),
        forecast=(model["summary"] or {})["forecast"],
        frequencies=_FREQUENCIES,
        levels=_LEVELS,
        columns=columns,
        future_rows=await _read_future_rows(visit, model, options, columns, given, series),
        future_prefix=_FUTURE,
        datasets=datasets,
        answer=answer,
    )


def _horizon(model: Model) -> Any:
    return ((model["summary"] or {}).get("forecast") or {}).get("horizon")


async def _read_series(visit: Visit, model: Model, text: str, level: str) -> Mapping[str, Any]:
    path = f"/train/{model['id']}/series"
    return await visit.api.get(path, q=text[:300] or None, level=level or None, limit=_SEARCHED)


async def _read_future_columns(visit: Visit, model: Model) -> list[FutureColumn]:
    """Return the exogenous columns of a model that needs values of the future."""
    if not ((model["summary"] or {}).get("forecast") or {}).get("needs_future"):
        return []
    form = await visit.api.get("/inference/form-based-prediction", id=model["id"])
    exogenous = {name for name, role in model["roles"].items() if role == "Exogenous"}
    return [
        FutureColumn(header["column_name"], header["data_type"])
        for header in form["headers"]
        if header["column_name"] in exogenous
    ]


async def _read_future_rows(
    visit: Visit,
    model: Model,
    options: Options,
    columns: Sequence[FutureColumn],
    given: Mapping[str, Any],
    series: str | None,
) -> list[dict[str, Any]]:
    """Return a row of the form for each step: its date, and what was typed."""
    if not columns or not options.steps.isdecimal() or int(options.steps[:6]) > _MAX_FUTURE_ROWS:
        return []
    params = {"unique_id": series, "steps": 1, "ahead": int(options.steps)}
    dates = (await visit.api.get(f"/train/{model['id']}/history", **params))["next_dates"]
    names = [column.name for column in columns]
    return [
        {"date": date, "cells": [(name, given.get(f"{_FUTURE}{row}.{name}", "")) for name in names]}
        for row, date in enumerate(dates)
    ]


def _build_request(
    model: Model, options: Options, form: Mapping[str, Any], columns: Sequence[FutureColumn]
) -> dict[str, Any]:
    """Return the body of the request; what is no number is sent as it is, for the API to refuse."""
    body: dict[str, Any] = {
        "train_id": model["id"],
        "steps": parse_number(options.steps),
        "level": parse_number(options.level),
        "aggregate": options.aggregate,
        "round": options.is_rounded,
        "explain": options.is_explained,
    }
    if options.series:
        body["unique_id"] = options.series
    if options.frequency:
        body["frequency"] = options.frequency
    if options.dataset_id:
        body["dataset_id"] = parse_number(options.dataset_id)
    elif columns:
        body["future"] = _read_future(model, form, columns, options.series)
    return body


def _read_future(
    model: Model, form: Mapping[str, Any], columns: Sequence[FutureColumn], series: str | None
) -> list[dict[str, Any]]:
    roles = {role: name for name, role in model["roles"].items() if role in ("Time", "Id")}
    rows = []
    for number in range(_MAX_FUTURE_ROWS):
        date = form.get(f"{_FUTURE}{number}")
        if date is None:
            break
        cells = {
            column.name: _value(column, str(form.get(f"{_FUTURE}{number}.{column.name}", ""))) for column in columns
        }
        rows.append({roles["Time"]: date} | ({roles["Id"]: series} if "Id" in roles else {}) | cells)
    return rows


def _value(column: FutureColumn, text: str) -> Any:
    if not text.strip():
        return None
    return parse_number(text) if column.data_type in ("Integer", "Float") else text


async def _describe(visit: Visit, model: Model, options: Options, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of the answer shows."""
    steps = answer["forecast"]
    history: list[Mapping[str, Any]] = []
    summary = model["summary"]["forecast"]
    # The history is in the model's own frequency; sums over coarser steps would not be comparable.
    if answer["frequency"] == summary["frequency"] and not options.dataset_id:
        query = {"unique_id": options.series or None, "steps": max(4 * len(steps), 60)}
        history = (await visit.api.get(f"/train/{model['id']}/history", **query))["history"]
    chart = curves.draw_forecast(str(model["target"]), history, steps, answer["level"])
    effects = [sorted((step.get("explanation") or {}).items(), key=lambda item: -abs(item[1]))[:4] for step in steps]
    return {
        "steps": list(zip([_round(step) for step in steps], effects, strict=True)),
        "level": answer["level"],
        "frequency": answer["frequency"],
        "target": model["target"],
        "warnings": answer["warnings"],
        "chart": chart,
        "has_effects": any(effects),
        "address": url(
            model_page.path_of(visit, "forecast"),
            series=options.series,
            steps=options.steps,
            level=options.level,
            frequency=options.frequency,
            aggregate=options.aggregate if options.frequency else None,
            dataset_id=options.dataset_id,
            round="1" if options.is_rounded else None,
            explain="1" if options.is_explained else None,
        ),
    }


def _round(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step with values of six significant digits, which is more than a forecast knows."""
    values = {name: step[name] for name in ("value", "lower", "upper")}
    return {**step} | {
        name: value if isinstance(value, int) else float(f"{value:.6g}") for name, value in values.items()
    }
