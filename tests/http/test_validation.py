"""What is wrong with a request is said in our words, and never in Pydantic's."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from dataml.app import _MODULES
from dataml.errors import InvalidFields
from dataml.http.validation import REQUIREMENTS, _models_in, invalid_request, read_as, refuse_unknown_parameters
from dataml.inference import forecast_routes
from dataml.inference.forecast_schemas import DirectForecastRequest
from dataml.inference.schemas import DirectRequest, PredictRequest

PYDANTIC = re.compile(
    r"Input should|Field required|Value error|Assertion failed|inputs are not|valid (string|integer|number|list)"
    r"|dictionary|should have|unable to|parse|\bNone\b|Keys should|after validation"
)
WRONG_VALUES: tuple[Any, ...] = (None, True, 5, -5, 5.5, 1e300, 10**30, float("nan"), "", "x", "x" * 2_000, "\0")
WRONG_VALUES += ([], [[]], {}, {"a": 1}, [{"a": 1}], list(range(3_000)), [None], "2024-13-45", "1" * 5_000)
STRICT_BODIES = (PredictRequest, DirectRequest, DirectForecastRequest)
# Errors that a sentence of their own stands for, and not a requirement.
WITH_SENTENCE = {"missing", "extra_forbidden", "value_error"}


class Column(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=5)
    kind: Literal["id", "feature"] = "feature"


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(ge=1)
    columns: list[Column] = Field([], max_length=2)
    names: list[str] | Literal["all"] | None = None
    future: list[dict[str, Any]] | Column | None = None


def messages_of(value: object) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidFields) as caught:
        read_as(Sample, value, strict=True)
    return {field.location: field.message for field in caught.value.fields}


@pytest.mark.parametrize(
    ("value", "location", "message"),
    [
        ([], (), "The body must be an object."),
        ({}, ("count",), "'count' is missing."),
        ({"count": 0}, ("count",), "'count' must be at least 1."),
        ({"count": "1"}, ("count",), "'count' must be a whole number."),
        ({"count": 1, "colums": []}, ("colums",), "There is no field 'colums'; did you mean 'columns'?"),
        ({"count": 1, "x": []}, ("x",), "There is no field 'x'."),
        (
            {"count": 1, "columns": [{"name": "a", "Kind": "id"}]},
            ("columns", 0, "Kind"),
            "There is no field 'Kind'; did you mean 'kind'?",
        ),
        (
            {"count": 1, "columns": [{"name": "a", "kind": "featur"}]},
            ("columns", 0, "kind"),
            "'columns[0].kind' must be 'id' or 'feature'; did you mean 'feature'?",
        ),
        (
            {"count": 1, "columns": [{"name": ""}]},
            ("columns", 0, "name"),
            "'columns[0].name' must have at least 1 characters.",
        ),
        ({"count": 1, "names": 5}, ("names",), "'names' must be a list or 'all'."),
        ({"count": 1, "names": [5]}, ("names", 0), "'names[0]' must be text."),
        ({"count": 1, "future": {"nam": "a"}}, ("future", "nam"), "There is no field 'nam'; did you mean 'name'?"),
    ],
)
def test_wrong_field_is_named_with_what_it_must_be(
    value: object, location: tuple[str | int, ...], message: str
) -> None:
    assert messages_of(value)["body", *location] == message


def test_unknown_fields_come_first() -> None:
    assert list(messages_of({"columns": 5, "cont": 1})) == [("body", "cont"), ("body", "count"), ("body", "columns")]


def test_sentence_of_a_validator_of_ours_stays() -> None:
    error = {"type": "value_error", "loc": ("name",), "ctx": {"error": ValueError("a name has letters only")}}
    assert invalid_request([error], source="body").fields[0].message == "A name has letters only."


def test_wrong_value_is_not_repeated() -> None:
    secret = "a secret that somebody sent"
    with pytest.raises(InvalidFields) as caught:
        read_as(Sample, {"count": secret, "columns": [{"name": secret, "kind": secret}], "names": secret})
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(InvalidFields) as caught:
        refuse_unknown_parameters(["limt", "offset", "x"], ["limit", "offset"])
    assert [(f.location, f.message) for f in caught.value.fields] == [
        (("query", "limt"), "There is no parameter 'limt'; did you mean 'limit'?"),
        (("query", "x"), "There is no parameter 'x'."),
    ]
    assert caught.value.code == "unknown_parameter"


def request_types() -> Iterator[Any]:
    """Yield the types of all bodies and parameters of all calls."""
    yield from STRICT_BODIES
    for module in (*_MODULES, forecast_routes):
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            fields = get_flat_params(route.dependant) + ([route.body_field] if route.body_field else [])
            for field in fields:
                yield Annotated[field.field_info.annotation, field.field_info]


def all_models(types: list[Any]) -> set[type[BaseModel]]:
    """Return the schemas of these types, and those of their fields, at any depth."""
    found: set[type[BaseModel]] = set()
    waiting = list(types)
    while waiting:
        for model in set(_models_in(waiting.pop())) - found:
            found.add(model)
            waiting += [field.annotation for field in model.model_fields.values()]
    return found


def possible_errors() -> Iterator[dict[str, Any]]:
    """Yield what Pydantic says about wrong values of each parameter, and of each field of each body."""
    types = list(request_types())
    models = all_models(types)
    assert len(types) > 100
    assert len(models) > 20
    for adapter in map(TypeAdapter[Any], types):
        yield from errors_of(adapter, WRONG_VALUES)
    for model in models:
        bodies = [{name: value} for name in model.model_fields for value in WRONG_VALUES]
        yield from errors_of(TypeAdapter(model), bodies, strict=model in STRICT_BODIES)


def errors_of(adapter: TypeAdapter[Any], values: Iterable[Any], *, strict: bool = False) -> Iterator[dict[str, Any]]:
    for value in values:
        try:
            adapter.validate_python(value, strict=strict or None)
        except ValidationError as error:
            yield from map(dict, error.errors(include_url=False))


def test_every_type_of_error_that_a_call_can_have_has_a_sentence() -> None:
    seen: dict[str, str] = {}
    for error in possible_errors():
        (field,) = invalid_request([error], source="body").fields
        seen.setdefault(error["type"], field.message)
        assert not PYDANTIC.search(field.message.replace("x" * 99, "")), field
    assert len(seen) > 20
    assert set(seen) <= REQUIREMENTS.keys() | WITH_SENTENCE, seen


def test_no_type_of_error_is_told_in_the_words_of_pydantic() -> None:
    for known in list_all_errors():
        error = {"type": known["type"], "loc": ("a",), "ctx": known.get("example_context") or {}}
        (field,) = invalid_request([error], source="body").fields
        assert not PYDANTIC.search(field.message), field
        assert field.message.endswith((".", "?"))
