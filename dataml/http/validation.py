"""What is wrong with a request that does not fit its schema, in our own words: Pydantic's are for programmers."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from dataml.errors import FieldError, InvalidFields
from dataml.suggestions import MAX_SUGGESTIONS, describe_all_unknown, describe_unknown, suggest

_UNKNOWN: Final = "extra_forbidden"
_Location = tuple[str | int, ...]
_M = TypeVar("_M", bound=BaseModel)

_DATE: Final = "be a date such as 2024-01-31"
_TIME: Final = "be a time such as 2024-01-31T12:00:00Z"
# What a value must do, by the type of Pydantic's error; `{...}` is a value of the error's context.
REQUIREMENTS: Final[Mapping[str, str]] = {
    "model_type": "be an object",
    "model_attributes_type": "be an object",
    "dict_type": "be an object",
    "mapping_type": "be an object",
    "list_type": "be a list",
    "tuple_type": "be a list",
    "set_type": "be a list",
    "frozen_set_type": "be a list",
    "iterable_type": "be a list",
    "string_type": "be text",
    "string_unicode": "be text",
    "bool_type": "be true or false",
    "bool_parsing": "be true or false",
    "int_type": "be a whole number",
    "int_parsing": "be a whole number",
    "int_from_float": "be a whole number",
    "int_parsing_size": "have fewer digits",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "none_required": "be null",
    "literal_error": "be {expected}",
    "enum": "be {expected}",
    "greater_than": "be more than {gt}",
    "greater_than_equal": "be at least {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}",
    "multiple_of": "be a multiple of {multiple_of}",
    "too_short": "have at least {min_length} entries",
    "too_long": "have at most {max_length} entries",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "match the pattern {pattern}",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": "have an offset from UTC",
    "timezone_naive": "have no offset from UTC",
    "time_delta_type": "be a duration such as PT1H",
    "time_delta_parsing": "be a duration such as PT1H",
    "uuid_type": "be a UUID",
    "uuid_parsing": "be a UUID",
    "recursion_loop": "have fewer levels",
    "recursion_depth_exceeded": "have fewer levels",
}
"""Errors of other types say that the value is not one that the call takes."""

# Errors whose context has a sentence of a validator of ours.
_OWN: Final = ("value_error", "assertion_error")


def invalid_request(
    errors: Iterable[Mapping[str, Any]], schema: object = None, source: str | None = None
) -> InvalidFields:
    """Return the error of a request that does not fit its schema, unknown names first.

    Args:
        errors: Pydantic's errors.
        schema: the type of the body, for the names of its fields.
        source: the part of the request that the locations are in (`body`); None where they start with it.
    """
    by_place: dict[tuple[_Location, bool], list[FieldError]] = {}
    for index, error in enumerate(errors):
        location: _Location = (source, *error["loc"]) if source else tuple(error["loc"])
        is_unknown = error["type"] == _UNKNOWN
        path, models = _resolve(location, schema, is_unknown=is_unknown)
        known = [name for model in models for name in _field_names(model)]
        message = _describe(error, path, known, has_suggestion=index < MAX_SUGGESTIONS)
        by_place.setdefault((path, is_unknown), []).append(FieldError(path, message, error["type"]))
    ordered = sorted(by_place.items(), key=lambda item: not item[0][1])
    return InvalidFields([_merge(fields) for _, fields in ordered], code="invalid_request")


def read_as(schema: type[_M], value: object, source: str = "body", *, strict: bool | None = None) -> _M:
    """Return a part of a request as an object of a schema.

    Raises:
        InvalidFields: `invalid_request`.
    """
    try:
        return schema.model_validate(value, strict=strict)
    except ValidationError as error:
        # Without a cause, whose text repeats what was sent: it may be a secret.
        raise invalid_request(map(dict, error.errors(include_url=False)), schema, source) from None


def refuse_unknown_parameters(sent: Iterable[str], known: Collection[str]) -> None:
    """Refuse parameters of a query that a call does not have.

    Raises:
        InvalidFields: `unknown_parameter`.
    """
    unknown = [name for name in dict.fromkeys(sent) if name not in known]
    if unknown:
        messages = describe_all_unknown("parameter", unknown, known)
        pairs = zip(unknown, messages, strict=True)
        fields = [FieldError(("query", name), text, "unknown_parameter") for name, text in pairs]
        raise InvalidFields(fields, code="unknown_parameter")


def _describe(error: Mapping[str, Any], path: _Location, known: Sequence[str], *, has_suggestion: bool) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    if kind == _UNKNOWN:
        return describe_unknown("field", str(path[-1]), known if has_suggestion else ())
    if kind in _OWN:
        return _to_sentence(str(context.get("error") or f"{_name(path)} is not valid"))
    if kind == "missing":
        return f"{_name(path)} is missing."
    requirement = REQUIREMENTS.get(kind)
    if requirement is None:
        return f"{_name(path)} is not a value that this call takes."
    end = _ask(error, context) if has_suggestion else "."
    return f"{_name(path)} must {requirement.format(**context)}{end}"


def _ask(error: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    sent = error.get("input")
    expected = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    meant = suggest(sent, expected) if isinstance(sent, str) else None
    return "." if meant is None else f"; did you mean '{meant}'?"


def _name(path: _Location) -> str:
    """Return the name of a value: `'limit'`, `'columns[0].hint'`; of the body itself `The body`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:]).removeprefix(".")
    return f"'{text}'" if text else f"The {path[0]}"


def _to_sentence(text: str) -> str:
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _merge(fields: Sequence[FieldError]) -> FieldError:
    """Return one error for a value that fits none of several types."""
    first, *others = fields
    start = first.message.partition(" must ")[0] + " must be "
    if not others or not all(field.message.startswith(start) for field in fields):
        return first
    wanted = dict.fromkeys(field.message.removeprefix(start).removesuffix(".") for field in fields)
    return FieldError(first.location, start + " or ".join(wanted) + ".", first.code)


def _resolve(location: _Location, schema: object, *, is_unknown: bool) -> tuple[_Location, list[type[BaseModel]]]:
    """Return a location without the names of the types that a union has tried, and the schemas at its end."""
    models = list(_models_in(schema))
    if not models or location[0] != "body":
        return location, []
    path = [location[0]]
    for part in location[1:-1] if is_unknown else location[1:]:
        fields = [field for model in models for field in _fields_named(model, part)]
        if fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
        else:
            models = [model for model in models if model.__name__ == part] or models
        if fields or isinstance(part, int):
            path.append(part)
    return (*path, location[-1]) if is_unknown else tuple(path), models


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _fields_named(model: type[BaseModel], name: str | int) -> Iterator[Any]:
    yield from (field for key, field in model.model_fields.items() if name in (key, field.alias))


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or key for key, field in model.model_fields.items()]
