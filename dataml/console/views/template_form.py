"""The form of a template's columns: what was typed, changes of its rows, and the body of the call that saves it.

One row of the form is one column: its name, type, default and whether it is required are fields; its other rules are
one hidden field of JSON, which is taken apart into fields for the row that is open.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import FormData

from dataml.template.schemas import TemplateColumn

_PLAIN_FIELDS: Final = ("column_name", "data_type", "default_value", "nullable")
# Fields of the open row, as the API names them. Lists have one value a line, the others are true or absent.
TEXT_FIELDS: Final = ("minimum", "maximum", "pattern", "number_format", "date_format", "date_order", "time_zone")
LIST_FIELDS: Final = ("allowed_values", "missing_values")
FLAG_FIELDS: Final = ("unique", "strip")
_EMPTY_TEXT: Final = "(empty)"


@dataclass
class Row:
    """A column as it is in the form; `rules` are its fields that have no place in the row."""

    column_name: str = ""
    data_type: str = "String"
    default_value: str = ""
    is_required: bool = False
    rules: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def of(cls, column: Mapping[str, Any]) -> "Row":
        """Return the row of a column of the API."""
        rules = {name: value for name, value in column.items() if name not in _PLAIN_FIELDS}
        default = column.get("default_value")
        shown = "" if default is None else default or _EMPTY_TEXT
        is_required = column.get("nullable") is False
        return cls(column["column_name"], column["data_type"], shown, is_required, rules)

    @property
    def rules_json(self) -> str:
        """The rules as the text of a hidden field."""
        return json.dumps(self.rules)

    def to_column(self) -> dict[str, Any]:
        """Return the column as the API takes it."""
        column: dict[str, Any] = {"column_name": self.column_name, "data_type": self.data_type, **self.rules}
        if self.default_value:
            column["default_value"] = "" if self.default_value == _EMPTY_TEXT else self.default_value
        if self.is_required:
            column["nullable"] = False
        return column


@dataclass
class TemplateForm:
    """What the form holds; `open_row` is the row whose rules are shown as fields."""

    template_name: str
    rows: list[Row]
    open_row: int | None = None
    failure: str | None = None

    @classmethod
    def of_columns(cls, template_name: str, columns: Sequence[Mapping[str, Any]]) -> "TemplateForm":
        """Return the form of a template, or of a draft."""
        return cls(template_name, [Row.of(column) for column in columns] or [Row()])

    @classmethod
    def read(cls, form: FormData) -> "TemplateForm":
        """Return what was sent; a form that was made by hand may lack fields."""
        texts = {
            name: [str(value) for value in form.getlist(name)] for name in ("default", "type", "required", "rules")
        }
        rows = [
            Row(
                str(name),
                _at(texts["type"], place) or "String",
                _at(texts["default"], place),
                _at(texts["required"], place) == "required",
                _parse_rules(_at(texts["rules"], place)),
            )
            for place, name in enumerate(form.getlist("name"))
        ]
        opened = _to_place(str(form.get("open", "")), rows)
        if opened is not None:
            rows[opened].rules = _read_open_rules(form)
        return cls(str(form.get("template_name", "")), rows, opened)

    def change(self, action: str, place: str) -> None:
        """Add, remove, move or open a row; nothing where the place does not exist."""
        at = _to_place(place, self.rows)
        if action == "add":
            self.rows.append(Row())
            self.open_row = None
        elif at is None:
            return
        elif action == "open":
            self.open_row = None if self.open_row == at else at
        elif action == "remove":
            del self.rows[at]
            self.open_row = None
        elif action in ("up", "down"):
            other = at - 1 if action == "up" else at + 1
            if 0 <= other < len(self.rows):
                self.rows[at], self.rows[other] = self.rows[other], self.rows[at]
                self.open_row = None

    def to_body(self) -> dict[str, Any]:
        """Return the body of the calls that save a template."""
        # A row that nothing was typed into is no column.
        rows = [row for row in self.rows if row.column_name or row.default_value or row.rules]
        return {"template_name": self.template_name, "template_schema": [row.to_column() for row in rows]}

    def refuse(self, detail: str, errors: object) -> None:
        """Show an error of the API at the row that it names, and on top of the form."""
        self.failure = detail
        sent = [row for row in self.rows if row.column_name or row.default_value or row.rules]
        for error in errors if isinstance(errors, list) else []:
            place = next((part for part in error.get("loc", ()) if isinstance(part, int)), None)
            if place is not None and place < len(sent):
                names = [str(part) for part in error["loc"] if part not in ("body", "template_schema", place)]
                sent[place].failure = f"{' '.join(names)}: {error.get('msg', '')}".removeprefix(": ")


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""


def _to_place(text: str, rows: Sequence[Row]) -> int | None:
    """Return the number of a row, or None where it names none."""
    place = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else len(rows)
    return place if place < len(rows) else None


def _parse_rules(text: str) -> dict[str, Any]:
    try:
        rules = json.loads(text or "{}")
    except ValueError:
        return {}
    known = TemplateColumn.model_fields.keys() - set(_PLAIN_FIELDS)
    return {name: value for name, value in rules.items() if name in known} if isinstance(rules, dict) else {}


def _read_open_rules(form: FormData) -> dict[str, Any]:
    given = {name: str(form.get(f"open.{name}", "")) for name in (*TEXT_FIELDS, *LIST_FIELDS, *FLAG_FIELDS, "unseen")}
    rules: dict[str, Any] = {name: given[name] for name in TEXT_FIELDS if given[name]}
    for name in LIST_FIELDS:
        lines = [line for line in given[name].replace("\r\n", "\n").split("\n") if line.strip()]
        if lines:
            rules[name] = ["" if line == _EMPTY_TEXT else line for line in lines]
    rules |= {name: True for name in FLAG_FIELDS if given[name]}
    if given["unseen"]:
        rules["unseen"] = given["unseen"]
    return rules
