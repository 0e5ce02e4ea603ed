"""Calendar arithmetic agrees with the standard library and with pandas."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataml.ml.forecasting.frequency import calendar

any_times = st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=5)


def to_array(times: list[datetime]) -> np.ndarray:
    return np.array(times, "datetime64[us]")


@given(any_times)
def test_parts_of_a_time_equal_those_of_the_standard_library(times: list[datetime]) -> None:
    array = to_array(times)
    midnights = [datetime(time.year, time.month, time.day) for time in times]
    assert calendar.weekdays(array).tolist() == [time.weekday() for time in times]
    assert calendar.days_of_month(array).tolist() == [time.day for time in times]
    assert calendar.months(array).tolist() == [(time.year - 1970) * 12 + time.month - 1 for time in times]
    assert calendar.days(array).tolist() == [(day - datetime(1970, 1, 1)).days for day in midnights]
    assert calendar.time_of_day(array).tolist() == [
        (time - day) // timedelta(microseconds=1) for time, day in zip(times, midnights, strict=True)
    ]
    assert (calendar.from_microseconds(calendar.microseconds(array)) == array).all()


def test_months_have_their_lengths_and_starts() -> None:
    month = calendar.months(to_array([datetime(2023, 2, 7), datetime(2024, 2, 7), datetime(1969, 12, 31)]))
    assert calendar.month_lengths(month).tolist() == [28, 29, 31]
    assert calendar.month_starts(month).tolist() == [datetime(2023, 2, 1), datetime(2024, 2, 1), datetime(1969, 12, 1)]


def test_a_day_that_a_month_does_not_have_is_its_last_day() -> None:
    month = calendar.months(to_array([datetime(2023, 2, 1), datetime(2024, 2, 1), datetime(2024, 3, 1)]))
    expected = [datetime(2023, 2, 28), datetime(2024, 2, 29), datetime(2024, 3, 30)]
    assert calendar.day_in_month(month, 30).tolist() == expected


@given(any_times)
def test_business_days_are_counted_and_converted_back(times: list[datetime]) -> None:
    array = to_array(times)
    back = calendar.from_business_days(calendar.business_days(array))
    assert (calendar.weekdays(back) < 5).all()
    distance = calendar.days(array) - calendar.days(back)
    assert (distance == np.maximum(calendar.weekdays(array) - 4, 0)).all()
    assert (
        np.busday_count("1970-01-01", back.astype("datetime64[D]")).tolist()
        == (calendar.business_days(back) - calendar.business_days(np.array(["1970-01-01"], "datetime64[us]"))).tolist()
    )
