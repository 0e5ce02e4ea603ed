"""How people and libraries write a frequency: words, pandas offset aliases, ISO 8601 durations."""

import re
from typing import Final, Literal, NamedTuple

Unit = Literal["second", "minute", "hour", "day", "business_day", "week", "month", "quarter", "year"]

MONTH_END: Final = 31
"""A day of the month that no month exceeds: the last one."""
_LONGEST: Final = 40
_SECONDS: Final = {"W": 604_800, "D": 86_400, "H": 3_600, "S": 1}
_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class Words(NamedTuple):
    """What was written: a number of units, the day of the month and the first weekday where they were told."""

    unit: Unit
    number: int = 1
    anchor_day: int | None = None
    week_start: int = 0


_WORDS: Final[dict[str, Words]] = {
    **dict.fromkeys(("second", "seconds", "sec", "secs"), Words("second")),
    **dict.fromkeys(("minute", "minutes", "minutely", "min", "mins"), Words("minute")),
    **dict.fromkeys(("quarter hour", "quarter hours", "quarter hourly"), Words("minute", 15)),
    **dict.fromkeys(("half hour", "half hours", "half hourly", "halfhour", "halfhourly"), Words("minute", 30)),
    **dict.fromkeys(("hour", "hours", "hourly", "hr", "hrs"), Words("hour")),
    **dict.fromkeys(("day", "days", "daily", "calendar day", "calendar days"), Words("day")),
    **dict.fromkeys(
        ("business day", "business days", "businessday", "business daily", "working day", "working days", "bday"),
        Words("business_day"),
    ),
    **dict.fromkeys(("week", "weeks", "weekly"), Words("week")),
    **dict.fromkeys(("fortnight", "fortnights", "fortnightly"), Words("week", 2)),
    **dict.fromkeys(("month", "months", "monthly", "month start"), Words("month")),
    **dict.fromkeys(("month end", "month ends"), Words("month", 1, MONTH_END)),
    **dict.fromkeys(("quarter", "quarters", "quarterly", "quarter start"), Words("quarter")),
    "quarter end": Words("quarter", 1, MONTH_END),
    **dict.fromkeys(("half year", "half years", "half yearly", "semiannual", "semi annual"), Words("month", 6)),
    **dict.fromkeys(("year", "years", "yearly", "annual", "annually", "year start"), Words("year")),
    "year end": Words("year", 1, MONTH_END),
}
# Case matters to pandas: MS is a month and ms a millisecond. `m`, a minute to some and a month to others, is nobody's.
_ALIASES: Final[dict[str, Words]] = {
    **dict.fromkeys(("S", "s"), Words("second")),
    "T": Words("minute"),
    **dict.fromkeys(("H", "h"), Words("hour")),
    **dict.fromkeys(("D", "d"), Words("day")),
    **dict.fromkeys(("B", "b"), Words("business_day")),
    **dict.fromkeys(("W", "w"), Words("week")),
    **{f"W-{name}": Words("week", 1, None, (place + 1) % 7) for place, name in enumerate(_WEEKDAYS)},
    "MS": Words("month"),
    **dict.fromkeys(("M", "ME"), Words("month", 1, MONTH_END)),
    **dict.fromkeys(("QS", *(f"QS-{name}" for name in ("JAN", "APR", "JUL", "OCT"))), Words("quarter")),
    **dict.fromkeys(
        ("Q", "q", "QE", *(f"{alias}-{name}" for alias in ("Q", "QE") for name in ("MAR", "JUN", "SEP", "DEC"))),
        Words("quarter", 1, MONTH_END),
    ),
    **dict.fromkeys(("YS", "AS", "YS-JAN", "AS-JAN"), Words("year")),
    **dict.fromkeys(("Y", "y", "YE", "A", "Y-DEC", "YE-DEC", "A-DEC"), Words("year", 1, MONTH_END)),
}
_COUNTED: Final = re.compile(r"(?:every\s+)?([0-9]{0,9})\s*([a-z][a-z\s_-]*)", re.IGNORECASE)
_ISO: Final = re.compile(
    r"P(?:(?P<Y>[0-9]{1,9})Y)?(?:(?P<M>[0-9]{1,9})M)?(?:(?P<W>[0-9]{1,9})W)?(?:(?P<D>[0-9]{1,9})D)?"
    r"(?:T(?:(?P<H>[0-9]{1,9})H)?(?:(?P<min>[0-9]{1,9})M)?(?:(?P<S>[0-9]{1,9})S)?)?"
)


def read(text: str) -> Words | None:
    """What is written, or None where it is no frequency. A number of zero comes back as it is."""
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isascii():
        return None
    match = _COUNTED.fullmatch(text)
    words = _named(match[2].strip()) if match else None
    if match and words:
        return words._replace(number=words.number * int(match[1] or 1))
    return _duration(text.upper())


def _named(name: str) -> Words | None:
    if name in _ALIASES:
        return _ALIASES[name]
    return _WORDS.get(re.sub(r"[\s_-]+", " ", name.lower()))


def _duration(text: str) -> Words | None:
    match = _ISO.fullmatch(text)
    if match is None or text.endswith("T"):
        return None
    parts = {name: int(digits) for name, digits in match.groupdict().items() if digits is not None}
    in_months = parts.pop("Y", 0) * 12 + parts.pop("M", 0)
    in_seconds = parts.pop("min", 0) * 60 + sum(_SECONDS[name] * count for name, count in parts.items())
    if in_months and in_seconds:
        return None
    return Words("month", in_months) if in_months else Words("second", in_seconds)
