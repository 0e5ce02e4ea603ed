"""Parsing of written dates: ISO 8601 and common spellings; an ambiguous order of day and month is refused."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Final, Literal

from dataml.contract.months import MONTHS
from dataml.contract.periods import parse_period, to_full_year
from dataml.contract.time_zones import SkippedTime, UnknownTimeZone, to_utc

DateOrder = Literal["dmy", "mdy", "ymd"]
"""The order of day, month and year where all are digits; `ymd` means years of two digits, since others need none."""


class InvalidValue(Exception):
    """A value that does not fit its type: `rule` is a stable word, `reason` a sentence for people."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (InvalidValue, (self.rule, self.reason))


_MAX_CHARACTERS: Final = 100
_NAME = r"(?P<name>[^\W\d_]{3,12})"
# Hours from UTC of the names of zones that RFC 5322 defines, and of those of Europe that mean one zone.
_ZONES: Final = {
    **{"UTC": 0, "GMT": 0, "UT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8},
    **{"PDT": -7, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
}
_ZONE_PATTERN = (
    rf"(?P<zone>[Zz]|\s?(?:UTC|GMT)?[+-][0-9]{{2}}(?::?[0-9]{{2}})?|\s?(?:{'|'.join(_ZONES)}))?"
    r"(?:(?<=[0-9])\s?\([^()]{2,50}\))?"  # the name of the zone, as browsers and mail programs add it
)
# Morning and afternoon in Korean, Chinese and Japanese, which stand before the hour.
_HALVES: Final = {"오전": "a", "오후": "p", "上午": "a", "下午": "p", "午前": "a", "午後": "p"}
# "at" in several languages, the last two in Cyrillic: 5 January 2024 at 15:04, 5. Januar 2024 um 15:04 Uhr.
_AT = r"(?:at|um|om|kl\.?|klo|à|às|alle|ore|a las|\u0432|\u043e)"
# A colon before the time of day is that of web servers' logs and of SAS: 15/Jan/2024:13:55:36. A hyphen is that of DB2:
# 2024-01-15-13.55.36.
_CLOCK = (
    rf"(?:(?:[Tt]|,?\s+(?:{_AT}\s+)?|:(?=[0-9]{{2}}:[0-9]{{2}})|-(?=[0-9]{{2}}\.[0-9]{{2}}\.[0-9]{{2}}))"
    rf"(?:(?P<early>{'|'.join(_HALVES)})\s?)?"
    r"(?P<hour>[0-9]{1,2})(?:(?P<mark>[:.hH])(?P<minute>[0-9]{2})"
    r"(?:(?P=mark)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    rf"(?:\s*(?P<half>[AaPp])(?:\.?\s?[Mm]\.?)|\s?(?:Uhr|h|hrs))?{_ZONE_PATTERN})?"
)
_YEAR = r"(?P<y>[0-9]{4}|[0-9]{2})"
_YEAR_FIRST = re.compile(r"(?P<y>[0-9]{4})([-/.])(?P<m>[0-9]{1,2})\2(?P<d>[0-9]{1,2})" + _CLOCK)
# With the signs of Chinese, Japanese and Korean, or as in Hungary and Korea: 2024年1月15日, 2024. 01. 15.
_YEAR_FIRST_WORDS = re.compile(
    r"(?P<y>[0-9]{4})\s?[年년.]\s?(?P<m>[0-9]{1,2})\s?[月월.]\s?(?P<d>[0-9]{1,2})\s?[日일.]?" + _CLOCK
)
_COMPACT = re.compile(
    r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:(?:[Tt]|\s)?(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})"
    rf"(?:(?P<second>[0-9]{{2}})(?:\.(?P<fraction>[0-9]{{1,9}}))?)?(?P<half>(?!))?{_ZONE_PATTERN})?"
)
_DAY_NAME = re.compile(
    r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th|er|\.?[º°]|\.)?[-/ ]?\s*(?:de |of )?"
    + _NAME
    + r"\.?[-/., ]?\s*(?:de )?"
    + _YEAR
    + r"(?:\s?[\u0433\u0440]\.)?"  # "of the year" in Cyrillic
    + _CLOCK
)
_YEAR_NAME_DAY = re.compile(r"(?P<y>[0-9]{4})(?:[-/ ]|\.\s?)" + _NAME + r"\.?[-/ ]\s*(?P<d>[0-9]{1,2})\.?" + _CLOCK)
_NAME_DAY = re.compile(_NAME + r"\.?[- ]\s*(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?(?:,\s*|[- ]\s*)" + _YEAR + _CLOCK)
# Sun Jan 06 08:49:37 2013, as the C library and `date` write it.
_YEAR_LAST = re.compile(
    _NAME + r"\s+(?P<d>[0-9]{1,2})\s+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?P<fraction>(?!))?"
    r"(?P<half>(?!))?(?:\s+(?P<zone>" + "|".join(_ZONES) + r"))?\s+(?P<y>[0-9]{4})"
)
_NUMERIC = re.compile(r"(?P<a>[0-9]{1,2})([-/.])(?P<b>[0-9]{1,2})\2" + _YEAR + _CLOCK)
_WEEKDAY = re.compile(r"[^\W\d_]{2,10}\.?,?\s+(?=\S)")
_ZONE = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})?")
_ZONE_NAME = re.compile(r"\[(?P<name>[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*)\]$")


def split_date(text: str) -> tuple[int, int, str] | None:
    """Return the first two numbers and the year of a date whose parts are digits, the year last; None of other texts.

    With two digits, the year may be any part of it.
    """
    match = _NUMERIC.fullmatch(text.strip()) if len(text) <= _MAX_CHARACTERS else None
    return (int(match["a"]), int(match["b"]), match["y"]) if match else None


def detect_date_order(text: str) -> Literal["dmy", "mdy", "either"] | None:
    """Return the order of day and month in a written date: "either" if it reads both ways, None if it shows nothing."""
    parts = split_date(text)
    return detect_order_of_parts(parts[0], parts[1]) if parts else None


def settle_date_order(text: str | None, order: DateOrder | None = None) -> DateOrder | None:
    """Return the order in which a single date of a contract is read, a bound or a default: its year comes last.

    None means that it can have the day or the month first.
    """
    if order is not None or text is None:
        return order
    detected = detect_date_order(text)
    return "dmy" if detected is None else None if detected == "either" else detected


def detect_order_of_parts(first: int, second: int) -> Literal["dmy", "mdy", "either"] | None:
    """Return what the first two numbers of a date with the year behind them show, as `detect_date_order`."""
    if first == second or (first > 12 and second > 12):
        return None
    if first <= 12 and second <= 12:
        return "either"
    return "dmy" if first > 12 else "mdy"


def parse_moment(text: str, order: DateOrder | None, time_zone: str | None = None) -> datetime:
    """Return a written date, or date and time, as an aware UTC datetime.

    One without an offset is on the clock of the zone that it names in brackets, of the `time_zone`, or in UTC.

    A period stands for its first day. Names of months are read in the languages of `dataml.contract.months`; the name
    of a weekday before the date is not compared with it.

    Raises:
        InvalidValue: `not_a_date`, `ambiguous_date`, `skipped_time` or `out_of_range`.
    """
    if len(text) > _MAX_CHARACTERS:
        raise _not_a_date()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)  # an accent may be a character of its own
    name = _ZONE_NAME.search(text) if text.endswith("]") else None
    if name is not None:
        # An offset before it says what the name in brackets says (RFC 9557).
        text, time_zone = text[: name.start()], name["name"]
    moment = _read_moment(text, order)
    return moment if moment.tzinfo is not None else localize(moment, time_zone)


def localize(local: datetime, time_zone: str | None) -> datetime:
    """Return the moment of a naive local time of a zone, or of UTC, as an aware UTC datetime.

    Raises:
        InvalidValue: `skipped_time`, `not_a_date` or `out_of_range`.
    """
    try:
        return to_utc(local, time_zone)
    except SkippedTime:
        reason = f"clocks in {time_zone} were put forward over this time: it did not exist"
        raise InvalidValue("skipped_time", reason) from None
    except UnknownTimeZone:
        raise InvalidValue("not_a_date", "there is no time zone of this name") from None
    except OverflowError:
        raise _out_of_years() from None


def find_offset(text: str) -> str | None:
    """Return the zone that a written moment names: its name in brackets or its offset; None of one without either.

    Text that is no date names none.
    """
    name = _ZONE_NAME.search(text) if text.endswith("]") else None
    if name is not None:
        return name["name"]
    for pattern in _WITH_CLOCK:
        if match := pattern.fullmatch(text):
            break
    else:
        weekday = _WEEKDAY.match(text)
        match = weekday and (
            _DAY_NAME.fullmatch(text, weekday.end())
            or _NAME_DAY.fullmatch(text, weekday.end())
            or _YEAR_LAST.fullmatch(text, weekday.end())
        )
    if not match or not (zone := (match["zone"] or "").strip()):
        return None
    try:
        minutes = _offset(zone) // timedelta(minutes=1)
    except InvalidValue:
        return None
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


_WITH_CLOCK: Final = (_YEAR_FIRST, _COMPACT, _YEAR_FIRST_WORDS, _NUMERIC, _DAY_NAME, _NAME_DAY, _YEAR_LAST)


def _read_moment(text: str, order: DateOrder | None) -> datetime:
    """Return a written date or time: aware and in UTC where it has an offset, else naive."""
    match = _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text) or _YEAR_FIRST_WORDS.fullmatch(text)
    if match:
        return _build(match, int(match["m"]), int(match["d"]))
    match = _NUMERIC.fullmatch(text)
    if match and order == "ymd":
        return _build_year_first(match)
    if match:
        month, day = _month_and_day(text, int(match["a"]), int(match["b"]), order)
        if order is None and _may_begin_with_year(match):
            raise InvalidValue("ambiguous_date", "the year can be its first or its last part")
        return _build(match, month, day)
    moment = _parse_named(text) or _parse_period(text)
    if moment is None and (weekday := _WEEKDAY.match(text)):
        moment = _parse_named(text[weekday.end() :])
    if moment is None:
        raise _not_a_date()
    return moment


def parse_digits(number: float, date_format: str, time_zone: str | None = None) -> datetime:
    """Return the moment that a number counts or spells.

    It counts calendar years, months (201503), units since 1970 or spreadsheet days, or spells a day, and perhaps a time
    of day, by its digits: 20240131, 2024013113 with the hour, 202401311305, 20240131130559.

    All but units since 1970 are on the clock of the `time_zone`; without one they are in UTC.

    Raises:
        InvalidValue: `not_a_date`, `skipped_time` or `out_of_range`.
    """
    try:
        moment = _DIGITS[date_format](number)
    except (ValueError, OverflowError):
        raise InvalidValue("out_of_range", f"as {date_format} it is no date of the years 1 to 9999") from None
    return moment if moment.tzinfo is not None else localize(moment, time_zone)


def _parse_named(text: str) -> datetime | None:
    """Return a date whose month is a name, or None."""
    patterns = (_DAY_NAME, _NAME_DAY, _YEAR_NAME_DAY, _YEAR_LAST)
    match = next((match for pattern in patterns if (match := pattern.fullmatch(text))), None)
    month = MONTHS.get(match["name"].lower()) if match else None
    return None if match is None or month is None else _build(match, month, int(match["d"]))


def _parse_period(text: str) -> datetime | None:
    """Return the first day of a written month, quarter, half-year or week, or None."""
    try:
        day = parse_period(text)
    except ValueError as error:
        raise InvalidValue("not_a_date", str(error)) from None
    return None if day is None else datetime.combine(day, time())


def _out_of_years() -> InvalidValue:
    return InvalidValue("out_of_range", "it is before the year 1 or after the year 9999")


def _not_a_date() -> InvalidValue:
    return InvalidValue("not_a_date", "it is not a date in a known spelling")


def _month_and_day(text: str, first: int, second: int, order: DateOrder | None) -> tuple[int, int]:
    detected = detect_date_order(text)
    if detected == "either":
        if order is None:
            raise InvalidValue("ambiguous_date", "day and month can be read in two ways")
        detected = order
    elif detected is not None and order is not None and detected != order:
        raise InvalidValue("not_a_date", f"day and month are not in the order of the column ({order})")
    return (first, second) if detected == "mdy" else (second, first)


def _may_begin_with_year(match: re.Match[str]) -> bool:
    """Return whether another date is meant if the year, of two digits, comes first."""
    last = int(match["y"])
    return len(match["y"]) == 2 and 1 <= int(match["b"]) <= 12 and 1 <= last <= 31 and last != int(match["a"])


def _build_year_first(match: re.Match[str]) -> datetime:
    if len(match["y"]) != 2 or len(match["a"]) != 2:
        raise InvalidValue("not_a_date", "it is not in the order of the column (ymd)")
    return _build(match, int(match["b"]), int(match["y"]), match["a"])


def _build(match: re.Match[str], month: int, day: int, year: str | None = None) -> datetime:
    # Digits below the microsecond are cut: a Timestamp column has microseconds.
    microsecond = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        hour, minute, second = _hour(match), int(match["minute"] or 0), int(match["second"] or 0)
        # Two ends that are the start of what follows: of the day (24:00), and of a minute with a leap second, as POSIX
        # counts it.
        ends_day = (hour, minute, second, microsecond) == (24, 0, 0, 0)
        is_leap = second == 60 and minute % 15 == 14
        moment = datetime(
            to_full_year(year or match["y"]),
            month,
            day,
            0 if ends_day else hour,
            minute,
            59 if is_leap else second,
            microsecond,
        )
    except ValueError:
        raise InvalidValue("not_a_date", "there is no such day or time") from None
    try:
        moment += timedelta(days=ends_day, seconds=is_leap)
        return (moment - _offset(match["zone"])).replace(tzinfo=UTC) if match["zone"] else moment
    except OverflowError:
        raise _out_of_years() from None


def _hour(match: re.Match[str]) -> int:
    hour, early = int(match["hour"] or 0), match.groupdict().get("early")
    half = _HALVES[early] if early else match["half"]
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower() == "p" else 0)


def _offset(zone: str) -> timedelta:
    match = _ZONE.search(zone)
    if match is None:
        return timedelta(hours=_ZONES.get(zone.strip(), 0))
    hours, minutes = int(match[2]), int(match[3] or 0)
    if hours > 23 or minutes > 59:
        raise InvalidValue("not_a_date", "there is no such offset from UTC")
    return timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Spreadsheets count from 1899-12-30, since they take 1900 for a leap year.
_SPREADSHEET_EPOCH: Final = datetime(1899, 12, 30)


def _whole(number: float) -> int:
    if number != int(number):
        raise InvalidValue("not_a_date", "it is not a whole number")
    return int(number)


def _excel(number: float) -> datetime:
    if number < 61:
        raise InvalidValue("not_a_date", "a day before March 1900 is written in different ways by spreadsheets")
    # To the millisecond, the precision that a day's fraction has in a spreadsheet.
    return _SPREADSHEET_EPOCH + timedelta(milliseconds=round(number * 86_400_000))


def _first_day(year: int, month: int) -> datetime:
    try:
        return datetime(year, month, 1)
    except ValueError:
        raise InvalidValue("not_a_date", "there is no such day or time") from None


def _compact(number: float) -> datetime:
    match = _SPELLED_DIGITS.fullmatch(str(_whole(number)))
    if match is None:
        raise InvalidValue("not_a_date", "it has not the 8, 10, 12 or 14 digits of a day, perhaps with a time of day")
    return _build(match, int(match["m"]), int(match["d"]))


_SPELLED_DIGITS: Final = re.compile(
    r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?)?)?"
    r"(?P<fraction>(?!))?(?P<half>(?!))?(?P<zone>(?!))?"
)
_DIGITS: Final[dict[str, Callable[[float], datetime]]] = {
    "year": lambda number: _first_day(_whole(number), 1),
    "year_month": lambda number: _first_day(*divmod(_whole(number), 100)),
    "compact": _compact,
    "epoch_s": lambda number: _EPOCH + timedelta(seconds=number),
    "epoch_ms": lambda number: _EPOCH + timedelta(milliseconds=number),
    "epoch_us": lambda number: _EPOCH + timedelta(microseconds=number),
    "epoch_ns": lambda number: _EPOCH + timedelta(microseconds=number // 1_000),
    "excel": _excel,
}
