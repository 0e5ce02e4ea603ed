"""Any value of a model's JSON files, such as its parameters, as something that a template can lay out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from dataml.ml.report.formatting import MISSING, format_number, shorten

MAX_ITEMS: Final = 60


@dataclass(frozen=True)
class TextValue:
    """A text, a number or a list of them, on one line."""

    kind: ClassVar = "text"
    text: str
    is_number: bool = False


@dataclass(frozen=True)
class FieldsValue:
    """Names with their values, and how many more there are than those."""

    kind: ClassVar = "fields"
    fields: tuple[tuple[str, "DisplayValue"], ...]
    n_omitted: int


@dataclass(frozen=True)
class RecordsValue:
    """Rows of a table, a cell a column, and how many more rows there are."""

    kind: ClassVar = "records"
    columns: tuple[str, ...]
    rows: tuple[tuple["DisplayValue", ...], ...]
    n_omitted: int


DisplayValue: TypeAlias = TextValue | FieldsValue | RecordsValue


def display_value(value: object) -> DisplayValue:
    """Return how to show a value: an object as its fields, a list of objects as a table, all else as one text."""
    if is_empty(value):
        return TextValue(MISSING, is_number=value is None)
    if isinstance(value, bool):
        return TextValue("yes" if value else "no")
    if isinstance(value, int | float):
        return TextValue(format_number(value), is_number=True)
    if isinstance(value, Mapping):
        return display_fields(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _display_list(value)
    return TextValue(str(shorten(str(value))))


def display_fields(fields: Iterable[tuple[object, object]]) -> FieldsValue:
    """Return the first `MAX_ITEMS` fields and how to show the value of each."""
    every = list(fields)
    displayed = tuple((str(name), display_value(value)) for name, value in every[:MAX_ITEMS])
    return FieldsValue(displayed, max(0, len(every) - MAX_ITEMS))


def is_empty(value: object) -> bool:
    """Return whether a value is nothing, or a list or an object without content."""
    return value is None or value == [] or value == () or value == {}


def _display_list(values: Sequence[Any]) -> TextValue | RecordsValue:
    n_omitted = max(0, len(values) - MAX_ITEMS)
    if all(isinstance(value, Mapping) for value in values):
        columns = tuple(dict.fromkeys(str(name) for value in values for name in value))
        rows = tuple(tuple(display_value(value.get(name)) for name in columns) for value in values[:MAX_ITEMS])
        return RecordsValue(columns, rows, n_omitted)
    if any(isinstance(value, Mapping | list | tuple) for value in values):
        return TextValue(str(shorten(json.dumps(values, ensure_ascii=False, default=str))))
    # Values of a list that are neither objects nor lists are texts all of them.
    texts = [value.text for each in values[:MAX_ITEMS] if isinstance(value := display_value(each), TextValue)]
    return TextValue(", ".join(texts) + (f", and {n_omitted:,} more" if n_omitted else ""))
