"""Calendar arithmetic on arrays of times, `datetime64[us]`: days, months and their lengths, business days."""

from typing import Final

import numpy as np

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
_THURSDAY: Final = 3  # 1970-01-01, counted from Monday


def microseconds(times: np.ndarray) -> np.ndarray:
    """Return microseconds since 1970, int64."""
    return times.astype("datetime64[us]").astype(np.int64)


def from_microseconds(values: np.ndarray) -> np.ndarray:
    """Return `datetime64[us]` of microseconds since 1970."""
    return values.astype("datetime64[us]")


def days(times: np.ndarray) -> np.ndarray:
    """Return days since 1970, int64."""
    return np.floor_divide(microseconds(times), DAY_US)


def time_of_day(times: np.ndarray) -> np.ndarray:
    """Return microseconds since midnight, int64."""
    return np.remainder(microseconds(times), DAY_US)


def weekdays(times: np.ndarray) -> np.ndarray:
    """Return the day of the week, 0 for Monday to 6 for Sunday."""
    return np.remainder(days(times) + _THURSDAY, 7)


def months(times: np.ndarray) -> np.ndarray:
    """Return months since January 1970, int64."""
    return times.astype("datetime64[M]").astype(np.int64)


def month_starts(month: np.ndarray) -> np.ndarray:
    """Return midnight of the first day of each month, given as months since January 1970."""
    return month.astype("datetime64[M]").astype("datetime64[us]")


def month_lengths(month: np.ndarray) -> np.ndarray:
    """Return the number of days of each month, given as months since January 1970."""
    return days(month_starts(month + 1)) - days(month_starts(month))


def days_of_month(times: np.ndarray) -> np.ndarray:
    """Return the day of the month, 1 to 31."""
    return days(times) - days(month_starts(months(times))) + 1


def day_in_month(month: np.ndarray, day: np.ndarray | int) -> np.ndarray:
    """Return midnight of that day of each month, or of its last day where the month is shorter."""
    return month_starts(month) + (np.minimum(day, month_lengths(month)) - 1).astype("timedelta64[D]")


def business_days(times: np.ndarray) -> np.ndarray:
    """Return days from Monday to Friday since an epoch, int64; Saturday and Sunday count as the Friday before."""
    week, weekday = np.divmod(days(times) + _THURSDAY, 7)
    return week * 5 + np.minimum(weekday, 4)


def from_business_days(values: np.ndarray) -> np.ndarray:
    """Return midnight of each business day, given as counted by `business_days`."""
    week, weekday = np.divmod(values, 5)
    return from_microseconds((week * 7 + weekday - _THURSDAY) * DAY_US)
