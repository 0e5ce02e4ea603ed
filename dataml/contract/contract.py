"""The executable contract: the columns of a table, and the only way user data becomes typed values."""

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
from dataml.contract.dates import DateOrder, InvalidValue
from dataml.contract.type_inference import TypeInference
from dataml.contract.types import DataType, Value, parse_value
from dataml.errors import FieldError, Invalid, InvalidFields

MAX_COLUMNS: Final = 2_000
MAX_NAME_CHARACTERS: Final = 255
UnseenValuePolicy = Literal["missing", "refuse"]
_NOT_UNIQUE: Final = ("not_unique", "an earlier row has the same value")
_FIELD_OF: Final = {"bad_range": "minimum"}
# Surrogates, which are no text, and marks of direction, of byte order and of no width: two names would look like one.
_INVISIBLE: Final = re.compile("[\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# Others make the default no value of its type, which is told once.
_BROKEN_BY_DEFAULT: Final = frozenset({"below_minimum", "above_maximum", "not_allowed", "pattern_mismatch"})


@dataclass(frozen=True)
class Column:
    """One column. `default`, as text, fills a missing value; without one, a missing value is null if `nullable`.
    `date_order` is how 08/09/2024 reads in this column; None means that such a date is refused.

    The rest is optional: inclusive bounds and allowed values, as text; a `pattern` (RE2) that fits the whole text of a
    String; `unique` over all rows of a dataset; and whether a text that training has not seen is taken as `missing` by
    a prediction or `refuse`d.
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

    def constraints(self) -> Constraints:
        """Raises BadConstraint."""
        return Constraints.build(self.data_type, self.minimum, self.maximum, self.allowed_values, self.pattern)


@dataclass(frozen=True)
class CellError:
    """One wrong cell: `row` counts the data rows of `file` from 1."""

    file: str
    row: int
    column: str
    value: str
    rule: str
    reason: str


@dataclass(frozen=True)
class ErrorReport:
    """What was wrong in a file: every error counted, the first (at most 100) shown."""

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
    """`table` holds the kept rows, typed; `kept` has one boolean a row of the batch; `errors` (schema BAD_CELLS) has a
    row for each wrong cell, with its row in the batch counted from 0: by ascending row, then in contract order."""

    table: pa.RecordBatch
    kept: pa.BooleanArray
    errors: pa.RecordBatch


@dataclass(frozen=True)
class Contract:
    """Typed, named columns. Make new ones with `build`, which checks them."""

    columns: tuple[Column, ...]

    @classmethod
    def build(cls, columns: Iterable[Column]) -> Self:
        """A checked contract: names trimmed, an empty default taken as none.

        Raises InvalidFields with the codes `duplicate_column`, `bad_column_name`, `bad_default` and those of
        `InvalidConstraint`, or Invalid with `no_columns` or `too_many_columns`.
        """
        built = tuple(replace(column, name=column.name.strip(), default=column.default or None) for column in columns)
        if not built:
            raise Invalid("A contract needs at least one column.", code="no_columns")
        if len(built) > MAX_COLUMNS:
            raise Invalid(f"{len(built):,} columns; at most {MAX_COLUMNS:,} are possible.", code="too_many_columns")
        wrong = [*_wrong_names(built), *_wrong_constraints(built), *_wrong_defaults(built)]
        if wrong:
            codes = {field.code for field in wrong}
            raise InvalidFields(wrong, code=codes.pop() if len(codes) == 1 else None)
        return cls(built)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of parsed data."""
        return pa.schema([(column.name, column.data_type.arrow) for column in self.columns])

    def column(self, name: str) -> Column:
        """The column called `name`; Invalid(`unknown_column`) if there is none."""
        found = self._by_name.get(name)
        if found is None:
            raise Invalid(f"There is no column {name!r}.", code="unknown_column")
        return found

    def select(self, names: Iterable[str]) -> "Contract":
        """The contract of these columns, in the order given."""
        return Contract(tuple(self.column(name) for name in names))

    def to_json(self) -> dict[str, Any]:
        """A plain, JSON-able dict for `from_json`."""
        return {"columns": [asdict(column) | {"data_type": column.data_type.value} for column in self.columns]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls.build(_column_from_json(column) for column in data["columns"])

    def parse_row(self, values: Mapping[str, object]) -> dict[str, Value]:
        """One row of JSON values or form fields, typed, in column order, with defaults filled in.

        Raises InvalidFields naming each wrong field: `unknown_feature`, `missing_feature` (absent and without a
        default), `missing_value` (null in a column that takes none), or the rule its value breaks.
        """
        row: dict[str, Value] = {}
        wrong: list[FieldError] = []
        for column in self.columns:
            try:
                row[column.name] = self._parse_field(column, values)
            except InvalidValue as refused:
                wrong.append(_feature_error(column.name, refused.reason, refused.rule))
        unknown = [name for name in values if name not in self._by_name]
        wrong += [_feature_error(name, "there is no such feature", "unknown_feature") for name in unknown]
        if wrong:
            raise InvalidFields(wrong)
        return row

    def parse_batch(self, batch: pa.RecordBatch, duplicates: Mapping[str, np.ndarray] | None = None) -> ParsedBatch:
        """Rows of text, or of plain Parquet types; columns the contract does not know are left out. `duplicates` says
        for a column which rows of the batch repeat a value that it may have only once.

        Raises Invalid(`missing_column`) when a column without a default is not in the batch.
        """
        parsed = [self._parse_cells(column, batch, (duplicates or {}).get(column.name)) for column in self.columns]
        kept = np.ones(batch.num_rows, bool)
        for cells in parsed:
            kept[cells.rows] = False
        table = pa.RecordBatch.from_arrays([cells.values for cells in parsed], schema=self.schema)
        mask = pa.array(kept)
        return ParsedBatch(table if kept.all() else table.filter(mask), mask, _bad_cells(self.names, parsed))

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def _constraints(self) -> dict[str, Constraints]:
        """Of the columns that have any."""
        return {column.name: found for column in self.columns if (found := column.constraints())}

    @cached_property
    def _defaults(self) -> dict[str, Value]:
        return {
            column.name: parse_value(column.default, column.data_type, column.date_order) for column in self.columns
        }

    def _parse_field(self, column: Column, values: Mapping[str, object]) -> Value:
        default = self._defaults[column.name]
        if column.name not in values:
            if default is None:
                raise InvalidValue("missing_feature", "it is missing and has no default")
            return default
        value = parse_value(values[column.name], column.data_type, column.date_order)
        if value is not None:
            if column.name in self._constraints:
                self._constraints[column.name].check(value)
            return value
        if default is None and not column.nullable:
            raise InvalidValue("missing_value", "it must have a value")
        return default

    def _parse_cells(self, column: Column, batch: pa.RecordBatch, duplicates: np.ndarray | None) -> ParsedColumn:
        default = self._defaults[column.name]
        place = batch.schema.get_field_index(column.name)
        if place < 0 and default is None:
            raise Invalid(f"Column {column.name!r} is missing and has no default.", code="missing_column")
        cells = batch.column(place) if place >= 0 else pa.nulls(batch.num_rows)
        parsed = parse_column(cells, column.data_type, column.date_order)
        if column.name in self._constraints:
            parsed = self._constraints[column.name].refuse(parsed, cells)
        if duplicates is not None:
            again = np.setdiff1d(np.flatnonzero(duplicates), parsed.rows, assume_unique=True)
            parsed = add_violations(parsed, cells, again, [_NOT_UNIQUE] * len(again))
        if not parsed.values.null_count or (default is None and column.nullable):
            return parsed
        if default is None:
            return _refuse_missing(parsed)
        # Refused cells are filled too, but their rows are not kept.
        return replace(parsed, values=parsed.values.fill_null(pa.scalar(default, column.data_type.arrow)))


def resolve_date_orders(contract: Contract, batches: Iterable[pa.RecordBatch]) -> Contract:
    """The contract with the day/month order of its date columns settled from all their values in `batches`.

    An order that the values leave open, or contradict, stays None: then the ambiguous cells are refused.
    """
    open_columns = [c for c in contract.columns if c.data_type.is_temporal and c.date_order is None]
    if not open_columns:
        return contract
    evidence = {column.name: TypeInference(frozenset({DataType.TIMESTAMP})) for column in open_columns}
    for batch in batches:
        for name, seen in evidence.items():
            place = batch.schema.get_field_index(name)
            if place >= 0:
                seen.add_orders(batch.column(place))
    return Contract(
        tuple(
            replace(column, date_order=evidence[column.name].date_order) if column.name in evidence else column
            for column in contract.columns
        )
    )


def find_name_problem(name: str) -> str | None:
    """What is wrong with a column name, or None."""
    if not name:
        return "a column name is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"a column name is longer than {MAX_NAME_CHARACTERS} characters"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name):
        return "a column name holds control characters"
    if _INVISIBLE.search(name):
        return "a column name holds characters that cannot be seen"
    return None


def _wrong_names(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    seen: set[str] = set()
    for place, column in enumerate(columns):
        location = ("body", "template_schema", place, "column_name")
        problem = find_name_problem(column.name)
        if problem:
            yield FieldError(location, f"Column {place + 1}: {problem}.", "bad_column_name")
        elif column.name in seen:
            yield FieldError(location, f"Column {column.name!r} is there twice.", "duplicate_column")
        seen.add(column.name)


def _wrong_defaults(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    for place, column in enumerate(columns):
        try:
            parse_value(column.default, column.data_type, column.date_order)
        except InvalidValue as refused:
            message = (
                f"Column {column.name!r}: the default {column.default!r} is no {column.data_type}: {refused.reason}."
            )
            yield FieldError(("body", "template_schema", place, "default_value"), message, "bad_default")


def _wrong_constraints(columns: tuple[Column, ...]) -> Iterable[FieldError]:
    for place, column in enumerate(columns):
        try:
            constraints = column.constraints()
            constraints.check(parse_value(column.default, column.data_type, column.date_order))
        except InvalidConstraint as bad:
            location = ("body", "template_schema", place, _FIELD_OF.get(bad.code, bad.code.removeprefix("bad_")))
            yield FieldError(location, f"Column {column.name!r}: {bad}.", bad.code)
        except InvalidValue as refused:
            if refused.rule in _BROKEN_BY_DEFAULT:
                message = f"Column {column.name!r}: the default {column.default!r} is refused: {refused.reason}."
                yield FieldError(("body", "template_schema", place, "default_value"), message, "bad_default")


def _column_from_json(record: Mapping[str, Any]) -> Column:
    allowed = record.get("allowed_values")
    typed = {"data_type": DataType(record["data_type"]), "allowed_values": tuple(allowed) if allowed else None}
    return Column(**(dict(record) | typed))


def _feature_error(name: str, reason: str, code: str) -> FieldError:
    return FieldError(("body", "features", name), f"Feature {name!r}: {reason}.", code)


def _refuse_missing(parsed: ParsedColumn) -> ParsedColumn:
    """Every null that is not already refused becomes an error."""
    refused = dict(zip(parsed.rows.tolist(), parsed.which.tolist(), strict=True))
    rows = np.flatnonzero(pc.is_null(parsed.values).to_numpy(zero_copy_only=False))
    which = np.array([refused.get(row, len(parsed.violations)) for row in rows.tolist()], np.int64)
    missing = RuleViolation("", "missing_value", "it must have a value")
    return replace(parsed, rows=rows, which=which, violations=[*parsed.violations, missing])


def _bad_cells(names: tuple[str, ...], parsed: list[ParsedColumn]) -> pa.RecordBatch:
    rows = np.concatenate([cells.rows for cells in parsed])
    order = np.argsort(rows, kind="stable")  # columns stay in contract order within a row
    columns = np.repeat(np.arange(len(parsed)), [len(cells.rows) for cells in parsed])
    starts = np.cumsum([0, *(len(cells.violations) for cells in parsed)])
    which = np.concatenate([cells.which + start for cells, start in zip(parsed, starts[:-1], strict=True)])
    violations = [refusal for cells in parsed for refusal in cells.violations]
    words = zip(*violations, strict=True) if violations else ([], [], [])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows[order]),
            pa.array(names, pa.string()).take(pa.array(columns[order])),
            *(pa.array(each, pa.string()).take(pa.array(which[order])) for each in words),
        ],
        schema=CELL_ERROR_SCHEMA,
    )
