"""How the times of a series are spoken of when they are refused: which series, from when to when, and what to do."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dataml.ml.forecasting.frequency import calendar

Moment = np.datetime64 | np.ndarray
"""One time; an array has no dimensions."""
SHOWN: Final = 3
_ID_CHARACTERS: Final = 60
_HOUR_US: Final = 3_600 * calendar.SECOND_US


def called(ids: Sequence[str], index: int) -> str:
    """The name of a series in a sentence; "" is the only one of a table without ids."""
    name = ids[index]
    if not name:
        return "the series"
    return f"series {name!r}" if len(name) <= _ID_CHARACTERS else f"series {name[:_ID_CHARACTERS]!r}…"


def several(ids: Sequence[str], indices: np.ndarray) -> str:
    """The first few of these series by name, and how many more there are."""
    return listed([called(ids, index) for index in indices[:SHOWN].tolist()], len(indices))


def listed(shown: Sequence[str], total: int) -> str:
    more = f" and {total - len(shown):,} more" if total > len(shown) else ""
    return ", ".join(shown) + more


def moments(*times: Moment) -> list[str]:
    """Times of one sentence in one spelling: as dates if all of them are, else in UTC with Z."""
    stacked = np.array(times, "datetime64[us]")
    clock = calendar.time_of_day(stacked)
    if not clock.any():
        return np.datetime_as_string(stacked, unit="D").tolist()
    unit = "us" if np.remainder(clock, calendar.SECOND_US).any() else "s"
    return [f"{text}Z" for text in np.datetime_as_string(stacked, unit=unit).tolist()]


def span(ids: Sequence[str], index: int, first: Moment, last: Moment) -> str:
    """A series, from, to."""
    begin, end = moments(first, last)
    return f"{called(ids, index)} from {begin} to {end}"


def clock_change_hint(times: np.ndarray) -> str:
    """A sentence where the moments of trouble look like changes to or from daylight saving time, else "".

    times: the moments around which an hour is missing, doubled, or off. Europe and America change on Sundays in March,
    October and November, by night.
    """
    month = calendar.months(times) % 12
    by_night = calendar.time_of_day(times) <= 4 * _HOUR_US
    changes = (calendar.weekdays(times) == 6) & np.isin(month, (2, 9, 10)) & by_night
    if not len(times) or changes.mean() < 0.5:
        return ""
    return " This looks like clocks changed for daylight saving: give the times in UTC, or each with its offset."


def shifted_hours_hint(times: np.ndarray) -> str:
    """A sentence where one series has two times of day an hour apart: local midnights, written in UTC. Else ""."""
    clocks = np.unique(calendar.time_of_day(times))
    if len(clocks) != 2 or int(clocks[1] - clocks[0]) not in (_HOUR_US, calendar.DAY_US - _HOUR_US):
        return ""
    return (
        " The times of day alternate by an hour, as local days do in UTC under daylight saving: "
        "give dates without a time or an offset."
    )
