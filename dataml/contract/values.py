"""The scalar parser of values: cells and form fields, which are text, and JSON values.

Pure Python without Arrow, since exported models parse by it, too.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Final

from dataml.contract.dates import InvalidValue, localize, parse_digits, parse_moment
from dataml.contract.numbers import GROUPS, join_readings, list_readings
from dataml.contract.value_format import ANY_FORMAT, ValueFormat

Value = str | int | float | bool | date | datetime | None

_INT64_MAX: Final = 2**63 - 1
_MAX_EXACT: Final = 2**53


def parse_value(value: object, data_type: str, value_format: ValueFormat = ANY_FORMAT) -> Value:
    """Return the typed value of a CSV cell, form field (text) or JSON value; None when it is missing.

    Timestamps are aware, in UTC; those without an offset are local times of the format's zone. `data_type` is a
    `DataType` or its name.

    Raises:
        InvalidValue: the value does not fit the type.
    """
    if value is None or value != value:  # NaN, which only typed columns have
        return None
    if isinstance(value, str) and data_type != "String":
        text = _text(value).strip()
        if not text or value_format.is_missing(text, is_string=False):
            return None
        value = text
    if value_format.missing_values is None:
        return _PARSERS[data_type](value, value_format)
    if _is_own_marker(value, value_format):
        return None
    parsed = _PARSERS[data_type](value, value_format)
    return None if parsed in find_marker_values(data_type, value_format) else parsed


@lru_cache(256)
def find_marker_values(data_type: str, value_format: ValueFormat) -> frozenset[Value]:
    """Return the numbers, dates or times that a column's own markers are in it: -999 is also written -999.0.

    A marker is read as the values of the column are, or else plainly. A String or Boolean has none.
    """
    if value_format.missing_values is None or data_type in ("String", "Boolean"):
        return frozenset()
    formats = [replace(value_format, missing_values=()), replace(value_format, missing_values=(), number_format=None)]
    return frozenset(
        value for text in value_format.missing_values if (value := _read_marker(text, data_type, formats)) is not None
    )


def _read_marker(text: str, data_type: str, formats: list[ValueFormat]) -> Value:
    for value_format in formats:
        try:
            return parse_value(text, data_type, value_format)
        except InvalidValue:
            continue
    return None


def _is_own_marker(value: object, value_format: ValueFormat) -> bool:
    """Return whether a number is one of the column's own markers, such as -999."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return str(_string(value, value_format)) in value_format.markers


def _string(value: object, value_format: ValueFormat) -> str | None:
    if isinstance(value, str):
        text = _text(value).strip() if value_format.strip else _text(value)
        return None if not text or value_format.is_missing(text, is_string=True) else text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value.bit_length() > 1024:
            raise InvalidValue("out_of_range", "the number has too many digits")
        return str(value)
    if isinstance(value, float):
        # 7.0 is what 7 becomes in a column of floats, where whole numbers go when one of them is missing.
        is_whole = abs(_finite(value)) < _MAX_EXACT and value == int(value)
        return str(int(value)) if is_whole else repr(value)
    if isinstance(value, datetime):
        return _as_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        whole, _, fraction = format(value, "f").partition(".")
        return f"{whole}.{fraction}" if fraction.strip("0") else whole
    if isinstance(value, date):
        return str(value)
    raise _wrong_type(value, "text")


# Possessive quantifiers: a cell may be a megabyte of digits, and backtracking over it takes quadratic time.
_INTEGER = re.compile(r"([+-]?)([0-9]++)(?:\.0*+)?")


def _integer(value: object, value_format: ValueFormat) -> int:
    if isinstance(value, str):
        return _integer_text(value, value_format)
    if isinstance(value, bool):
        raise _wrong_type(value, "a whole number")
    if isinstance(value, float | Decimal):
        if isinstance(value, float):
            _finite(value)
        if value != int(value):
            raise InvalidValue("not_an_integer", "it is not a whole number")
        return _in_int64(int(value))
    if isinstance(value, int):
        return _in_int64(value)
    raise _wrong_type(value, "a whole number")


def _integer_text(text: str, value_format: ValueFormat) -> int:
    match = _INTEGER.fullmatch(text) if value_format.numbers.is_plain else None
    if match is None:
        plain = _to_plain(text, value_format)
        match = _INTEGER.fullmatch(plain) if plain is not None else None
        if match is None:
            raise _other_spelling(text, plain) or InvalidValue("not_an_integer", "it is not a whole number")
    sign, digits = match[1], match[2].lstrip("0") or "0"
    if len(digits) > 19:
        raise InvalidValue("out_of_range", "it does not fit in 64 bits")
    return _in_int64(-int(digits) if sign == "-" else int(digits))


def _to_plain(text: str, value_format: ValueFormat) -> str | None:
    """Return a number in the spelling of the column as `1234.5`, or None.

    A column whose numbers were all small shows no mark between thousands. A larger one may have any that leaves it a
    single meaning with the column's decimal mark: 1.000,50 or 1.000.000, but not 1.000.
    """
    spelling = value_format.numbers
    plain = spelling.to_plain(text)
    if plain is not None or spelling.group:
        return plain
    readings = set(list_readings(text).values())
    grouped = {replace(spelling, group=group).to_plain(text) for group in GROUPS if group != spelling.decimal}
    return readings.pop() if len(readings) == 1 and readings <= grouped else None


def _other_spelling(text: str, plain: str | None) -> InvalidValue | None:
    """Return the error for a number in another spelling than the column's, or None when the text is no number."""
    readings = list_readings(text) if plain is None else {}
    if not readings:
        return None
    meaning = join_readings(readings.values())
    if len(readings) > 1:
        return InvalidValue("ambiguous_number", f"it can be read as {meaning}; the column's number_format decides")
    spelling = next(iter(readings))
    reason = f"it is {meaning} in the spelling {spelling}, which is not the column's number_format"
    return InvalidValue("other_number_format", reason)


_FLOAT = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_INFINITE = re.compile(r"[+-]?(?:inf|infinity)", re.IGNORECASE)


def _float(value: object, value_format: ValueFormat) -> float:
    if isinstance(value, str):
        return _float_text(value, value_format)
    if isinstance(value, bool):
        raise _wrong_type(value, "a number")
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, int | Decimal):
        try:
            return _finite(float(value))
        except OverflowError:
            raise InvalidValue("out_of_range", "the number is too large") from None
    raise _wrong_type(value, "a number")


def _float_text(text: str, value_format: ValueFormat) -> float:
    if not value_format.numbers.is_plain or _FLOAT.fullmatch(text) is None:
        plain = _to_plain(text, value_format)
        if plain is None:
            if _INFINITE.fullmatch(text):
                raise InvalidValue("not_finite", "it is not a finite number")
            raise _other_spelling(text, plain) or InvalidValue("not_a_number", "it is not a number")
        text = plain
    number = float(text)
    if math.isinf(number):
        raise InvalidValue("out_of_range", "the number is too large")
    return number


_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("true", "yes", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "f", "0"), False),
}


def _boolean(value: object, _: ValueFormat) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        # `lower` maps letters of other alphabets to ASCII ones; only ASCII spellings are booleans.
        boolean = _BOOLEANS.get(value.lower()) if value.isascii() else None
        if boolean is None:
            raise InvalidValue("not_a_boolean", "it is none of true/false, yes/no, y/n, t/f, 1/0")
        return boolean
    if isinstance(value, int | float | Decimal):
        if value not in (0, 1):
            raise InvalidValue("not_a_boolean", "a number is a boolean only when it is 0 or 1")
        return value == 1
    raise _wrong_type(value, "a boolean")


def _date(value: object, value_format: ValueFormat) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    moment = _timestamp(value, value_format, "a date")
    if moment.time() != time():
        raise InvalidValue("not_a_date", "it has a time of day, and the column holds dates")
    return moment.date()


_DIGITS = re.compile(r"-?[0-9]{1,20}+(?:[.,][0-9]*+)?")


def _timestamp(value: object, value_format: ValueFormat, expected: str = "a timestamp") -> datetime:
    if value_format.date_format is not None:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = Decimal(value.replace(",", "."))
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = int(value) if value == int(value) else float(value)
            return parse_digits(number, value_format.date_format, value_format.time_zone)
    if isinstance(value, str):
        return parse_moment(value, value_format.date_order, value_format.time_zone)
    if isinstance(value, datetime):
        return localize(value, value_format.time_zone) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return localize(datetime(value.year, value.month, value.day), value_format.time_zone)
    raise _wrong_type(value, expected)


_PARSERS: Final[dict[str, Callable[[object, ValueFormat], Value]]] = {
    "String": _string,
    "Integer": _integer,
    "Float": _float,
    "Boolean": _boolean,
    "Date": _date,
    "Timestamp": _timestamp,
}


def _text(value: str) -> str:
    if "\0" in value:
        raise InvalidValue("nul_character", "it holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
            raise InvalidValue("not_text", "it holds characters that are not Unicode text") from None
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidValue("not_finite", "it is not a finite number")
    return value


def _in_int64(value: int) -> int:
    if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
        raise InvalidValue("out_of_range", "it does not fit in 64 bits")
    return value


def _as_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _wrong_type(value: object, expected: str) -> InvalidValue:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return InvalidValue("wrong_type", f"{expected} is expected, not {names.get(type(value), type(value).__name__)}")
