"""Types of the columns of Parquet files: what each is read as, and what to do about those that are refused.

Text, numbers, booleans, dates and timestamps are read as they are. A time of day becomes the text `HH:MM:SS`, with six
digits of the second behind a point where it has a fraction (nine where it has nanoseconds); a duration becomes a number
of seconds.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_TICKS_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def find_type_problem(kind: pa.DataType) -> str | None:
    """Return why a column of this type is refused and what to do about it, or None when it is read."""
    if pa.types.is_map(kind):
        return "write each key as a column of its own, or the whole as JSON text"
    if pa.types.is_nested(kind):
        return "write each element as a column or a row of its own, or the whole as JSON text"
    if is_binary(kind):
        return "write it as text, in base64 or hexadecimal digits, or leave it out"
    if not _is_plain(kind):
        return "use text, numbers, booleans, dates, times and durations only"
    return None


def is_text(kind: pa.DataType) -> bool:
    """Return whether the type is any of Arrow's types of text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_binary(kind: pa.DataType) -> bool:
    """Return whether the type is any of Arrow's types of bytes that are not text."""
    is_sized = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return is_sized or pa.types.is_binary_view(kind)


def to_plain(cells: pa.Array) -> pa.Array:
    """Return times as text, durations as seconds, short decimals as long ones, other cells as they are."""
    if pa.types.is_time(cells.type):
        return _to_time_text(cells)
    if pa.types.is_duration(cells.type):
        return pc.divide(cells.cast(pa.int64()).cast(pa.float64(), safe=False), _TICKS_PER_SECOND[cells.type.unit])
    if pa.types.is_decimal32(cells.type) or pa.types.is_decimal64(cells.type):  # few functions of Arrow know them
        return cells.cast(pa.decimal128(cells.type.precision, cells.type.scale))
    return cells


def _to_time_text(cells: pa.Array) -> pa.Array:
    unit = "ns" if cells.type.unit == "ns" else "us"
    texts = cells.cast(pa.time64(unit)).cast(pa.string())
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})000$", r"\1")
    return pc.replace_substring_regex(texts, r"\.0+$", "")


def _is_plain(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    is_temporal = pa.types.is_temporal(kind) and not pa.types.is_interval(kind)
    return is_number or is_temporal or pa.types.is_boolean(kind) or pa.types.is_null(kind) or is_text(kind)
