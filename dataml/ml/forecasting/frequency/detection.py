"""Detection of the frequency of series from their times.

Gaps do not matter here: the most common step counts, and every time must lie on its grid. Series of several
frequencies, or of none, are refused by name.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency import calendar
from dataml.ml.forecasting.frequency.aliases import MONTH_END
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.frequency.messages import format_span, series_label, shifted_hours_hint

_SHORTEST_MONTH_DAYS: Final = 28
_SHORTEST_DAY_US: Final = 23 * 3_600 * calendar.SECOND_US
_MIN_INFORMATIVE_STEPS: Final = 3
"""Steps that a series must have to show a frequency of its own."""
_MIN_SINGLE_STEPS: Final = 0.8
"""Share of the steps of a series that must be single ones, for a frequency to be its own."""
_MAX_INSPECTED_SERIES: Final = 50
"""Suspicious series that are inspected one by one."""


def detect_frequency(times: np.ndarray, starts: np.ndarray, ids: Sequence[str] | None = None) -> Frequency:
    """Return the one frequency of all series.

    Times from Monday to Friday are business days once they cross a weekend; times on month ends stay there; a day of
    the month beyond the 28th is kept as `anchor_day`.

    Args:
        times: datetime64[us], (rows,), sorted within each series.
        starts: (series + 1,); no series is empty.
        ids: The names of the series in errors.

    Raises:
        Invalid: `too_few_rows` (no series has a step), `irregular_series`, `mixed_frequencies`.
    """
    ids = _number_names(starts) if ids is None else ids
    frequency = _most_common(times, starts, ids)
    positions, on_grid = frequency.positions(times, starts)
    if not on_grid.all():
        _refuse_off_grid(frequency, times, starts, ids, np.flatnonzero(~on_grid))
    _refuse_mixed(frequency, positions, times, starts, ids)
    return frequency


def check_frequency(
    requested: Frequency, times: np.ndarray, starts: np.ndarray, ids: Sequence[str], *, fills: bool = False
) -> Frequency:
    """Return the requested frequency, anchored as the data are, after a check that the data have it.

    Shapes are those of `detect_frequency`. With `fills`, gaps will be filled: then the values of a series may
    have any distance on the grid.

    Raises:
        Invalid: `frequency_mismatch`, naming both; `irregular_series` or `mixed_frequencies`: the data have none.
    """
    anchored = Frequency.from_unit(requested.unit, requested.count, _anchor(times), requested.week_start)
    if len(times) == len(starts) - 1:
        return anchored
    positions, on_grid = anchored.positions(times, starts)
    steps = _within(np.diff(positions), starts)
    regular = bool(on_grid.all()) and int(np.gcd.reduce(steps)) <= 1
    single = float((steps == 1).mean())
    if regular and (single >= 0.5 or (fills and single > 0)):
        if not fills:
            _refuse_mixed(anchored, positions, times, starts, ids)
        return anchored
    try:
        detected = detect_frequency(times, starts, ids)
    except Invalid as error:
        if regular and error.code == "irregular_series":
            return anchored  # values with gaps on the requested grid
        raise
    if detected.has_same_step(requested):
        return anchored
    raise Invalid(
        f"The requested frequency is {requested.name}, but the times have {detected.name}. "
        f"Request {detected.name}, or leave the frequency out.",
        code="frequency_mismatch",
    )


def has_daily_steps(times: np.ndarray, starts: np.ndarray) -> bool:
    """Return whether the usual step of the times is a day, which may be one of 23 hours, or more.

    Shapes are those of `detect_frequency`. Series of one time each have no step.
    """
    steps = _within(np.diff(calendar.microseconds(times)), starts)
    return bool(len(steps)) and float(np.median(steps)) >= _SHORTEST_DAY_US


def refuse_off_grid(frequency: Frequency, times: np.ndarray, starts: np.ndarray, ids: Sequence[str], row: int) -> None:
    """Refuse the time in `row`, which lies off the grid of its series.

    Raises:
        Invalid: `irregular_series`, always.
    """
    series = int(np.searchsorted(starts, row, "right")) - 1
    begin, end = int(starts[series]), int(starts[series + 1])
    first = row - 1 if row > begin else row
    last = row if row > begin else min(row + 1, end - 1)
    place = format_span(ids, series, times[first], times[last])
    hint = shifted_hours_hint(times[begin:end]) if frequency.is_date_based else ""
    detail = f"The times do not follow one frequency: {place} is no whole number of steps of {frequency.name}."
    advice = hint or " Correct or remove the times that lie between the steps, or aggregate the values to whole steps."
    raise Invalid(detail + advice, code="irregular_series")


def _most_common(times: np.ndarray, starts: np.ndarray, ids: Sequence[str]) -> Frequency:
    steps = _within(np.diff(calendar.microseconds(times)), starts)
    steps = steps[steps > 0]
    if not len(steps):
        raise Invalid("No series has two times, so there is no step to detect a frequency from.", code="too_few_rows")
    common = _mode(steps)
    candidates = [_seconds_frequency(common)]
    if max(common, float(np.median(steps))) >= _SHORTEST_MONTH_DAYS * calendar.DAY_US:
        candidates.insert(0, _months_frequency(times, starts))
    elif common == calendar.DAY_US and _is_business(times, starts):
        candidates.insert(0, Frequency.from_unit("business_day"))
    possible = [candidate for candidate in candidates if candidate is not None]
    if not possible:
        series = int(np.flatnonzero(np.diff(starts) > 1)[0])
        place = format_span(ids, series, times[starts[series]], times[starts[series] + 1])
        detail = f"The times have no frequency of a second or longer: {place} is the first step."
        raise Invalid(detail, code="irregular_series")
    if len(possible) == 1:
        return possible[0]
    return max(possible, key=lambda candidate: int(candidate.positions(times, starts)[1].sum()))


def _seconds_frequency(step_us: int) -> Frequency | None:
    seconds, rest = divmod(step_us, calendar.SECOND_US)
    try:
        return None if rest else Frequency.from_unit("second", seconds)
    except Invalid:  # thousands of seconds that are no whole minutes
        return None


def _months_frequency(times: np.ndarray, starts: np.ndarray) -> Frequency | None:
    months = _within(np.diff(calendar.months(times)), starts)
    months = months[months > 0]
    try:
        return Frequency.from_unit("month", _mode(months), _anchor(times)) if len(months) else None
    except Invalid:
        return None


def _is_business(times: np.ndarray, starts: np.ndarray) -> bool:
    """Return whether no time is on a weekend and some Friday is followed by a Monday."""
    weekdays = calendar.weekdays(times)
    return bool((weekdays < 5).all() and _crossings(times, weekdays, starts).any())


def _crossings(times: np.ndarray, weekdays: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return for each row whether it is the Monday right after the Friday of the row before."""
    crossing = np.zeros(len(times), bool)
    crossing[1:] = (weekdays[1:] == 0) & (np.diff(times) == np.timedelta64(3, "D"))
    crossing[starts[:-1]] = False
    return crossing


def _anchor(times: np.ndarray) -> int | None:
    """Return the anchor day beyond the 28th, 31 for month ends, or None where each series keeps its day."""
    days, lengths = calendar.days_of_month(times), calendar.month_lengths(calendar.months(times))
    if (days == lengths).all():
        return MONTH_END
    latest = int(days.max())
    if latest > 28 and (days == np.minimum(latest, lengths)).all():
        return latest
    common = _mode(days)
    return common if common > 28 else None


def _refuse_off_grid(
    frequency: Frequency, times: np.ndarray, starts: np.ndarray, ids: Sequence[str], rows: np.ndarray
) -> None:
    row = int(rows[0])
    series = int(np.searchsorted(starts, row, "right")) - 1
    own = _detect_one(series, times, starts, ids) if len(starts) > 2 else None
    off = np.unique(np.searchsorted(starts, rows, "right") - 1)
    others = np.setdiff1d(np.arange(len(starts) - 1), off)
    if own is None or not len(others):
        refuse_off_grid(frequency, times, starts, ids, row)
    elif not own.has_same_step(frequency):
        _raise_mixed(ids, series, own, int(others[0]), frequency)
    else:
        detail = (
            f"The frequency of {series_label(ids, series)} and of {series_label(ids, int(others[0]))} is {own.name}, "
            "but one keeps to a day of the month, the other to the end of months. Date all series alike."
        )
        raise Invalid(detail, code="mixed_frequencies")


def _refuse_mixed(
    frequency: Frequency, positions: np.ndarray, times: np.ndarray, starts: np.ndarray, ids: Sequence[str]
) -> None:
    """Refuse series on the grid of `frequency` that have a coarser frequency of their own."""
    if len(starts) <= 2:
        return
    steps = np.diff(positions, prepend=0)
    steps[starts[:-1]] = 0
    single = np.add.reduceat(steps == 1, starts[:-1], dtype=np.int64)
    count = np.diff(starts) - 1
    coarse = np.gcd.reduceat(steps, starts[:-1])
    is_informative = count >= _MIN_INFORMATIVE_STEPS
    suspicious = is_informative & ((coarse > 1) | (single == 0))
    if (frequency.unit, frequency.count) == ("day", 1):
        suspicious |= is_informative & _without_weekends(times, starts, single, count)
    fitting = int(np.argmax(np.where(suspicious, -1, single)))
    for series in np.flatnonzero(suspicious)[:_MAX_INSPECTED_SERIES].tolist():
        own = _detect_one(series, times, starts, ids)
        if own is not None and not own.has_same_step(frequency) and _follows(own, series, times, starts):
            _raise_mixed(ids, series, own, fitting, frequency)


def _without_weekends(times: np.ndarray, starts: np.ndarray, single: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return for each series whether it has business days only, among others that have weekends."""
    weekdays = calendar.weekdays(times)
    weekends = np.add.reduceat(weekdays > 4, starts[:-1], dtype=np.int64)
    crossings = np.add.reduceat(_crossings(times, weekdays, starts), starts[:-1], dtype=np.int64)
    return (weekends == 0) & (crossings > 1) & (crossings + single >= _MIN_SINGLE_STEPS * count)


def _detect_one(series: int, times: np.ndarray, starts: np.ndarray, ids: Sequence[str]) -> Frequency | None:
    """Return the frequency of one series alone, or None where it has none or too few steps."""
    begin, end = int(starts[series]), int(starts[series + 1])
    if end - begin <= _MIN_INFORMATIVE_STEPS:
        return None
    try:
        return detect_frequency(times[begin:end], np.array([0, end - begin]), [ids[series]])
    except Invalid:
        return None


def _follows(own: Frequency, series: int, times: np.ndarray, starts: np.ndarray) -> bool:
    begin, end = int(starts[series]), int(starts[series + 1])
    positions, _ = own.positions(times[begin:end], np.array([0, end - begin]))
    return bool((np.diff(positions) == 1).mean() >= _MIN_SINGLE_STEPS)


def _raise_mixed(ids: Sequence[str], series: int, own: Frequency, other: int, frequency: Frequency) -> None:
    first, second = series_label(ids, series), series_label(ids, other)
    raise Invalid(
        f"The series have different frequencies: {first} has {own.name}, {second} has {frequency.name}. "
        "Aggregate them to one frequency, or train a model for each.",
        code="mixed_frequencies",
    )


def _within(differences: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return those of the differences (rows - 1,) that lie within a series."""
    inside = np.ones(len(differences), bool)
    inside[starts[1:-1] - 1] = False
    return differences[inside]


def _mode(values: np.ndarray) -> int:
    """Return the most common value, the smallest of several."""
    counted = pc.value_counts(pa.array(values))  # by hash, where np.unique would sort
    numbers, counts = (counted.field(place).to_numpy() for place in (0, 1))
    return int(numbers[counts == counts.max()].min())


def _number_names(starts: np.ndarray) -> list[str]:
    return [str(number) for number in range(len(starts) - 1)]
