"""The frequency of series is detected from their times, with gaps or without; several or none are refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.detection import check_frequency, detect_frequency
from dataml.ml.forecasting.frequency.frequency import Frequency
from tests.ml.forecasting.frequency.test_frequency import FREQUENCIES, day, moments

NO_DEADLINE = settings(deadline=None, derandomize=True, database=None)


def flat(*series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(series), np.cumsum([0, *(len(times) for times in series)])


def stepped(text: str, last: str, steps: int) -> np.ndarray:
    return Frequency.parse(text).times_after(day(last), steps)


def refusal(*series: np.ndarray, given: str | None = None) -> Invalid:
    times, starts = flat(*series)
    ids = ["A", "B", "C", "D"][: len(series)]
    if given is None:
        with pytest.raises(Invalid) as refused:
            detect_frequency(times, starts, ids)
    else:
        with pytest.raises(Invalid) as refused:
            check_frequency(Frequency.parse(given), times, starts, ids)
    return refused.value


@NO_DEADLINE
@given(st.sampled_from(FREQUENCIES), st.lists(moments, min_size=1, max_size=3), st.integers(8, 40))
def test_times_of_a_frequency_are_detected_as_that_frequency(
    frequency: Frequency, lasts: list[np.datetime64], steps: int
) -> None:
    if frequency.unit in ("month", "quarter", "year") and frequency.anchor_day is None:
        lasts = [last.astype("datetime64[M]") + np.timedelta64(3, "D") for last in lasts]  # others are anchored
    assert detect_frequency(*flat(*(frequency.times_after(last, steps) for last in lasts))) == frequency


@NO_DEADLINE
@given(st.sampled_from(FREQUENCIES), moments, st.sets(st.integers(1, 38), max_size=8))
def test_gaps_do_not_hide_a_frequency(frequency: Frequency, last: np.datetime64, gaps: set[int]) -> None:
    if frequency.unit == "business_day":
        gaps = {gap for gap in gaps if gap > 10}  # a weekend must be crossed once
    times = np.delete(frequency.times_after(last, 40), sorted(gaps))
    assert detect_frequency(times, np.array([0, len(times)])).has_same_step(frequency)


@pytest.mark.parametrize(("last", "anchor"), [("2023-12-30", 30), ("2023-12-29", 29), ("2023-12-31", 31)])
def test_a_late_day_of_the_month_is_kept_past_february(last: str, anchor: int) -> None:
    times = Frequency("month", anchor_day=anchor).times_after(day(last), 14)
    frequency = detect_frequency(times, np.array([0, 14]))
    assert frequency == Frequency("month", anchor_day=anchor)
    assert frequency.times_after(times[13], 1)[0] == np.datetime64(f"2025-03-{anchor}")


def test_series_may_begin_on_different_days_and_be_single() -> None:
    times, starts = flat(stepped("Month", "2020-01-01", 9), stepped("Month", "2021-05-15", 9), np.array([day("2022")]))
    assert detect_frequency(times, starts) == Frequency("month")


def test_five_weekdays_are_days_until_a_weekend_is_crossed() -> None:
    week = stepped("Day", "2023-12-31", 5)
    assert detect_frequency(week, np.array([0, 5])) == Frequency("day")
    assert detect_frequency(*flat(stepped("B", "2023-12-31", 6))) == Frequency("business_day")
    saturdays = np.concatenate((stepped("B", "2023-12-31", 10), stepped("Day", "2024-01-12", 9)))
    assert detect_frequency(saturdays, np.array([0, 19])) == Frequency("day")


def test_four_weeks_are_not_a_month() -> None:
    assert detect_frequency(*flat(stepped("28 days", "2024-01-01", 9))) == Frequency("week", 4)
    assert detect_frequency(*flat(np.array([day("2023-02-01"), day("2023-03-01")]))) == Frequency("month")


def test_series_of_single_times_are_refused() -> None:
    assert refusal(np.array([day("2024-01-01")]), np.array([day("2024-01-02")])).code == "too_few_rows"


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("Day", "Week", ("Day", "Week")),
        ("Hour", "Day", ("Hour", "Day")),
        ("Day", "Hour", ("Day", "Hour")),
        ("Day", "Month", ("Day", "Month")),
        ("Day", "Business day", ("Day", "Business day")),
        ("Month", "Quarter", ("Month", "Quarter")),
        ("Hour", "15min", ("Hour", "15 minutes")),
        ("Business day", "Week", ("Business day", "Week")),
    ],
)
def test_series_of_different_frequencies_are_both_named(first: str, second: str, names: tuple[str, str]) -> None:
    error = refusal(stepped(first, "2024-01-01", 60), stepped(second, "2024-01-01", 20))
    assert error.code == "mixed_frequencies"
    assert f"'A' has {names[0]}" in error.detail
    assert f"'B' has {names[1]}" in error.detail


def test_series_on_first_and_last_days_of_months_are_refused() -> None:
    error = refusal(stepped("MS", "2024-01-01", 30), stepped("ME", "2024-01-31", 20))
    assert error.code == "mixed_frequencies"
    assert "'A'" in error.detail
    assert "'B'" in error.detail
    assert "end of months" in error.detail


def test_times_between_the_steps_are_refused_with_their_span() -> None:
    times = stepped("Hour", "2024-01-01", 30)
    times[7] += np.timedelta64(5, "m")
    error = refusal(stepped("Hour", "2024-01-01", 60), times)
    assert error.code == "irregular_series"
    assert "series 'B' from 2024-01-01T07:00:00Z to 2024-01-01T08:05:00Z" in error.detail


def test_a_wrong_day_among_a_few_months_is_named() -> None:
    months = np.array(["2020-01-01", "2020-02-01", "2020-03-05", "2020-04-01", "2020-05-01"], "datetime64[us]")
    error = refusal(months)
    assert "series 'A' from 2020-02-01 to 2020-03-05 is no whole number of steps of Month" in error.detail


def test_random_moments_and_fractions_of_a_second_have_no_frequency() -> None:
    random = np.sort(day("2024-01-01") + np.random.default_rng(0).integers(0, 10**13, 40).astype("timedelta64[us]"))
    assert refusal(random).code == "irregular_series"
    tenths = day("2024-01-01") + (np.arange(9) * 100_000).astype("timedelta64[us]")
    assert refusal(tenths).code == "irregular_series"


def test_local_midnights_in_utc_get_a_hint() -> None:
    local = np.datetime64("2024-01-01T23:00", "us") + np.arange(300) * np.timedelta64(1, "D")
    local[90:] -= np.timedelta64(1, "h")  # clocks go forward
    error = refusal(local)
    assert error.code == "irregular_series"
    assert "daylight saving" in error.detail


@pytest.mark.parametrize(
    ("given", "has"),
    [("Day", "Week"), ("Week", "Day"), ("Hour", "Day"), ("Month", "Day"), ("Day", "Month"), ("Business day", "Day")],
)
def test_a_requested_frequency_that_the_data_do_not_have_is_refused(given: str, has: str) -> None:
    error = refusal(stepped(has, "2024-01-01", 40), given=given)
    assert error.code == "frequency_mismatch"
    assert f"requested frequency is {given}" in error.detail
    assert f"have {has}" in error.detail


def test_a_requested_frequency_is_anchored_as_the_data() -> None:
    times, starts = flat(stepped("ME", "2024-01-31", 9))
    assert check_frequency(Frequency.parse("Month"), times, starts, ["A"]) == Frequency.parse("ME")
    times, starts = flat(stepped("MS", "2024-01-01", 9))
    assert check_frequency(Frequency.parse("ME"), times, starts, ["A"]) == Frequency.parse("MS")


def test_single_times_have_any_requested_frequency() -> None:
    times, starts = flat(np.array([day("2024-01-01")]), np.array([day("2024-01-02")]))
    assert check_frequency(Frequency.parse("Week"), times, starts, ["A", "B"]) == Frequency("week")


def test_a_requested_day_fits_business_days_and_rare_values_that_are_filled() -> None:
    workdays, starts = flat(stepped("B", "2024-01-01", 30))
    assert check_frequency(Frequency("day"), workdays, starts, ["A"]) == Frequency("day")
    seldom = day("2024-01-01") + np.cumsum([3, 2, 5, 3, 1, 7, 3, 2, 4]) * np.timedelta64(1, "D")
    assert check_frequency(Frequency("day"), seldom, np.array([0, 9]), ["A"], fills=True) == Frequency("day")


def test_a_requested_frequency_does_not_allow_mixed_series() -> None:
    error = refusal(stepped("Day", "2024-01-01", 60), stepped("Week", "2024-01-01", 8), given="Day")
    assert error.code == "mixed_frequencies"
