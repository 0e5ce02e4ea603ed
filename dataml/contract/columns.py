"""Parsing a whole Arrow column: the common spellings by vector, every other distinct value through `parse_value`."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.dates import DateOrder, InvalidValue
from dataml.contract.types import DataType, Value, parse_value

MAX_DISPLAY_CHARACTERS: Final = 200
"""A refused value is shown up to this length."""

# A cell that matches is certain to cast to what `parse_value` makes of it, unless the calendar has no such day.
_CANONICAL: Final[dict[DataType, tuple[str, ...]]] = {
    DataType.STRING: (),
    DataType.INTEGER: ("^-?[0-9]{1,18}$",),
    DataType.FLOAT: (r"^-?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?$",),
    DataType.BOOLEAN: (),
    DataType.DATE: ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$",),
    DataType.TIMESTAMP: (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$",
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$",
    ),
}
# The bytes of what Arrow reads as a value of the type; a cell with another one is a job for `parse_value`.
_BYTES: Final = {
    DataType.INTEGER: b"-0123456789",
    DataType.FLOAT: b"+-.0123456789eE",
    DataType.DATE: b"-0123456789",
    DataType.TIMESTAMP: b"+-.: 0123456789TZ",
}
_TRIED_FIRST: Final = 1_000
_REMEMBERED: Final = 16_384
_NAIVE: Final = pa.timestamp("us")
_UTC: Final = pa.timestamp("us", "UTC")
# The years 1 to 9999, which Python and pandas share, in days and in microseconds.
_DAYS: Final = (-719162, 2932896)
_MICROSECONDS: Final = (-62135596800000000, 253402300799999999)


class RuleViolation(NamedTuple):
    """A value and why it was refused."""

    value: str
    rule: str
    reason: str


@dataclass(frozen=True)
class ParsedColumn:
    """`values` has the column's Arrow type, null where missing or refused. Row `rows[i]` was refused for
    `violations[which[i]]`; rows ascend."""

    values: pa.Array
    rows: np.ndarray[Any, np.dtype[np.int64]]
    which: np.ndarray[Any, np.dtype[np.int64]]
    violations: list[RuleViolation]


def parse_column(cells: pa.Array, data_type: DataType, date_order: DateOrder | None = None) -> ParsedColumn:
    """Parse text cells, or the values of a plain typed column, just as `parse_value` would one by one."""
    if pa.types.is_null(cells.type):
        return _accepted(pa.nulls(len(cells), data_type.arrow))
    cells = _plain(cells)
    if not pa.types.is_string(cells.type):
        values = _cast_typed(cells, data_type)
        return _one_by_one(cells, data_type, date_order) if values is None else _accepted(values)
    cells = _empty_to_null(cells)
    if data_type is DataType.STRING:
        return _one_by_one(cells, data_type, date_order) if _holds(cells, b"\0") else _accepted(cells)
    if data_type is DataType.BOOLEAN:
        return _one_by_one(cells, data_type, date_order)
    values = _cast_text(cells, data_type)
    return _parse_mixed(cells, data_type, date_order) if values is None else _accepted(values)


def to_text(cells: pa.Array) -> pa.Array:
    """The cells of any plain column as text."""
    return _plain(cells).cast(pa.string())


def to_floats(values: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers as floats, NaN where missing; dates as days and moments as microseconds since 1970."""
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _plain(cells: pa.Array) -> pa.Array:
    """Without the storage variants that mean nothing to a user: dictionaries, large strings, decimals, half floats."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = cells.dictionary_decode()
        kind = cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_decimal(kind):
        return cells.cast(pa.string())
    if pa.types.is_float16(kind):
        return cells.cast(pa.float64())
    if pa.types.is_date64(kind):
        return cells.cast(pa.date32())
    if pa.types.is_timestamp(kind) and kind != _UTC:
        return _microseconds(cells)
    return cells


def _microseconds(cells: pa.Array) -> pa.Array:
    """In UTC, which a naive timestamp is; digits below the microsecond are cut."""
    finer = cells.type.unit == "ns"
    try:
        return cells.cast(pa.timestamp("us", cells.type.tz), safe=not finer).cast(_UTC)
    except pa.ArrowInvalid:
        return cells.cast(pa.int64()).cast(pa.string())  # beyond any year, and so no date in a known spelling


def _accepted(values: pa.Array) -> ParsedColumn:
    nothing = np.empty(0, np.int64)
    return ParsedColumn(values, nothing, nothing, [])


def _empty_to_null(cells: pa.Array) -> pa.Array:
    shortest = pc.min(pc.binary_length(cells)).as_py()
    return cells if shortest != 0 else pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def _holds(cells: pa.Array, byte: bytes) -> bool:
    data = cells.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) == byte[0]).any())


def _cast_text(cells: pa.Array, data_type: DataType) -> pa.Array | None:
    """The column at once, when Arrow reads every cell of it as `parse_value` does; else None."""
    if data_type is DataType.INTEGER and (_holds(cells, b"x") or _holds(cells, b"X")):
        return None  # Arrow reads 0x1F as a number
    kinds = (_NAIVE, _UTC) if data_type is DataType.TIMESTAMP else (data_type.arrow,)
    for kind in kinds:
        try:
            cells.slice(0, _TRIED_FIRST).cast(kind)  # Arrow words an error for every cell it cannot read: dear for many
            values = cells.cast(kind).cast(data_type.arrow)
        except pa.ArrowInvalid:
            continue
        return values if _in_bounds(values, data_type) else None
    return None


def _in_bounds(values: pa.Array, data_type: DataType) -> bool:
    """Whether all floats are finite and all dates lie in the years 1 to 9999."""
    if data_type is DataType.FLOAT:
        return pc.all(pc.is_finite(values)).as_py() is not False
    if not data_type.is_temporal:
        return True
    numbers, (low, high) = _ticks(values)
    extremes = pc.min_max(numbers)
    smallest, largest = extremes["min"].as_py(), extremes["max"].as_py()
    return smallest is None or (low <= smallest and largest <= high)


def _ticks(values: pa.Array) -> tuple[pa.Array, tuple[int, int]]:
    if pa.types.is_date32(values.type):
        return values.view(pa.int32()), _DAYS
    return values.view(pa.int64()), _MICROSECONDS


def _cast_typed(cells: pa.Array, data_type: DataType) -> pa.Array | None:
    """A Parquet column whose type already fits, converted; None when its values need a closer look."""
    kind = cells.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    fits = {
        DataType.STRING: pa.types.is_integer(kind) or pa.types.is_boolean(kind),
        DataType.INTEGER: number,
        DataType.FLOAT: number,
        DataType.BOOLEAN: pa.types.is_boolean(kind),
        DataType.DATE: pa.types.is_temporal(kind),
        DataType.TIMESTAMP: pa.types.is_temporal(kind),
    }
    if not fits[data_type]:
        return None
    try:
        # Integers beyond 2^53 round to the nearest float, as in `float(value)`.
        values = cells.cast(data_type.arrow, safe=data_type is not DataType.FLOAT)
    except pa.ArrowInvalid:
        return None
    if data_type is DataType.DATE and pa.types.is_timestamp(kind) and not values.cast(kind).equals(cells):
        return None  # Arrow cuts the time of day without a word
    return values if _in_bounds(values, data_type) else None


def _parse_mixed(cells: pa.Array, data_type: DataType, date_order: DateOrder | None) -> ParsedColumn:
    """Canonical cells by vector, the leftover ones by distinct value."""
    # Looking at bytes is several times faster than at patterns, and enough when all that is wrong is foreign to a type.
    values = _cast_text(_only(cells, pa.array(~_holds_foreign(cells, data_type))), data_type)
    if values is None:
        parts = [part for pattern in _CANONICAL[data_type] if (part := _canonical_part(cells, pattern, data_type))]
        if not parts:
            return _one_by_one(cells, data_type, date_order)
        values = pc.coalesce(*parts)
    left = np.flatnonzero(pc.and_(cells.is_valid(), values.is_null()).to_numpy(zero_copy_only=False))
    if not len(left):
        return _accepted(values)
    rest = _one_by_one(cells.take(pa.array(left)), data_type, date_order)
    mask = np.zeros(len(cells), bool)
    mask[left] = True
    values = pc.replace_with_mask(values, pa.array(mask), rest.values)
    return ParsedColumn(values, left[rest.rows], rest.which, rest.violations)


def _holds_foreign(cells: pa.Array, data_type: DataType) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each cell whether it holds a byte that none of the type does."""
    is_foreign = np.ones(256, bool)
    is_foreign[list(_BYTES[data_type])] = False
    found = np.zeros(len(cells), bool)
    _, offset_buffer, data_buffer = cells.buffers()
    if data_buffer is not None:
        offsets = np.frombuffer(offset_buffer, np.int32, len(cells) + 1, 4 * cells.offset)
        data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
        places = np.flatnonzero(is_foreign[data]) + offsets[0]
        found[np.searchsorted(offsets, places, side="right") - 1] = True
    return found


def _canonical_part(cells: pa.Array, pattern: str, data_type: DataType) -> pa.Array | None:
    return _cast_text(_only(cells, pc.match_substring_regex(cells, pattern)), data_type)


def _only(cells: pa.Array, wanted: pa.BooleanArray) -> pa.Array:
    """The cells where `wanted` is true, null elsewhere: a new validity bitmap over the same text, uncopied."""
    if cells.offset:
        return pc.if_else(wanted, cells, pa.scalar(None, pa.string()))
    valid = pc.fill_null(wanted, False).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(cells), [valid, *cells.buffers()[1:]])


def _one_by_one(cells: pa.Array, data_type: DataType, date_order: DateOrder | None) -> ParsedColumn:
    """Every distinct value through the scalar parser, once."""
    encoded = cells.dictionary_encode()
    parsed: list[Value] = []
    violations: list[RuleViolation] = []
    refusal_of = np.full(len(encoded.dictionary) + 1, -1, np.int64)  # the last place is for null
    for code, value in enumerate(_python_values(encoded.dictionary)):
        is_short = isinstance(value, str) and len(value) <= MAX_DISPLAY_CHARACTERS
        found = (_parse_short if is_short else _parse)(value, data_type, date_order)
        if isinstance(found, RuleViolation):
            refusal_of[code] = len(violations)
            violations.append(found)
            parsed.append(None)
        else:
            parsed.append(found)
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
    values = pa.array([*parsed, None], data_type.arrow).take(pa.array(codes))
    which = refusal_of[codes]
    rows = np.flatnonzero(which >= 0)
    return ParsedColumn(values, rows, which[rows], violations)


def _parse(value: object, data_type: DataType, date_order: DateOrder | None) -> Value | RuleViolation:
    try:
        return parse_value(value, data_type, date_order)
    except InvalidValue as refused:
        return RuleViolation(_shown(value), refused.rule, refused.reason)


# What is wrong in one place of a file is mostly wrong in many.
_parse_short = lru_cache(_REMEMBERED)(_parse)


def _python_values(distinct: pa.Array) -> list[object]:
    if not pa.types.is_temporal(distinct.type):
        return distinct.to_pylist()
    # Beyond the years Python knows, the text stands for the value: the parser then says what is wrong with it.
    numbers, (low, high) = _ticks(distinct)
    known = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    inside = pc.if_else(known, distinct, pa.scalar(None, distinct.type)).to_pylist()
    texts = distinct.cast(pa.string()).to_pylist()
    return [text if value is None else value for value, text in zip(inside, texts, strict=True)]


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_DISPLAY_CHARACTERS else text[: MAX_DISPLAY_CHARACTERS - 1] + "…"
