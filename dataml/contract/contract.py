"""The executable contract: the columns of a table, and the only way from user data to typed values."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import ParsedColumn, RuleViolation, parse_column
from dataml.contract.constraints import Constraints, InvalidConstraint, add_violations
from dataml.contract.dates import DateOrder, InvalidValue, settle_date_order
from dataml.contract.numbers import NumberFormat
from dataml.contract.time_zones import is_time_zone
from dataml.contract.types import DataType
from dataml.contract.value_format import DateFormat, ValueFormat
from dataml.contract.values import Value, parse_value
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.suggestions import describe_all_unknown, describe_unknown

MAX_COLUMNS: Final = 16_384
MAX_NAME_CHARACTERS: Final = 255
UnseenValuePolicy = Literal["missing", "refuse"]
# Of all columns together: a process may hold thousands of contracts.
_MAX_KEPT_TEXTS: Final = 2_000
_MAX_KEPT_CHARACTERS: Final = 64
_UNPARSED: Final = object()
_NOT_UNIQUE: Final = ("not_unique", "an earlier row has the same value")
_FIELD_OF_CODE: Final = {"bad_range": "minimum"}
# Surrogates, which are not text, and marks of direction, byte order and zero width: two names would look like one.
_INVISIBLE: Final = re.compile("[\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# A default that breaks another rule is reported by `_check_defaults`.
CONSTRAINT_RULES: Final = frozenset({"below_minimum", "above_maximum", "not_allowed", "pattern_mismatch"})


@dataclass(frozen=True)
class Column:
    """One column: its name, its type, and how its values are read and checked.

    Attributes:
        default: fills a missing value, as text; without one, a missing value is null if `nullable`.
        date_order: how 08/09/2024 is read in this column; None means that such a date is invalid.
        date_format: what digits mean in a Date or Timestamp, as in `ValueFormat`; so are the next three.
        number_format: the spelling of numbers.
        missing_values: the texts that stand for a missing value.
        strip: whether the blanks around a String are left out.
        minimum: inclusive lower bound, as text; so is `maximum`.
        allowed_values: as text.
        pattern: an RE2 regular expression that matches the whole text of a String.
        unique: whether a value occurs at most once in all rows of a dataset.
        time_zone: the zone of a Timestamp's local times, as in `ValueFormat`.
        unseen: whether a prediction takes a text that training has not seen as `missing`, or answers with a refusal.
    """

    name: str
    data_type: DataType
    default: str | None = None
    date_order: DateOrder | None = None
    nullable: bool = True
    minimum: str | None = None
    maximum: str | None = None
    allowed_values: tuple[str, ...] | None = None
    pattern: str | None = None
    unique: bool = False
    unseen: UnseenValuePolicy = "missing"
    date_format: DateFormat | None = None
    number_format: str | None = None
    missing_values: tuple[str, ...] | None = None
    strip: bool = False
    time_zone: str | None = None

    @property
    def value_format(self) -> ValueFormat:
        """How its values are written."""
        return ValueFormat(
            self.date_order, self.date_format, self.number_format, self.missing_values, self.strip, self.time_zone
        )

    @property
    def plain_format(self) -> ValueFormat:
        """How its default is written: as its values, but numbers plainly and dates as dates, as in bounds."""
        order = settle_date_order(self.default, self.date_order)
        return replace(self.value_format, date_order=order, number_format=None, date_format=None)

    def parse_default(self) -> Value:
        """Return its typed default; None where it has none, or one that stands for a missing value.

        Raises:
            InvalidValue: the default does not fit the type.
        """
        return None if self.default is None else parse_value(self.default, self.data_type, self.plain_format)

    def build_constraints(self) -> Constraints:
        """Return the typed constraints of the column.

        Raises:
            InvalidConstraint: as `Constraints.build`.
        """
        return Constraints.build(
            self.data_type, self.minimum, self.maximum, self.allowed_values, self.pattern, self.time_zone
        )


@dataclass(frozen=True)
class CellError:
    """One invalid cell: `row` counts the data rows of `file` from 1."""

    file: str
    row: int
    column: str
    value: str
    rule: str
    reason: str


@dataclass(frozen=True)
class ErrorReport:
    """The errors of a file: all of them counted, the first ones (at most 100) in full."""

    total_errors: int
    rows_with_errors: int
    by_column: dict[str, int]
    by_rule: dict[str, int]
    first: tuple[CellError, ...]


CELL_ERROR_SCHEMA: Final = pa.schema(
    [("row", pa.int64()), *((name, pa.string()) for name in ("column", "value", "rule", "reason"))]
)


@dataclass(frozen=True)
class ParsedBatch:
    """The result of parsing a batch.

    Attributes:
        table: the kept rows, typed.
        kept: one boolean a row of the batch.
        errors: one row an invalid cell (CELL_ERROR_SCHEMA), its row in the batch counted from 0: by ascending row,
            then in the order of the contract.
    """

    table: pa.RecordBatch
    kept: pa.BooleanArray
    errors: pa.RecordBatch


@dataclass(frozen=True)
class Contract:
    """Typed, named columns. Make new ones with `build`, which checks them."""

    columns: tuple[Column, ...]

    @classmethod
    def build(cls, columns: Iterable[Column]) -> Self:
        """Return a checked contract: names trimmed, an empty default taken as none.

        Raises:
            InvalidFields: `duplicate_column`, `bad_column_name`, `bad_default` or a code of `InvalidConstraint`.
            Invalid: `no_columns` or `too_many_columns`.
        """
        built = tuple(replace(column, name=column.name.strip(), default=column.default or None) for column in columns)
        if not built:
            raise Invalid("A contract needs at least one column.", code="no_columns")
        if len(built) > MAX_COLUMNS:
            raise Invalid(
                f"A contract has at most {MAX_COLUMNS:,} columns, not {len(built):,}.", code="too_many_columns"
            )
        errors = [*_check_names(built), *_check_formats(built), *_check_constraints(built), *_check_defaults(built)]
        if errors:
            codes = {field.code for field in errors}
            raise InvalidFields(errors, code=codes.pop() if len(codes) == 1 else None)
        return cls(built)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self._by_name)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of parsed data."""
        return pa.schema([(column.name, column.data_type.arrow) for column in self.columns])

    def column(self, name: str) -> Column:
        """Return the column with this name.

        Raises:
            Invalid: `unknown_column`.
        """
        column = self._by_name.get(name)
        if column is None:
            raise Invalid(describe_unknown("column", name, self.names), code="unknown_column")
        return column

    def select(self, names: Iterable[str]) -> "Contract":
        """Return the contract of these columns, in this order."""
        return Contract(tuple(self.column(name) for name in names))

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict that JSON can hold, for `from_json`."""
        return {"columns": [asdict(column) | {"data_type": column.data_type.value} for column in self.columns]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the checked contract that `to_json` has written, by this or an earlier version."""
        return cls.build(_column_from_json(column) for column in data["columns"])

    def parse_row(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return one row of JSON values or form fields, typed, in column order, with defaults filled in.

        Raises:
            InvalidFields: `unknown_feature`, `missing_feature` (absent and without a default), `missing_value` (null in
                a column that is not nullable), or the rule that its value breaks; for each invalid field.
        """
        row: dict[str, Value] = {}
        errors = self._list_unknown(values)
        for column, parsed_texts in self._fields:
            name = column.name
            value: Any = values.get(name)
            is_text = value.__class__ is str
            if is_text and (parsed := parsed_texts.get(value, _UNPARSED)) is not _UNPARSED:
                row[name] = parsed
                continue
            try:
                row[name] = parsed = self._parse_field(column, values)
            except InvalidValue as error:
                errors.append(_feature_error(name, error.reason, error.rule))
                continue
            if is_text and len(value) <= _MAX_KEPT_CHARACTERS:
                if len(parsed_texts) >= _MAX_KEPT_TEXTS // len(self.columns):
                    parsed_texts.clear()
                parsed_texts[value] = parsed
        if errors:
            raise InvalidFields(errors)
        return row

    def parse_batch(self, batch: pa.RecordBatch, duplicates: Mapping[str, np.ndarray] | None = None) -> ParsedBatch:
        """Parse rows of text, or of plain Parquet types; columns that the contract does not have are left out.

        Args:
            batch: the rows.
            duplicates: for a column, which rows of the batch repeat a value that it may have only once.

        Raises:
            Invalid: `missing_column`: a column without a default is not in the batch.
        """
        parsed = [self._parse_cells(column, batch, (duplicates or {}).get(column.name)) for column in self.columns]
        kept = np.ones(batch.num_rows, bool)
        for cells in parsed:
            kept[cells.invalid_rows] = False
        table = pa.RecordBatch.from_arrays([cells.values for cells in parsed], schema=self.schema)
        mask = pa.array(kept)
        return ParsedBatch(table if kept.all() else table.filter(mask), mask, _cell_errors(self.names, parsed))

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def _fields(self) -> list[tuple[Column, dict[str, Any]]]:
        """The columns, each with the values of texts that were parsed before, for services send the same ones again."""
        return [(column, {}) for column in self.columns]

    @cached_property
    def _constraints(self) -> dict[str, Constraints]:
        """The constraints of the columns that have any."""
        built = {column.name: column.build_constraints() for column in self.columns}
        return {name: constraints for name, constraints in built.items() if constraints}

    @cached_property
    def _defaults(self) -> dict[str, Value]:
        return {column.name: column.parse_default() for column in self.columns}

    @cached_property
    def _formats(self) -> dict[str, ValueFormat]:
        return {column.name: column.value_format for column in self.columns}

    def _list_unknown(self, values: Mapping[str, object]) -> list[FieldError]:
        unknown = [name for name in values if name not in self._by_name]
        if not unknown:
            return []
        messages = describe_all_unknown("feature", unknown, self.names)
        return [
            FieldError(_location(name), _describe_object(name, values[name], self.names) or message, "unknown_feature")
            for name, message in zip(unknown, messages, strict=True)
        ]

    def _parse_field(self, column: Column, values: Mapping[str, object]) -> Value:
        default = self._defaults[column.name]
        if column.name not in values:
            if default is None:
                raise InvalidValue("missing_feature", "it is missing and has no default")
            return default
        value = parse_value(values[column.name], column.data_type, self._formats[column.name])
        if value is not None:
            if column.name in self._constraints:
                self._constraints[column.name].check_value(value)
            return value
        if default is None and not column.nullable:
            raise InvalidValue("missing_value", "it must have a value")
        return default

    def _parse_cells(self, column: Column, batch: pa.RecordBatch, duplicates: np.ndarray | None) -> ParsedColumn:
        default = self._defaults[column.name]
        index = batch.schema.get_field_index(column.name)
        if index < 0 and default is None:
            raise Invalid(f"Column {column.name!r} is missing and has no default.", code="missing_column")
        cells = batch.column(index) if index >= 0 else pa.nulls(batch.num_rows)
        parsed = parse_column(cells, column.data_type, self._formats[column.name])
        if column.name in self._constraints:
            parsed = self._constraints[column.name].check_column(parsed, cells)
        if duplicates is not None:
            rows = np.setdiff1d(np.flatnonzero(duplicates), parsed.invalid_rows, assume_unique=True)
            parsed = add_violations(parsed, cells, rows, [_NOT_UNIQUE] * len(rows))
        if not parsed.values.null_count or (default is None and column.nullable):
            return parsed
        if default is None:
            return _add_missing_values(parsed)
        # Invalid cells are filled too, but their rows are not kept.
        return replace(parsed, values=parsed.values.fill_null(pa.scalar(default, column.data_type.arrow)))


def find_name_problem(name: str) -> str | None:
    """Return what is wrong with a column name, or None."""
    if not name:
        return "a column name is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"a column name is longer than {MAX_NAME_CHARACTERS} characters"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name):
        return "a column name holds control characters"
    if _INVISIBLE.search(name):
        return "a column name holds characters that cannot be seen"
    return None


def _check_names(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    seen: set[str] = set()
    for index, column in enumerate(columns):
        location = ("body", "template_schema", index, "column_name")
        problem = find_name_problem(column.name)
        if problem:
            yield FieldError(location, f"Column {index + 1}: {problem}.", "bad_column_name")
        elif column.name in seen:
            yield FieldError(location, f"Column {column.name!r} occurs twice.", "duplicate_column")
        seen.add(column.name)


def _check_formats(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    for index, column in enumerate(columns):
        for field, problem in _find_format_problems(column):
            message = f"Column {column.name!r}: {problem}."
            yield FieldError(("body", "template_schema", index, field), message, f"bad_{field}")


def _find_format_problems(column: Column) -> Iterable[tuple[str, str]]:
    if column.number_format is not None:
        if column.data_type not in (DataType.INTEGER, DataType.FLOAT):
            yield "number_format", f"only an Integer or a Float has a number_format, not a {column.data_type}"
        else:
            try:
                NumberFormat.parse(column.number_format)
            except ValueError:
                yield (
                    "number_format",
                    "number_format is the number 1234.5 as the column writes it, such as 1.234,5 or $1,234.5",
                )
    if column.time_zone is not None:
        if column.data_type is not DataType.TIMESTAMP:
            yield "time_zone", f"only a Timestamp has a time_zone, not a {column.data_type}"
        elif not is_time_zone(column.time_zone):
            yield (
                "time_zone",
                f"there is no time zone {column.time_zone[:60]!r}; use a name of the IANA database such as "
                "Europe/Berlin, or an offset from UTC such as +02:00",
            )
    if column.date_format is not None and not column.data_type.is_temporal:
        yield "date_format", f"only a Date or a Timestamp has a date_format, not a {column.data_type}"


def _check_defaults(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    for index, column in enumerate(columns):
        try:
            value = column.parse_default()
            problem = "it stands for a missing value" if column.default is not None and value is None else None
        except InvalidValue as error:
            problem = error.reason
        if problem:
            message = (
                f"Column {column.name!r}: the default {column.default!r} is not of type {column.data_type}: {problem}."
            )
            yield FieldError(("body", "template_schema", index, "default_value"), message, "bad_default")


def _check_constraints(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    for index, column in enumerate(columns):
        try:
            constraints = column.build_constraints()
            constraints.check_value(column.parse_default())
        except InvalidConstraint as error:
            field = _FIELD_OF_CODE.get(error.code, error.code.removeprefix("bad_"))
            yield FieldError(("body", "template_schema", index, field), f"Column {column.name!r}: {error}.", error.code)
        except InvalidValue as error:
            if error.rule in CONSTRAINT_RULES:
                message = f"Column {column.name!r}: the default {column.default!r} is invalid: {error.reason}."
                yield FieldError(("body", "template_schema", index, "default_value"), message, "bad_default")


def _column_from_json(record: Mapping[str, Any]) -> Column:
    allowed, missing = record.get("allowed_values"), record.get("missing_values")
    typed = {
        "data_type": DataType(record["data_type"]),
        "allowed_values": tuple(allowed) if allowed else None,
        "missing_values": tuple(missing) if missing is not None else None,
    }
    return Column(**(dict(record) | typed))


def _feature_error(name: str, reason: str, code: str) -> FieldError:
    return FieldError(_location(name), f"Feature {name!r}: {reason}.", code)


def _location(name: str) -> tuple[str, str, str]:
    return ("body", "features", name)


def _describe_object(name: str, value: object, features: Iterable[str]) -> str | None:
    """Return how the object of an unknown feature is sent, if there are features for its fields."""
    if not isinstance(value, Mapping):
        return None
    flat = [feature for feature in features if feature.startswith(f"{name}.")]
    if not flat:
        return None
    listed = ", ".join(map(repr, flat[:10])) + (", ..." if flat[10:] else "")
    return f"Feature {name!r}: objects are not read; send its fields as features of their own: {listed}."


def _add_missing_values(parsed: ParsedColumn) -> ParsedColumn:
    """Return the column with a violation for every null that has none yet."""
    index_of_row = dict(zip(parsed.invalid_rows.tolist(), parsed.violation_indices.tolist(), strict=True))
    rows = np.flatnonzero(pc.is_null(parsed.values).to_numpy(zero_copy_only=False))
    indices = np.array([index_of_row.get(row, len(parsed.violations)) for row in rows.tolist()], np.int64)
    missing = RuleViolation("", "missing_value", "it must have a value")
    return replace(parsed, invalid_rows=rows, violation_indices=indices, violations=[*parsed.violations, missing])


def _cell_errors(names: tuple[str, ...], parsed: list[ParsedColumn]) -> pa.RecordBatch:
    rows = np.concatenate([cells.invalid_rows for cells in parsed])
    order = np.argsort(rows, kind="stable")  # columns stay in contract order within a row
    columns = np.repeat(np.arange(len(parsed)), [len(cells.invalid_rows) for cells in parsed])
    starts = np.cumsum([0, *(len(cells.violations) for cells in parsed)])
    indices = np.concatenate(
        [cells.violation_indices + start for cells, start in zip(parsed, starts[:-1], strict=True)]
    )
    violations = [violation for cells in parsed for violation in cells.violations]
    texts = zip(*violations, strict=True) if violations else ([], [], [])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows[order]),
            pa.array(names, pa.string()).take(pa.array(columns[order])),
            *(pa.array(each, pa.string()).take(pa.array(indices[order])) for each in texts),
        ],
        schema=CELL_ERROR_SCHEMA,
    )
