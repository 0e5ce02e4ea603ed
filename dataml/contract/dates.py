"""Parsing of written dates: ISO 8601 and common spellings; an ambiguous order of day and month is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

DateOrder = Literal["dmy", "mdy"]


class InvalidValue(Exception):
    """A value that does not fit its type: `rule` is a stable word, `reason` a sentence for people."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (InvalidValue, (self.rule, self.reason))


_MAX_CHARACTERS: Final = 100
_MONTH_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS: Final = {
    **{name: number for number, name in enumerate(_MONTH_NAMES, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)},
    "sept": 9,
}
_CLOCK = (
    r"(?:(?:[Tt]|\s+)(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?:\s*(?P<half>[AaPp][Mm]))?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_YEAR_FIRST = re.compile(r"(?P<y>[0-9]{4})([-/.])(?P<m>[0-9]{1,2})\2(?P<d>[0-9]{1,2})" + _CLOCK)
_DAY_NAME = re.compile(
    r"(?P<d>[0-9]{1,2})[-/. ]?\s*(?P<name>[A-Za-z]{3,9})\.?[-/., ]?\s*(?P<y>[0-9]{4}|[0-9]{2})" + _CLOCK
)
_NAME_DAY = re.compile(
    r"(?P<name>[A-Za-z]{3,9})\.?[- ]\s*(?P<d>[0-9]{1,2})(?:,\s*|[- ]\s*)(?P<y>[0-9]{4}|[0-9]{2})" + _CLOCK
)
_NUMERIC = re.compile(r"(?P<a>[0-9]{1,2})([-/.])(?P<b>[0-9]{1,2})\2(?P<y>[0-9]{4}|[0-9]{2})" + _CLOCK)
_ZONE = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})?")


def detect_date_order(text: str) -> Literal["dmy", "mdy", "either"] | None:
    """Return the order of day and month in a written date: "either" if it reads both ways, None if it shows nothing."""
    match = _NUMERIC.fullmatch(text.strip()) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        return None
    first, second = int(match["a"]), int(match["b"])
    if first == second or (first > 12 and second > 12):
        return None
    if first <= 12 and second <= 12:
        return "either"
    return "dmy" if first > 12 else "mdy"


def parse_moment(text: str, order: DateOrder | None) -> datetime:
    """Return a written date, or date and time, as an aware UTC datetime; a naive one is UTC.

    Raises:
        InvalidValue: `not_a_date`, `ambiguous_date` or `out_of_range`.
    """
    if len(text) > _MAX_CHARACTERS:
        raise InvalidValue("not_a_date", "it is not a date in a known spelling")
    match = _YEAR_FIRST.fullmatch(text)
    if match:
        return _build(match, int(match["m"]), int(match["d"]))
    match = _NUMERIC.fullmatch(text)
    if match:
        month, day = _month_and_day(text, int(match["a"]), int(match["b"]), order)
        return _build(match, month, day)
    match = _DAY_NAME.fullmatch(text) or _NAME_DAY.fullmatch(text)
    month = _MONTHS.get(match["name"].lower()) if match else None
    if match is None or month is None:
        raise InvalidValue("not_a_date", "it is not a date in a known spelling")
    return _build(match, month, int(match["d"]))


def _month_and_day(text: str, first: int, second: int, order: DateOrder | None) -> tuple[int, int]:
    detected = detect_date_order(text)
    if detected == "either":
        if order is None:
            raise InvalidValue("ambiguous_date", "day and month can be read in two ways")
        detected = order
    elif detected is not None and order is not None and detected != order:
        raise InvalidValue("not_a_date", f"day and month are not in the order of the column ({order})")
    return (first, second) if detected == "mdy" else (second, first)


def _build(match: re.Match[str], month: int, day: int) -> datetime:
    year = int(match["y"])
    if len(match["y"]) == 2:
        year += 1900 if year >= 69 else 2000  # POSIX strptime %y
    # Digits below the microsecond are cut: a Timestamp column has microseconds.
    microsecond = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(
            year, month, day, _hour(match), int(match["minute"] or 0), int(match["second"] or 0), microsecond, UTC
        )
    except ValueError:
        raise InvalidValue("not_a_date", "there is no such day or time") from None
    try:
        return moment - _offset(match["zone"])
    except OverflowError:
        raise InvalidValue("out_of_range", "it is before the year 1 or after the year 9999") from None


def _hour(match: re.Match[str]) -> int:
    hour, half = int(match["hour"] or 0), match["half"]
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _offset(zone: str | None) -> timedelta:
    match = _ZONE.fullmatch(zone) if zone else None
    if match is None:
        return timedelta()
    hours, minutes = int(match[2]), int(match[3] or 0)
    if hours > 23 or minutes > 59:
        raise InvalidValue("not_a_date", "there is no such offset from UTC")
    return timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1)
