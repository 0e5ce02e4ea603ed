"""Parts of error messages about series: their names, times and spans, and hints at the cause."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dataml.ml.forecasting.frequency import calendar

TimeLike = np.datetime64 | np.ndarray
"""One time; an array of it has no dimensions."""
MAX_EXAMPLES: Final = 3
"""Examples that a message names before it counts the rest."""
_MAX_ID_CHARACTERS: Final = 60
_HOUR_US: Final = 3_600 * calendar.SECOND_US


def series_label(ids: Sequence[str], index: int) -> str:
    """Return the name of a series in a sentence: without an id, as in a table of one series, "the series"."""
    name = ids[index]
    if not name:
        return "the series"
    return f"series {name!r}" if len(name) <= _MAX_ID_CHARACTERS else f"series {name[:_MAX_ID_CHARACTERS]!r}…"


def series_labels(ids: Sequence[str], indices: np.ndarray) -> str:
    """Return the first few of these series by name, and how many more there are."""
    return join_examples([series_label(ids, index) for index in indices[:MAX_EXAMPLES].tolist()], len(indices))


def join_examples(examples: Sequence[str], total: int) -> str:
    """Return the examples in one list, and how many more of the total there are."""
    more = f" and {total - len(examples):,} more" if total > len(examples) else ""
    return ", ".join(examples) + more


def format_times(*times: TimeLike) -> list[str]:
    """Return the times of one sentence in one format: dates if all of them are, else ISO 8601 in UTC with Z."""
    stacked = np.array(times, "datetime64[us]")
    clock = calendar.time_of_day(stacked)
    if not clock.any():
        return np.datetime_as_string(stacked, unit="D").tolist()
    unit = "us" if np.remainder(clock, calendar.SECOND_US).any() else "s"
    return [f"{text}Z" for text in np.datetime_as_string(stacked, unit=unit).tolist()]


def format_span(ids: Sequence[str], index: int, first: TimeLike, last: TimeLike) -> str:
    """Return the name of a series with a first and a last time."""
    begin, end = format_times(first, last)
    return f"{series_label(ids, index)} from {begin} to {end}"


def clock_change_hint(times: np.ndarray) -> str:
    """Return a hint when the times of trouble look like changes to or from daylight saving time, else "".

    Europe and America change clocks on Sundays in March, October and November, by night.

    Args:
        times: The times around which an hour is missing, doubled, or off.
    """
    month = calendar.months(times) % 12
    by_night = calendar.time_of_day(times) <= 4 * _HOUR_US
    changes = (calendar.weekdays(times) == 6) & np.isin(month, (2, 9, 10)) & by_night
    if not len(times) or changes.mean() < 0.5:
        return ""
    return " This looks like clocks changed for daylight saving: give the times in UTC, or each with its offset."


def shifted_hours_hint(times: np.ndarray) -> str:
    """Return a hint when a series has two times of day an hour apart, as local midnights in UTC have, else ""."""
    clocks = np.unique(calendar.time_of_day(times))
    if len(clocks) != 2 or int(clocks[1] - clocks[0]) not in (_HOUR_US, calendar.DAY_US - _HOUR_US):
        return ""
    return (
        " The times of day alternate by an hour, as local days do in UTC under daylight saving: "
        "give dates without a time or an offset, or upload with a template in which the column has its time_zone."
    )
