"""Written months, quarters, half-years and weeks, which stand for their first day; and seasons, which are none."""

import re
from datetime import date
from typing import Final

from dataml.contract.months import MONTHS

PIVOT_YEAR: Final = 69
"""A year of two digits from here on is in the 1900s, one below in the 2000s, as POSIX reads `%y`."""

_NAME: Final = r"(?P<name>[^\W\d_]{3,12})"
_YEAR: Final = r"(?P<y>[0-9]{4}|[0-9]{2})"
_YEAR_MONTH: Final = re.compile(
    r"(?P<y>[0-9]{4})(?:[-/.]|-?[Mm])(?P<m>[0-9]{1,2})|(?P<y2>[0-9]{4})\s?[年년]\s?(?P<m2>[0-9]{1,2})\s?[月월]"
)
_MONTH_YEAR: Final = re.compile(r"(?P<m>[0-9]{1,2})[-/.](?P<y>[0-9]{4})")
_MONTH_NAME_YEAR: Final = re.compile(_NAME + r"\.?[-/., ]?\s*(?:de )?'?" + _YEAR + r"(?:\s?[\u0433\u0440]\.)?")
_YEAR_MONTH_NAME: Final = re.compile(r"(?P<y>[0-9]{4})[-/. ]\s*" + _NAME + r"\.?")
# Q as in most countries, T for trimestre and K for kvartal; a short year follows only where it is no usual code.
_QUARTER: Final = re.compile(
    r"(?P<y>[0-9]{4})[-/ ]?(?:[QTK]|KV)(?P<n>[1-4])|(?:[QTK]|KV)(?P<n2>[1-4])[-/ ]?(?P<y2>[0-9]{4})|"
    r"Q(?P<n3>[1-4])[-/ ]?'?(?P<y3>[0-9]{2})|(?P<n4>[1-4])[QTK][-/ ]?'?(?P<y4>[0-9]{4}|[0-9]{2})|"
    r"(?P<n5>[1-4])\.\s?(?:QUARTAL|KVARTAL) (?P<y5>[0-9]{4})",
    re.IGNORECASE,
)
# H for half-year, S for semester.
_HALF_YEAR: Final = re.compile(
    r"(?P<y>[0-9]{4})[-/ ]?[HS](?P<n>[12])|[HS](?P<n2>[12])[-/ ]?(?P<y2>[0-9]{4})|"
    r"(?P<n3>[12])H[-/ ]?(?P<y3>[0-9]{4}|[0-9]{2})",
    re.IGNORECASE,
)
# ISO 8601, with a single digit as of Stata, and as of calendar weeks: KW 05/2024.
_WEEK: Final = re.compile(
    r"(?P<y>[0-9]{4})[- ]?[KC]?W(?P<w>[0-9]{1,2})(?:-?(?P<d>[1-7]))?|"
    r"[KC]?W\s?(?P<w2>[0-9]{1,2})\s?[-/. ]\s?(?P<y2>[0-9]{4})",
    re.IGNORECASE,
)
_SEASON: Final = re.compile(r"([0-9]{2})([0-9]{2})[-/]([0-9]{2})")


def parse_period(text: str) -> date | None:
    """Return the first day of a written month, quarter, half-year or week (ISO 8601), or None.

    Raises:
        ValueError: there is no such month, week or year; the message is a reason for people.
    """
    if match := _YEAR_MONTH.fullmatch(text):
        return _first_day(int(match["y"] or match["y2"]), int(match["m"] or match["m2"]))
    if match := _MONTH_YEAR.fullmatch(text):
        return _first_day(int(match["y"]), int(match["m"]))
    if match := _MONTH_NAME_YEAR.fullmatch(text) or _YEAR_MONTH_NAME.fullmatch(text):
        month = MONTHS.get(match["name"].lower())
        return None if month is None else _first_day(to_full_year(match["y"]), month)
    if match := _QUARTER.fullmatch(text):
        year, quarter = _find_year_and_number(match)
        return _first_day(year, 3 * quarter - 2)
    if match := _HALF_YEAR.fullmatch(text):
        year, half = _find_year_and_number(match)
        return _first_day(year, 6 * half - 5)
    if match := _WEEK.fullmatch(text):
        try:
            return date.fromisocalendar(
                int(match["y"] or match["y2"]), int(match["w"] or match["w2"]), int(match["d"] or 1)
            )
        except ValueError:
            raise ValueError("there is no such week") from None
    return None


def is_season(text: str) -> bool:
    """Return whether a text can be a year and the one after it, as 2009/10; it can be October 2009 as well."""
    match = _SEASON.fullmatch(text)
    return match is not None and int(match[3]) == (int(match[2]) + 1) % 100


def to_full_year(text: str) -> int:
    """Return a year of four digits, or of two by PIVOT_YEAR."""
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year >= PIVOT_YEAR else 2000)


def _find_year_and_number(match: re.Match[str]) -> tuple[int, int]:
    groups = {name[0]: text for name, text in match.groupdict().items() if text is not None}
    return to_full_year(groups["y"]), int(groups["n"])


def _first_day(year: int, month: int) -> date:
    try:
        return date(year, month, 1)
    except ValueError:
        raise ValueError("there is no such day or time") from None
