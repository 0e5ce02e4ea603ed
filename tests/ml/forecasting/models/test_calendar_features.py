"""Calendar features equal those of the standard library at any time."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.ml.forecasting.models.calendar_features import compute_calendar_features, select_calendar_features

STANDARD = {
    "second": lambda t: t.second,
    "minute": lambda t: t.minute,
    "hour": lambda t: t.hour,
    "day of week": lambda t: t.weekday(),
    "day of month": lambda t: t.day,
    "day of year": lambda t: t.timetuple().tm_yday,
    "week": lambda t: t.isocalendar().week,
    "month": lambda t: t.month,
    "quarter": lambda t: (t.month + 2) // 3,
    "month start": lambda t: t.day == 1,
    "month end": lambda t: (t + timedelta(days=1)).day == 1,
}


@given(st.lists(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5))
def test_features_equal_those_of_the_standard_library(moments: list[datetime]) -> None:
    features = compute_calendar_features(tuple(STANDARD), np.array(moments, dtype="datetime64[us]"))
    assert features.dtype == np.float32
    assert features.tolist() == [[float(read(moment)) for read in STANDARD.values()] for moment in moments]


def test_features_are_the_last_axis() -> None:
    times = np.zeros((3, 4), dtype="datetime64[us]")
    assert compute_calendar_features(("hour", "month"), times).shape == (3, 4, 2)
    assert compute_calendar_features((), times).shape == (3, 4, 0)


@pytest.mark.parametrize(
    "unit", ["second", "minute", "hour", "day", "business_day", "week", "month", "quarter", "year"]
)
def test_every_unit_has_features_that_exist(unit: str) -> None:
    names = select_calendar_features(unit, 10**9)
    assert set(names) <= set(STANDARD)
    assert bool(names) == (unit != "year")


def test_the_time_of_year_is_a_feature_of_data_of_two_years() -> None:
    assert "month" not in select_calendar_features("day", 400)
    assert "day of week" in select_calendar_features("day", 400)
    assert "month" in select_calendar_features("day", 800)
    assert "month" in select_calendar_features("day", 115, step=7)
