"""Trying a model: a prediction for values that are typed, its reasons, and what another value would change."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from dataml.console import curves
from dataml.console.api import ApiError
from dataml.console.typed_numbers import parse_number
from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit

# Features and the choice of the form have fields of one form.
_PREFIX: Final = "f."
_VARIED: Final = "varied"
_SHOWN_FIELDS: Final = 40
_MAX_CATEGORIES: Final = 30
_MAX_EFFECTS: Final = 10
_CURVE_POINTS: Final = 25
_NUMERIC: Final = ("Integer", "Float")


@dataclass(frozen=True)
class Field:
    """A field of the form: a feature of the model, what is known of its values, and the one that is shown.

    `low` and `high` are the ends of the values that the model was trained on; `choices` are the only values that are
    allowed, and `known` some that there were.
    """

    name: str
    data_type: str
    value: str
    is_required: bool
    minimum: str | None
    maximum: str | None
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    known: tuple[str, ...]

    @property
    def field_name(self) -> str:
        """Its name in the form."""
        return _PREFIX + self.name

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.data_type in _NUMERIC

    def points(self) -> list[Any]:
        """Return the values over which it can be varied, in order; none where nothing is known of them."""
        if self.choices or self.known:
            return list(self.choices or self.known)[:_CURVE_POINTS]
        if self.low is None or self.high is None:
            return []
        steps = [self.low + (self.high - self.low) * number / (_CURVE_POINTS - 1) for number in range(_CURVE_POINTS)]
        return list(dict.fromkeys(round(step) for step in steps)) if self.data_type == "Integer" else steps


@dataclass(frozen=True)
class Curve:
    """Predictions for the values of one feature, the others as they are: a chart, and its rows."""

    feature: str
    title: str
    chart: dict[str, Any]
    rows: Sequence[tuple[Any, float]]


async def show_form(visit: Visit) -> Response:
    """Show a form with a field for each feature, filled in with a typical row."""
    model = await model_page.read(visit, is_forecast=False)
    if not model_page.is_ready(model):
        return model_page.render(visit, model, "try", fields=None)
    return _render(visit, model, await _read_fields(visit, model, {}), None)


async def predict(visit: Visit) -> Response:
    """Answer the form: as a part of the page for its script, or else as the page."""
    form = {name: str(value) for name, value in (await visit.request.form()).items()}
    typed = {name.removeprefix(_PREFIX): value for name, value in form.items() if name.startswith(_PREFIX)}
    model = await model_page.read(visit, is_forecast=False)
    fields = await _read_fields(visit, model, typed)
    # A field that is left empty is a missing value; only a feature with a default may be left out.
    features = {field.name: _to_json(field, field.value) if field.value else None for field in fields}
    try:
        answer = await _predict(visit, model, features)
        curve = await _read_curve(visit, model, fields, features, form.get(_VARIED, ""))
    except ApiError as error:
        if _is_fragment(visit):
            return visit.render("refusal.html", error=error)
        return _render(visit, model, fields, None, form.get(_VARIED, ""), error)
    shown = _describe(model, answer) | {"curve": curve}
    if _is_fragment(visit):
        return visit.render("answer.html", answer=shown)
    return _render(visit, model, fields, shown, form.get(_VARIED, ""))


def _render(
    visit: Visit,
    model: Model,
    fields: Sequence[Field],
    answer: Mapping[str, Any] | None,
    varied: str = "",
    error: ApiError | None = None,
) -> Response:
    return model_page.render(
        visit,
        model,
        "try",
        error,
        fields=fields[:_SHOWN_FIELDS],
        more_fields=fields[_SHOWN_FIELDS:],
        variable=[field.name for field in fields if field.points()],
        varied=varied,
        answer=answer,
    )


async def _predict(visit: Visit, model: Model, features: Mapping[str, Any]) -> Mapping[str, Any]:
    body = {"train_id": model["id"], "features": features, "explain": True}
    return await visit.api.call("POST", "/inference", body=body)


async def _read_fields(visit: Visit, model: Model, typed: Mapping[str, str]) -> list[Field]:
    """Return the fields, with what was typed or, where nothing was, with a typical value."""
    form, report = await asyncio.gather(
        visit.api.get("/inference/form-based-prediction", id=model["id"]),
        visit.api.get(f"/train/{model['id']}/report"),
    )
    known = report["report"].get("features") or {}
    ranges = (model["summary"] or {}).get("feature_ranges") or {}
    values = typed or await _read_typical(visit, model, known)
    return [_build_field(header, known, ranges, values) for header in form["headers"]]


def _build_field(
    header: Mapping[str, Any], known: Mapping[str, Any], ranges: Mapping[str, Any], values: Mapping[str, Any]
) -> Field:
    name, data_type = header["column_name"], header["data_type"]
    low, high = ranges.get(name) or (None, None)
    value = values.get(name, header["default_value"])
    choices = ("true", "false") if data_type == "Boolean" else tuple(header["allowed_values"] or ())
    return Field(
        name,
        data_type,
        _to_text(value),
        header["is_required"],
        header["minimum"],
        header["maximum"],
        low,
        high,
        choices,
        tuple(str(text) for text in (known.get(name) or {}).get("categories") or ())[:_MAX_CATEGORIES],
    )


async def _read_typical(visit: Visit, model: Model, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a typical value of each feature; the first row of the dataset for a model of an earlier version."""
    if known:
        return {name: each.get("typical") for name, each in known.items()}
    answer = await visit.api.find("/dataset/view", dataset_id=model["dataset_id"], limit=1)
    return answer["preview"][0] if answer and answer["preview"] else {}


async def _read_curve(
    visit: Visit, model: Model, fields: Sequence[Field], features: Mapping[str, Any], varied: str
) -> Curve | None:
    """Return the predictions for the values of a feature; None where it is not one that can be varied."""
    field = next((field for field in fields if field.name == varied), None)
    points = field.points() if field is not None else []
    if field is None or not points:
        return None
    rows = [{**features, field.name: _to_json(field, _to_text(point))} for point in points]
    answers = await _predict_rows(visit, model, rows)
    positive = model["positive_class"]
    if positive is not None:
        numbers = [answer["probabilities"][positive] for answer in answers]
        title = f"Probability of “{positive}”"
    elif model["problem_type"] == "Regression":
        numbers, title = [float(answer["prediction"]) for answer in answers], str(model["target"])
    else:
        shown = max(
            answers[0]["probabilities"], key=lambda name: max(answer["probabilities"][name] for answer in answers)
        )
        numbers = [answer["probabilities"][shown] for answer in answers]
        title = f"Probability of “{shown}”"
    is_share = model["problem_type"] == "Classification"
    chart = curves.draw(field.name, title, points, numbers, features.get(field.name), is_share=is_share)
    return Curve(field.name, title, chart, list(zip(points, numbers, strict=True)))


async def _predict_rows(visit: Visit, model: Model, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return (await visit.api.call("POST", model["version_url"], body={"instances": rows}))["predictions"]


def _describe(model: Model, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the answer's template shows."""
    effects = sorted((answer["explanation"] or {}).items(), key=lambda item: -abs(item[1]))
    classes = [str(label) for label in answer["probabilities"] or ()]
    return {
        "target": model["target"],
        "prediction": answer["prediction"],
        "probabilities": sorted((answer["probabilities"] or {}).items(), key=lambda item: -item[1])[:_MAX_EFFECTS],
        "decided_by": answer["threshold"] if model["threshold_source"] not in (None, "default") else None,
        "positive_class": answer["positive_class"],
        "warnings": answer["warnings"],
        "effects": effects[:_MAX_EFFECTS],
        "largest": max((abs(effect) for _, effect in effects), default=0.0) or 1.0,
        # Effects of two classes are on the log-odds of the second one.
        "directions": tuple(classes) if len(classes) == 2 else None,
        "is_regression": not classes,
    }


def _is_fragment(visit: Visit) -> bool:
    return visit.request.headers.get("x-fragment") is not None


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else str(value)


def _to_json(field: Field, text: str) -> Any:
    """Return a number for a feature that is one, since texts are read as the dataset spells numbers; else the text."""
    return parse_number(text) if field.is_numeric else text
