"""Parsing of whole Arrow columns: common spellings vectorised, every other distinct value through `parse_value`."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.dates import InvalidValue
from dataml.contract.local_times import MICROSECOND_RANGE, to_moments
from dataml.contract.numbers import EQUAL_CHARACTERS, NumberFormat
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, ValueFormat
from dataml.contract.values import Value, find_marker_values, parse_value

MAX_DISPLAY_CHARACTERS: Final = 200
"""Length to which an invalid value is shown."""

# A cell that matches casts to the result of `parse_value`, unless the calendar has no such day.
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
# The bytes in texts that Arrow reads as a value of the type; a cell with another byte goes to `parse_value`.
_BYTES: Final = {
    DataType.INTEGER: b"-0123456789",
    DataType.FLOAT: b"+-.0123456789eE",
    DataType.DATE: b"-0123456789",
    DataType.TIMESTAMP: b"+-.: 0123456789TZ",
}
_PROBE_ROWS: Final = 1_000
_MAX_CACHED_VALUES: Final = 16_384
_NAIVE: Final = pa.timestamp("us")
_UTC: Final = pa.timestamp("us", "UTC")
# The same years in days since 1970.
_DAY_RANGE: Final = (-719162, 2932896)


class RuleViolation(NamedTuple):
    """An invalid value, the rule that it breaks, and the reason as a sentence for people."""

    value: str
    rule: str
    reason: str


@dataclass(frozen=True)
class ParsedColumn:
    """A typed column and the violations in it.

    `values` has the column's Arrow type, null where missing or invalid. The rows `invalid_rows` ascend, and row
    `invalid_rows[i]` breaks the rule `violations[violation_indices[i]]`.
    """

    values: pa.Array
    invalid_rows: np.ndarray[Any, np.dtype[np.int64]]
    violation_indices: np.ndarray[Any, np.dtype[np.int64]]
    violations: list[RuleViolation]


def parse_column(cells: pa.Array, data_type: DataType, value_format: ValueFormat = ANY_FORMAT) -> ParsedColumn:
    """Parse text cells, or the values of a plain typed column, with the results of `parse_value` for each."""
    parsed = _parse_cells(cells, data_type, value_format)
    markers = find_marker_values(data_type, value_format)
    if not markers:
        return parsed
    values = parsed.values
    return replace(parsed, values=_null_where(values, pc.is_in(values, value_set=pa.array(list(markers), values.type))))


def _parse_cells(cells: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    if pa.types.is_null(cells.type):
        return _all_valid(pa.nulls(len(cells), data_type.arrow))
    cells = _nan_to_null(_unify_storage(cells, value_format.time_zone))
    if value_format.missing_values is not None and (data_type is not DataType.STRING or _is_number(cells.type)):
        cells = _own_markers_to_null(cells, value_format)
    if not pa.types.is_string(cells.type):
        values = _cast_typed(cells, data_type, value_format)
        if values is None:
            return _parse_distinct(cells, data_type, value_format)
        return _parse_skipped(cells, values, data_type, value_format)
    if data_type is DataType.STRING:
        return _parse_strings(cells, value_format)
    cells = _empty_to_null(cells)
    if data_type is DataType.BOOLEAN or value_format.date_format is not None:
        return _parse_distinct(cells, data_type, value_format)
    if not value_format.numbers.is_plain and not data_type.is_temporal:
        return _parse_spelled(cells, data_type, value_format)
    values = _cast_text(cells, data_type, value_format.time_zone)
    if values is None:
        return _parse_mixed(cells, data_type, value_format)
    return _parse_skipped(cells, values, data_type, value_format)


def _parse_skipped(cells: pa.Array, values: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    """Return the parsed values; with a time zone, also what is wrong with local times that clocks skip."""
    if value_format.time_zone is None:
        return _all_valid(values)
    return _parse_open(cells, values, data_type, value_format)


def mark_missing(cells: pa.Array, value_format: ValueFormat) -> pa.BooleanArray:
    """Return for each text, without blanks around it, whether it stands for a missing value; not of a String."""
    return pc.is_in(pc.utf8_lower(cells), value_set=pa.array(sorted(value_format.markers), pa.string()))


def select_texts(cells: pa.Array) -> pa.Array:
    """Return the cells of any plain column as text, without the blanks around it; blank and null ones are left out."""
    texts = pc.utf8_trim_whitespace(to_text(cells))
    return texts.filter(pc.fill_null(pc.greater(pc.binary_length(texts), 0), False))


def drop_missing(texts: pa.Array, value_format: ValueFormat) -> pa.Array:
    """Return those of `select_texts` that do not stand for a missing value."""
    return texts.filter(pc.invert(mark_missing(texts, value_format)))


def unify_characters(cells: pa.Array) -> pa.Array:
    """Return texts with the usual characters for the EQUAL_CHARACTERS of numbers."""
    if pc.all(pc.string_is_ascii(cells)).as_py():
        return cells
    for character, usual in EQUAL_CHARACTERS.items():
        cells = pc.replace_substring(cells, character, usual)
    return cells


def _own_markers_to_null(cells: pa.Array, value_format: ValueFormat) -> pa.Array:
    """Return the cells with null for the column's own markers, such as -999, which may be numbers, too."""
    if not pa.types.is_string(cells.type) and not _is_number(cells.type):
        return cells
    return _null_where(cells, mark_missing(pc.utf8_trim_whitespace(cells.cast(pa.string())), value_format))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _may_have_blanks(cells: pa.Array) -> bool:
    # Blanks of other alphabets have several bytes.
    is_ascii = pc.all(pc.string_is_ascii(cells)).as_py()
    return is_ascii is False or any(_has_byte(cells, blank) for blank in (b" ", b"\t", b"\n", b"\r", b"\v", b"\f"))


def _parse_strings(cells: pa.Array, value_format: ValueFormat) -> ParsedColumn:
    if _has_byte(cells, b"\0"):
        return _parse_distinct(_empty_to_null(cells), DataType.STRING, value_format)
    if value_format.strip and _may_have_blanks(cells):
        cells = pc.utf8_trim_whitespace(cells)
    cells = _empty_to_null(cells)
    if value_format.missing_values:
        cells = _null_where(cells, pc.is_in(cells, value_set=pa.array(value_format.missing_values, pa.string())))
    return _all_valid(cells)


def to_text(cells: pa.Array) -> pa.Array:
    """Return the cells of any plain column as text."""
    cells = _unify_storage(cells)
    return _to_decimal_text(cells) if pa.types.is_decimal(cells.type) else cells.cast(pa.string())


def to_floats(values: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return numbers as floats, NaN where missing; dates as days and timestamps as microseconds since 1970."""
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _unify_storage(cells: pa.Array, time_zone: str | None = None) -> pa.Array:
    """Convert storage variants that mean nothing to a user: dictionaries, large strings, half floats.

    Timestamps become those in UTC; with a time zone, local times, which have none, stay as they are.
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = cells.dictionary_decode()
        kind = cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return cells.cast(pa.string())
    if pa.types.is_float16(kind):
        return cells.cast(pa.float64())
    if pa.types.is_date64(kind):
        return cells.cast(pa.date32())
    if pa.types.is_timestamp(kind) and kind != _UTC:
        return _to_microseconds(cells, _NAIVE if time_zone is not None and kind.tz is None else _UTC)
    return cells


def _to_decimal_text(cells: pa.Array) -> pa.Array:
    """Return decimals with all their digits, and whole ones without the zeros behind the point."""
    texts = pc.replace_substring_regex(cells.cast(pa.string()), r"\.0+$", "")
    if not pc.any(pc.match_substring(texts, "E")).as_py():
        return texts
    # Arrow writes the small ones with an exponent.
    encoded = cells.dictionary_encode()
    distinct = [
        None if value is None else parse_value(value, DataType.STRING) for value in encoded.dictionary.to_pylist()
    ]
    return pa.array(distinct, pa.string()).take(encoded.indices)


def _to_microseconds(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Convert timestamps to microseconds, where a naive one is in UTC; digits below the microsecond are cut."""
    is_finer = cells.type.unit == "ns"
    try:
        # A name of a zone means nothing here: the values are moments.
        zone = None if cells.type.tz is None else "UTC"
        return (
            cells.cast(pa.timestamp(cells.type.unit, zone)).cast(pa.timestamp("us", zone), safe=not is_finer).cast(kind)
        )
    except pa.ArrowInvalid:
        return cells.cast(pa.int64()).cast(
            pa.string()
        )  # beyond the years of a calendar: as text it is no date in a known spelling


def _nan_to_null(cells: pa.Array) -> pa.Array:
    """Return the cells with null for NaN, which is how many programs write a missing number."""
    if not pa.types.is_floating(cells.type):
        return cells
    is_nan = pc.is_nan(cells)
    return _null_where(cells, is_nan) if pc.any(is_nan).as_py() else cells


def _all_valid(values: pa.Array) -> ParsedColumn:
    empty = np.empty(0, np.int64)
    return ParsedColumn(values, empty, empty, [])


def _empty_to_null(cells: pa.Array) -> pa.Array:
    shortest = pc.min(pc.binary_length(cells)).as_py()
    return cells if shortest != 0 else _null_where(cells, pc.equal(cells, ""))


def _null_where(cells: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Return the cells with null where the mask is true."""
    return pc.if_else(mask, pa.scalar(None, cells.type), cells)


def _has_byte(cells: pa.Array, byte: bytes) -> bool:
    data = cells.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) == byte[0]).any())


def _cast_text(cells: pa.Array, data_type: DataType, time_zone: str | None = None) -> pa.Array | None:
    """Cast the column at once when Arrow reads every cell of it as `parse_value` does; else return None.

    Local times that clocks were put forward over are null.
    """
    if data_type is DataType.INTEGER and (_has_byte(cells, b"x") or _has_byte(cells, b"X")):
        return None  # Arrow reads 0x1F as a number
    kinds = (_NAIVE, _UTC) if data_type is DataType.TIMESTAMP else (data_type.arrow,)
    for kind in kinds:
        try:
            cells.slice(0, _PROBE_ROWS).cast(kind)  # Arrow words an error for each bad cell: slow
            values = _localize(cells.cast(kind), time_zone).cast(data_type.arrow)
        except pa.ArrowInvalid:
            continue
        return values if _in_bounds(values, data_type) else None
    return None


def _localize(values: pa.Array, time_zone: str | None) -> pa.Array:
    """Return naive timestamps as moments, null where clocks were put forward over them; other values as they are."""
    if time_zone is None or values.type != _NAIVE:
        return values
    found = to_moments(values.cast(pa.int64()).fill_null(0).to_numpy(), time_zone)
    is_null = found.is_skipped | values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(found.moments, pa.int64(), mask=is_null).cast(_UTC)


def _in_bounds(values: pa.Array, data_type: DataType) -> bool:
    """Return whether all floats are finite and all dates lie in the years 1 to 9999."""
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
        return values.view(pa.int32()), _DAY_RANGE
    return values.view(pa.int64()), MICROSECOND_RANGE


def _cast_typed(cells: pa.Array, data_type: DataType, value_format: ValueFormat) -> pa.Array | None:
    """Cast a Parquet column whose type already fits; return None when its values must be parsed one by one."""
    kind = cells.type
    is_decimal = pa.types.is_decimal(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or is_decimal
    fits = {
        DataType.STRING: pa.types.is_integer(kind) or pa.types.is_boolean(kind) or is_decimal,
        DataType.INTEGER: is_number,
        DataType.FLOAT: is_number,
        DataType.BOOLEAN: pa.types.is_boolean(kind),
        DataType.DATE: pa.types.is_temporal(kind),
        DataType.TIMESTAMP: pa.types.is_temporal(kind),
    }
    if not fits[data_type]:
        return None
    if is_decimal and data_type is not DataType.INTEGER:
        # Arrow rounds decimals otherwise than `float(value)` does, but not their text.
        cells = _to_decimal_text(cells)
    try:
        if data_type is DataType.TIMESTAMP and value_format.time_zone is not None and kind != _UTC:
            cells = _localize(cells.cast(_NAIVE), value_format.time_zone)
        # Integers beyond 2^53 round to the nearest float, as in `float(value)`.
        values = cells.cast(data_type.arrow, safe=data_type is not DataType.FLOAT)
    except pa.ArrowInvalid:
        return None
    if data_type is DataType.DATE and pa.types.is_timestamp(kind) and not values.cast(kind).equals(cells):
        return None  # Arrow cuts the time of day without an error
    return values if _in_bounds(values, data_type) else None


def _parse_mixed(cells: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    """Parse canonical cells vectorised, and each distinct value of the others once."""
    # Bytes are several times faster to test than patterns, and enough when every invalid cell has a foreign byte.
    zone = value_format.time_zone
    values = _cast_text(_keep_where(cells, pa.array(~_has_foreign_byte(cells, data_type))), data_type, zone)
    if values is None:
        # A marker without a foreign byte, such as "-" or ".", is no number either.
        cells = _null_where(cells, mark_missing(cells, value_format))
        parts = [
            part for pattern in _CANONICAL[data_type] if (part := _canonical_part(cells, pattern, data_type, zone))
        ]
        if not parts:
            return _parse_distinct(cells, data_type, value_format)
        values = pc.coalesce(*parts)
    return _parse_open(cells, values, data_type, value_format)


def _parse_spelled(cells: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    """Parse numbers of another spelling than the plain one: common cells vectorised, others by distinct value."""
    spelling = value_format.numbers
    plain = _to_plain(cells, spelling)
    values = _cast_text(plain, data_type)
    if values is None:
        return _parse_distinct(cells, data_type, value_format)
    return _parse_open(cells, values, data_type, value_format)


def _to_plain(cells: pa.Array, spelling: NumberFormat) -> pa.Array:
    """Return cells without a rare decoration as plain numbers, others as null."""
    cells = pc.utf8_trim_whitespace(unify_characters(cells))
    currency = re.escape(spelling.currency)
    before, behind = (f"(?:{currency} ?)?", f"(?: ?{currency})?") if currency else ("", "")
    percent = " ?%" if spelling.is_percent else ""
    pattern = f"^([+-]?){before}({spelling.core_pattern}){percent}{behind}$"
    cells = _keep_where(cells, pc.match_substring_regex(cells, pattern))
    core = pc.replace_substring_regex(cells, pattern, r"\1\2")
    if spelling.group:
        core = pc.replace_substring(core, spelling.group, "")
    if spelling.decimal != ".":
        core = pc.replace_substring(core, spelling.decimal, ".")
    if spelling.is_percent:  # a cell with an exponent is left to the scalar parser
        has_exponent = pc.match_substring_regex(core, "[eE]")
        core = _null_where(pc.binary_join_element_wise(core, "e-2", ""), has_exponent)
    return pc.replace_substring_regex(core, r"^\+", "")


def _parse_open(cells: pa.Array, values: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    """Return the parsed values, and parse each distinct cell that has none yet."""
    open_rows = np.flatnonzero(pc.and_(cells.is_valid(), values.is_null()).to_numpy(zero_copy_only=False))
    if not len(open_rows):
        return _all_valid(values)
    rest = _parse_distinct(cells.take(pa.array(open_rows)), data_type, value_format)
    mask = np.zeros(len(cells), bool)
    mask[open_rows] = True
    values = pc.replace_with_mask(values, pa.array(mask), rest.values)
    return ParsedColumn(values, open_rows[rest.invalid_rows], rest.violation_indices, rest.violations)


def _has_foreign_byte(cells: pa.Array, data_type: DataType) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each cell whether it has a byte that no value of the type has."""
    is_foreign = np.ones(256, bool)
    is_foreign[list(_BYTES[data_type])] = False
    has_foreign = np.zeros(len(cells), bool)
    _, offset_buffer, data_buffer = cells.buffers()
    if data_buffer is not None:
        offsets = np.frombuffer(offset_buffer, np.int32, len(cells) + 1, 4 * cells.offset)
        data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
        positions = np.flatnonzero(is_foreign[data]) + offsets[0]
        has_foreign[np.searchsorted(offsets, positions, side="right") - 1] = True
    return has_foreign


def _canonical_part(cells: pa.Array, pattern: str, data_type: DataType, time_zone: str | None) -> pa.Array | None:
    return _cast_text(_keep_where(cells, pc.match_substring_regex(cells, pattern)), data_type, time_zone)


def _keep_where(cells: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Return the cells where the mask is true, null elsewhere: a new validity bitmap over the same text, uncopied."""
    if cells.offset:
        return pc.if_else(mask, cells, pa.scalar(None, pa.string()))
    valid = pc.fill_null(mask, False).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(cells), [valid, *cells.buffers()[1:]])


def _parse_distinct(cells: pa.Array, data_type: DataType, value_format: ValueFormat) -> ParsedColumn:
    """Parse every distinct value once, with the scalar parser."""
    encoded = cells.dictionary_encode()
    parsed: list[Value] = []
    violations: list[RuleViolation] = []
    violation_of_code = np.full(len(encoded.dictionary) + 1, -1, np.int64)  # the last element is for null
    for code, value in enumerate(_to_python(encoded.dictionary)):
        is_short = isinstance(value, str) and len(value) <= MAX_DISPLAY_CHARACTERS
        result = (_parse_short if is_short else _parse)(value, data_type, value_format)
        if isinstance(result, RuleViolation):
            violation_of_code[code] = len(violations)
            violations.append(result)
            parsed.append(None)
        else:
            parsed.append(result)
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
    values = pa.array([*parsed, None], data_type.arrow).take(pa.array(codes))
    violation_indices = violation_of_code[codes]
    invalid_rows = np.flatnonzero(violation_indices >= 0)
    return ParsedColumn(values, invalid_rows, violation_indices[invalid_rows], violations)


def _parse(value: object, data_type: DataType, value_format: ValueFormat) -> Value | RuleViolation:
    try:
        return parse_value(value, data_type, value_format)
    except InvalidValue as error:
        return RuleViolation(_shorten(value), error.rule, error.reason)


# An invalid value of one batch mostly comes again in the next.
_parse_short = lru_cache(_MAX_CACHED_VALUES)(_parse)


def _to_python(distinct: pa.Array) -> list[object]:
    if not pa.types.is_temporal(distinct.type):
        return distinct.to_pylist()
    # Beyond the years of Python's dates the text stands for the value, and the parser refuses it with a reason.
    numbers, (low, high) = _ticks(distinct)
    is_inside = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    values = pc.if_else(is_inside, distinct, pa.scalar(None, distinct.type)).to_pylist()
    texts = distinct.cast(pa.string()).to_pylist()
    return [text if value is None else value for value, text in zip(values, texts, strict=True)]


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_DISPLAY_CHARACTERS else text[: MAX_DISPLAY_CHARACTERS - 1] + "…"
