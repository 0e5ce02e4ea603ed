"""The form of a training: the request that it stands for, and the fields that an error of the API is about."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dataml.console.api import ApiError
from dataml.console.typed_numbers import parse_number

ROLE: Final = "role:"
"""Prefix of the field with the role of one column."""
NAMES: Final = "names:"
"""Prefix of the field with the names of all columns of one role, one a line: of tables with many columns."""
CATEGORY: Final = "category:"
"""Prefix of the field that says that the numbers of a column are categories."""
_FEATURE: Final = "Feature"
_CATEGORY_NAMES: Final = NAMES + "category"
_TOP: Final = ""
# The fields of a section of the request are those of the form, but for these names.
_SECTIONS: Final = {
    "validation": ("holdout", "folds", "group"),
    "forecast": ("horizon", "frequency", "season_length", "fill", "windows", "hierarchy"),
    "tuning": ("trials", "time_budget_s", "metric"),
}
_NUMBERS: Final = frozenset(
    {"holdout", "folds", "horizon", "season_length", "windows", "trials", "time_budget_s", "seed", "time_limit_s"}
)
# Names of columns, with commas between them.
_LISTS: Final = frozenset({"hierarchy"})
# Errors without the place of a field are shown at the field that settles them; others on top of the form.
_FIELDS_BY_CODE: Final = {
    "predictor_exists": "mode",
    "predictor_not_found": "mode",
    "training_in_progress": "mode",
    "predictor_changed": "mode",
    "roles_changed": "mode",
    "schema_changed": "mode",
    "url_name_exists": "predictor_name",
    "unknown_problem_type": "problem_type",
    "problem_type_changed": "problem_type",
    "target_not_numeric": "problem_type",
    "unknown_algorithm": "algorithm",
    "algorithm_changed": "algorithm",
    "algorithm_not_installed": "algorithm",
    "unknown_hyperparameter": "hyperparameters",
    "invalid_hyperparameter": "hyperparameters",
    "bad_positive_class": "positive_class",
    "bad_validation": "group",
    "bad_tuning": "metric",
    "unknown_frequency": "frequency",
    "frequency_mismatch": "frequency",
    "irregular_series": "frequency",
    "mixed_frequencies": "frequency",
    "bad_hierarchy": "hierarchy",
    "ragged_hierarchy": "hierarchy",
    "time_limit_too_long": "time_limit_s",
    "target_is_identifier": "allow_identifier_target",
}

Form = Mapping[str, str]


def build_request(form: Form, dataset_id: int) -> dict[str, Any]:
    """Return the body of `POST /train` that a form stands for.

    Fields that were left empty are not sent. What is no number is sent as it was typed, so that the API says what is
    wrong with it.
    """
    problem_type, mode = form.get("problem_type", ""), form.get("mode", "new")
    body: dict[str, Any] = {
        "dataset_id": dataset_id,
        "predictor_name": form.get("predictor_name", ""),
        "domain": form.get("domain", "").strip() or "General",
        "problem_type": problem_type,
        "columns": [] if mode == "continue" else _list_columns(form),
    }
    is_forecast = problem_type == "Forecast"
    if mode == "continue":
        body["is_incremental"] = True
        if is_forecast and form.get("revised"):
            body["forecast"] = {"revised": form["revised"]}
    else:
        body |= {"new_version": True} if mode == "version" else {}
        body |= _read_options(form, is_forecast=is_forecast)
    for name in ("seed", "time_limit_s"):
        body |= _read(form, name)
    if form.get("shap_enabled"):
        body["shap_enabled"] = True
    return body


def locate_errors(error: ApiError, request: Mapping[str, Any], form: Form) -> dict[str, list[str]]:
    """Return the messages of an error by the field of the form; those of no field by the empty name."""
    detail = error.body.get("detail")
    if not isinstance(detail, list):
        field = _FIELDS_BY_CODE.get(error.code, _TOP)
        return {field: [error.detail]}
    located: dict[str, list[str]] = {}
    for part in detail:
        place = [step for step in part.get("loc", ()) if step != "body"]
        message = str(part.get("msg", "")) or error.detail
        located.setdefault(_field_of(place, request, form), []).append(message)
    return located


def prefill(training: Mapping[str, Any], mode: str) -> dict[str, str]:
    """Return the form of the request that a training was made with, for its next version."""
    requested = training.get("requested") or {}
    form = {
        "predictor_name": training["predictor_name"],
        "domain": training["domain"],
        "problem_type": training["problem_type"],
        "mode": mode,
        "forecast_algorithm" if training["problem_type"] == "Forecast" else "algorithm": training["requested_algorithm"]
        or "auto",
    }
    form |= {ROLE + name: role for name, role in (training.get("roles") or {}).items()}
    for section, names in _SECTIONS.items():
        values = requested.get(section) or {}
        form |= {name: _to_text(values[name]) for name in names if values.get(name) not in (None, [])}
        if section == "tuning" and values:
            form["tune"] = "on"
    for name in ("seed", "time_limit_s", "positive_class", "quality"):
        if requested.get(name) not in (None, 0):
            form[name] = _to_text(requested[name])
    if training.get("hyperparameters"):
        form["hyperparameters"] = json.dumps(training["hyperparameters"])
    if requested.get("allow_identifier_target"):
        form["allow_identifier_target"] = "on"
    return form


def _read_options(form: Form, *, is_forecast: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    algorithm = form.get("forecast_algorithm" if is_forecast else "algorithm", "")
    if algorithm not in ("", "auto"):
        options["algorithm"] = algorithm
    if text := form.get("hyperparameters", "").strip():
        options["hyperparameters"] = _parse_object(text)
    if form.get("allow_identifier_target"):
        options["allow_identifier_target"] = True
    if is_forecast:
        return options | _read_section(form, "forecast")
    options |= _read(form, "quality")
    if form.get("problem_type") == "Classification" and form.get("positive_class"):
        options["positive_class"] = form["positive_class"]
    options |= _read_section(form, "validation")
    if form.get("tune"):
        metric = form.get(f"metric:{form.get('problem_type')}") or form.get("metric")
        tuning = _read_section({**form, "metric": metric or ""}, "tuning")
        options |= tuning or {"tuning": {}}
    return options


def _read_section(form: Form, section: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in _SECTIONS[section]:
        values |= _read(form, name)
    return {section: values} if values else {}


def _read(form: Form, name: str) -> dict[str, Any]:
    text = form.get(name, "").strip()
    if not text:
        return {}
    if name in _LISTS:
        return {name: [part.strip() for part in text.split(",") if part.strip()]}
    return {name: parse_number(text) if name in _NUMBERS else text}


def _parse_object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list_columns(form: Form) -> list[dict[str, str]]:
    """Return the columns that are no plain features, the target first."""
    target = form.get("target", "")
    roles = {target: "Target"} if target else {}
    for field, value in form.items():
        if field.startswith(ROLE) and value and field != ROLE + target:
            roles[field.removeprefix(ROLE)] = value
        elif field.startswith(NAMES) and field != _CATEGORY_NAMES:
            roles |= {name: field.removeprefix(NAMES) for name in _lines(value) if name != target}
    categories = {field.removeprefix(CATEGORY) for field in form if field.startswith(CATEGORY)}
    categories |= set(_lines(form.get(_CATEGORY_NAMES, "")))
    names = [name for name, role in roles.items() if role != _FEATURE or name in categories]
    return [
        {"column_name": name, "attribute_name": roles.get(name, _FEATURE)}
        | ({"hint": "category"} if name in categories else {})
        for name in dict.fromkeys([*names, *sorted(categories)])
    ]


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.replace("\r", "").split("\n") if line.strip())


def _field_of(place: list[Any], request: Mapping[str, Any], form: Form) -> str:
    """Return the field of the form that a place of the request comes from."""
    if place[:1] == ["columns"] and len(place) > 1 and isinstance(place[1], int):
        name = request["columns"][place[1]]["column_name"]
        return ROLE + name if ROLE + name in form else "target" if name == form.get("target") else "columns"
    return str(place[-1]) if place else _TOP


def _to_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value)
