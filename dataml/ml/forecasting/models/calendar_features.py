"""Calendar features of times, such as hour, weekday and month, as numbers."""

from collections.abc import Callable, Sequence

import numpy as np

from dataml.contract.local_times import to_local_times
from dataml.ml.forecasting.frequency.calendar import (
    SECOND_US,
    days,
    days_of_month,
    from_microseconds,
    microseconds,
    month_lengths,
    months,
    weekdays,
)

_MINUTE_US, _HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US


def _second(times: np.ndarray) -> np.ndarray:
    return microseconds(times) // SECOND_US % 60


def _minute(times: np.ndarray) -> np.ndarray:
    return microseconds(times) // _MINUTE_US % 60


def _hour(times: np.ndarray) -> np.ndarray:
    return microseconds(times) // _HOUR_US % 24


def _day_of_year(times: np.ndarray) -> np.ndarray:
    return days(times) - days(times.astype("datetime64[Y]")) + 1


def _week(times: np.ndarray) -> np.ndarray:
    """Return the week of ISO 8601: a week belongs to the year that its Thursday is in."""
    thursday = (days(times) + 3 - weekdays(times)).astype("datetime64[D]")
    return (_day_of_year(thursday) - 1) // 7 + 1


def _month(times: np.ndarray) -> np.ndarray:
    return months(times) % 12 + 1


def _quarter(times: np.ndarray) -> np.ndarray:
    return months(times) % 12 // 3 + 1


def _is_month_start(times: np.ndarray) -> np.ndarray:
    return days_of_month(times) == 1


def _is_month_end(times: np.ndarray) -> np.ndarray:
    return days_of_month(times) == month_lengths(months(times))


_FEATURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "second": _second,
    "minute": _minute,
    "hour": _hour,
    "day of week": weekdays,
    "day of month": days_of_month,
    "day of year": _day_of_year,
    "week": _week,
    "month": _month,
    "quarter": _quarter,
    "month start": _is_month_start,
    "month end": _is_month_end,
}

_IN_YEAR = ("day of year", "month")
_FEATURES_BY_UNIT: dict[str, tuple[tuple[str, ...], float]] = {
    "second": (("second", "minute", "hour", "day of week"), 31_556_952),
    "minute": (("minute", "hour", "day of week"), 525_949),
    "hour": (("hour", "day of week", "month"), 8_766),
    "day": (("day of week", "day of month", "day of year", "month", "month start", "month end"), 365.2425),
    "business_day": (("day of week", "day of month", "day of year", "month", "month start", "month end"), 260.9),
    "week": (("day of month", "week", "month"), 52.1775),
    "month": (("month", "quarter"), 12),
    "quarter": (("quarter",), 4),
    "year": ((), 1),
}
"""Features that may matter, by the unit of the frequency, and the number of units in a year."""

_YEARLY = frozenset((*_IN_YEAR, "week", "quarter"))
_MIN_YEARS = 2
"""Years of data from which features of the time of year are used.

In shorter data no time of year comes twice, and its feature only says how late a row is.
"""


def select_calendar_features(unit: str, length: int, step: int = 1) -> tuple[str, ...]:
    """Return the calendar features that suit series of about `length` values, one every `step` units.

    Units are second, minute, hour, day, business_day, week, month, quarter and year.
    """
    names, units_a_year = _FEATURES_BY_UNIT[unit]
    years = length * step / units_a_year
    return tuple(name for name in names if name not in _YEARLY or years >= _MIN_YEARS)


def compute_calendar_features(names: Sequence[str], times: np.ndarray, time_zone: str | None = None) -> np.ndarray:
    """Return float32 of the shape of `times` (datetime64[us]) and one more axis: the features, ordered as `names`.

    With a `time_zone`, `times` are in UTC, and the features are those of its clock.
    """
    if time_zone is not None:
        local = to_local_times(microseconds(times).ravel(), time_zone)
        times = from_microseconds(local).reshape(times.shape)
    features = np.empty((*times.shape, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        features[..., i] = _FEATURES[name](times)
    return features
