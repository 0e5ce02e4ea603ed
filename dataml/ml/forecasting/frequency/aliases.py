"""Spellings of a frequency: words, pandas offset aliases and ISO 8601 durations."""

import re
from typing import Final, Literal, NamedTuple

Unit = Literal["second", "minute", "hour", "day", "business_day", "week", "month", "quarter", "year"]

MONTH_END: Final = 31
"""Anchor day of the end of a month: no month is longer."""
_MAX_CHARACTERS: Final = 40
_SECONDS: Final = {"W": 604_800, "D": 86_400, "H": 3_600, "S": 1}
_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class ParsedAlias(NamedTuple):
    """A frequency as it was written: a number of units, and the anchors that an alias implies.

    `anchor_day` is a day of the month; `week_start` is the first day of a week, 0 for Monday.
    """

    unit: Unit
    number: int = 1
    anchor_day: int | None = None
    week_start: int = 0


_WORDS: Final[dict[str, ParsedAlias]] = {
    **dict.fromkeys(("second", "seconds", "sec", "secs"), ParsedAlias("second")),
    **dict.fromkeys(("minute", "minutes", "minutely", "min", "mins"), ParsedAlias("minute")),
    **dict.fromkeys(("quarter hour", "quarter hours", "quarter hourly"), ParsedAlias("minute", 15)),
    **dict.fromkeys(("half hour", "half hours", "half hourly", "halfhour", "halfhourly"), ParsedAlias("minute", 30)),
    **dict.fromkeys(("hour", "hours", "hourly", "hr", "hrs"), ParsedAlias("hour")),
    **dict.fromkeys(("day", "days", "daily", "calendar day", "calendar days"), ParsedAlias("day")),
    **dict.fromkeys(
        ("business day", "business days", "businessday", "business daily", "working day", "working days", "bday"),
        ParsedAlias("business_day"),
    ),
    **dict.fromkeys(("week", "weeks", "weekly"), ParsedAlias("week")),
    **dict.fromkeys(("fortnight", "fortnights", "fortnightly"), ParsedAlias("week", 2)),
    **dict.fromkeys(("month", "months", "monthly", "month start"), ParsedAlias("month")),
    **dict.fromkeys(("month end", "month ends"), ParsedAlias("month", 1, MONTH_END)),
    **dict.fromkeys(("quarter", "quarters", "quarterly", "quarter start"), ParsedAlias("quarter")),
    "quarter end": ParsedAlias("quarter", 1, MONTH_END),
    **dict.fromkeys(("half year", "half years", "half yearly", "semiannual", "semi annual"), ParsedAlias("month", 6)),
    **dict.fromkeys(("year", "years", "yearly", "annual", "annually", "year start"), ParsedAlias("year")),
    "year end": ParsedAlias("year", 1, MONTH_END),
}
# Case matters to pandas: MS is a month and ms a millisecond. `m` is left out: a minute to some, a month to others.
_ALIASES: Final[dict[str, ParsedAlias]] = {
    **dict.fromkeys(("S", "s"), ParsedAlias("second")),
    "T": ParsedAlias("minute"),
    **dict.fromkeys(("H", "h"), ParsedAlias("hour")),
    **dict.fromkeys(("D", "d"), ParsedAlias("day")),
    **dict.fromkeys(("B", "b"), ParsedAlias("business_day")),
    **dict.fromkeys(("W", "w"), ParsedAlias("week")),
    **{f"W-{name}": ParsedAlias("week", 1, None, (place + 1) % 7) for place, name in enumerate(_WEEKDAYS)},
    "MS": ParsedAlias("month"),
    **dict.fromkeys(("M", "ME"), ParsedAlias("month", 1, MONTH_END)),
    **dict.fromkeys(("QS", *(f"QS-{name}" for name in ("JAN", "APR", "JUL", "OCT"))), ParsedAlias("quarter")),
    **dict.fromkeys(
        ("Q", "q", "QE", *(f"{alias}-{name}" for alias in ("Q", "QE") for name in ("MAR", "JUN", "SEP", "DEC"))),
        ParsedAlias("quarter", 1, MONTH_END),
    ),
    **dict.fromkeys(("YS", "AS", "YS-JAN", "AS-JAN"), ParsedAlias("year")),
    **dict.fromkeys(("Y", "y", "YE", "A", "Y-DEC", "YE-DEC", "A-DEC"), ParsedAlias("year", 1, MONTH_END)),
}
_COUNT_AND_NAME: Final = re.compile(r"(?:every\s+)?([0-9]{0,9})\s*([a-z][a-z\s_-]*)", re.IGNORECASE)
_ISO: Final = re.compile(
    r"P(?:(?P<Y>[0-9]{1,9})Y)?(?:(?P<M>[0-9]{1,9})M)?(?:(?P<W>[0-9]{1,9})W)?(?:(?P<D>[0-9]{1,9})D)?"
    r"(?:T(?:(?P<H>[0-9]{1,9})H)?(?:(?P<min>[0-9]{1,9})M)?(?:(?P<S>[0-9]{1,9})S)?)?"
)


def parse_alias(text: str) -> ParsedAlias | None:
    """Return the frequency that a text spells, or None where it spells none; a number of 0 is not refused here."""
    text = text.strip()
    if not text or len(text) > _MAX_CHARACTERS or not text.isascii():
        return None
    match = _COUNT_AND_NAME.fullmatch(text)
    alias = _find_alias(match[2].strip()) if match else None
    if match and alias:
        return alias._replace(number=alias.number * int(match[1] or 1))
    return _parse_duration(text.upper())


def _find_alias(name: str) -> ParsedAlias | None:
    if name in _ALIASES:
        return _ALIASES[name]
    return _WORDS.get(re.sub(r"[\s_-]+", " ", name.lower()))


def _parse_duration(text: str) -> ParsedAlias | None:
    match = _ISO.fullmatch(text)
    if match is None or text.endswith("T"):
        return None
    parts = {name: int(digits) for name, digits in match.groupdict().items() if digits is not None}
    in_months = parts.pop("Y", 0) * 12 + parts.pop("M", 0)
    in_seconds = parts.pop("min", 0) * 60 + sum(_SECONDS[name] * count for name, count in parts.items())
    if in_months and in_seconds:
        return None
    return ParsedAlias("month", in_months) if in_months else ParsedAlias("second", in_seconds)
