"""A frequency is parsed from any usual spelling, steps exactly through the calendar, and makes coarser buckets."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import MAX_COUNT, Frequency

NO_DEADLINE = settings(deadline=None, derandomize=True, database=None)

FREQUENCIES = [
    Frequency.parse(text)
    for text in (
        *("second", "10s", "minute", "5min", "15min", "half-hour", "90min", "hour", "2h", "6h", "12h", "day", "2 days"),
        *("10 days", "business day", "week", "2 weeks", "month", "2 months", "ME", "6 months", "quarter", "QE", "year"),
        *("YE", "2 years"),
    )
]
any_frequency = st.sampled_from(FREQUENCIES)
moments = st.datetimes(pd.Timestamp("1950-01-01"), pd.Timestamp("2100-01-01")).map(
    lambda moment: np.datetime64(moment, "us")
)


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "us")


def dates(times: np.ndarray) -> list[str]:
    return np.datetime_as_string(times, unit="D").tolist()


@pytest.mark.parametrize(
    ("texts", "frequency"),
    [
        (("Minute", "min", "T", "1min", "PT1M", "60s", "pt60s"), Frequency("minute")),
        (("15 minutes", "15min", "15T", "15Min", "PT15M", "quarter-hour", "Every 15 minutes"), Frequency("minute", 15)),
        (("half-hour", "Half hour", "half-hourly", "30T", "30min", "PT0H30M"), Frequency("minute", 30)),
        (("Hour", "hourly", "H", "h", "60min", "PT1H", "1 hour"), Frequency("hour")),
        (("PT1H30M", "90 minutes"), Frequency("minute", 90)),
        (("Day", " daily ", "D", "d", "24h", "P1D", "PT24H"), Frequency("day")),
        (("Business day", "business_day", "BUSINESS-DAY", "B", "working days"), Frequency("business_day")),
        (("Week", "weekly", "W", "W-SUN", "7D", "P1W", "P7D"), Frequency("week")),
        (("W-SAT",), Frequency("week", week_start=6)),
        (("W-MON",), Frequency("week", week_start=1)),
        (("Month", "monthly", "MS", "P1M"), Frequency("month")),
        (("M", "ME", "1ME", "month end"), Frequency("month", anchor_day=31)),
        (("Quarter", "quarterly", "QS", "QS-JAN", "3MS", "P3M"), Frequency("quarter")),
        (("Q", "QE", "Q-DEC", "QE-MAR"), Frequency("quarter", anchor_day=31)),
        (("half-yearly", "6MS", "2 quarters", "P6M"), Frequency("month", 6)),
        (("Year", "yearly", "Annual", "YS", "AS", "AS-JAN", "12 months", "4 quarters", "P1Y"), Frequency("year")),
        (("Y", "A", "YE", "A-DEC", "YE-DEC"), Frequency("year", anchor_day=31)),
        (("P1Y6M",), Frequency("month", 18)),
    ],
)
def test_one_frequency_has_many_spellings(texts: tuple[str, ...], frequency: Frequency) -> None:
    assert {text: Frequency.parse(text) for text in texts} == dict.fromkeys(texts, frequency)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "0 days",
            "0D",
            "-1 day",
            "1.5h",
            "P0D",
            "P",
            "PT",
            "P1DT",
            "P1M1D",
            "fortnightish",
            "Wek",
            "1",
            "15",
        ),
        *(
            "99999 days",
            "999999999 years",
            "10000h",
            "9" * 30 + "D",
            "2 business days",
            "2B",
            "W-XXX",
            "YS-JUL",
            "QS-FEB",
        ),
        *("ms", "m", "5m", "٣ days", "day" * 100, "D\0", "us"),
        *(None, 7, 1.5, True, ["D"], {"unit": "day"}),
    ],
)
def test_a_text_that_is_no_frequency_is_refused(text: object) -> None:
    with pytest.raises(Invalid) as refused:
        Frequency.parse(text)
    assert refused.value.code == "unknown_frequency"


def test_the_refusal_lists_what_is_understood() -> None:
    with pytest.raises(Invalid, match=r"'Wek'.*Week.*15min.*PT15M"):
        Frequency.parse("Wek")


@NO_DEADLINE
@given(st.text(max_size=30))
def test_any_text_is_a_frequency_or_refused(text: str) -> None:
    try:
        frequency = Frequency.parse(text)
    except Invalid:
        return
    assert 1 <= frequency.count <= MAX_COUNT


@NO_DEADLINE
@given(any_frequency)
def test_a_frequency_survives_json_and_its_own_name(frequency: Frequency) -> None:
    assert Frequency.from_json(json.loads(json.dumps(frequency.to_json()))) == frequency
    assert Frequency.parse(frequency.name).has_same_step(frequency)


def test_names_are_words() -> None:
    names = [Frequency.parse(text).name for text in ("D", "W", "15T", "B", "Q", "2h", "YE")]
    assert names == ["Day", "Week", "15 minutes", "Business day", "Quarter", "2 hours", "Year"]


@pytest.mark.parametrize(
    ("text", "seasons", "horizon"),
    [
        ("second", (60, 3600), 60),
        ("minute", (60, 1440), 60),
        ("5min", (288, 2016), 96),
        ("15min", (96, 672), 96),
        ("half-hour", (48, 336), 48),
        ("hour", (24, 168), 48),
        ("2h", (12, 84), 24),
        ("12h", (2, 14), 6),
        ("5h", (1,), 9),
        ("day", (7, 365), 14),
        ("business day", (5, 260), 10),
        ("week", (52,), 13),
        ("month", (12,), 18),
        ("ME", (12,), 18),
        ("2 months", (6,), 9),
        ("5 months", (1,), 6),
        ("quarter", (4,), 8),
        ("year", (1,), 6),
    ],
)
def test_seasons_and_default_horizons(text: str, seasons: tuple[int, ...], horizon: int) -> None:
    frequency = Frequency.parse(text)
    assert (frequency.seasons, frequency.season_length, frequency.default_horizon) == (seasons, seasons[0], horizon)


@NO_DEADLINE
@given(any_frequency)
def test_every_frequency_has_a_main_season_and_a_horizon(frequency: Frequency) -> None:
    assert frequency.season_length >= 1
    assert frequency.default_horizon >= 6
    assert list(frequency.seasons) == sorted(set(frequency.seasons))


@NO_DEADLINE
@given(any_frequency, moments, st.integers(1, 40))
def test_steps_are_counted_and_located(frequency: Frequency, start: np.datetime64, steps: int) -> None:
    first = frequency.times_after(start, 1)[0]  # on the grid, also of business days and month ends
    times = frequency.times_after(first, steps)
    assert times.dtype == np.dtype("datetime64[us]")
    assert (np.diff(np.concatenate(([first], times))) > np.timedelta64(0)).all()
    assert frequency.count_steps(first, times).tolist() == list(range(1, steps + 1))
    just_before = times - np.timedelta64(1, "us")
    assert frequency.count_steps(first, just_before).tolist() == list(range(steps))
    positions, on_grid = frequency.positions(np.concatenate(([first], times)), np.array([0, steps + 1]))
    assert positions.tolist() == list(range(steps + 1))
    assert frequency.unit in ("month", "quarter", "year") or on_grid.all()
    assert frequency.times_after(np.array([first, first]), steps).tolist() == [times.tolist()] * 2


@NO_DEADLINE
@given(moments, st.integers(1, 60))
def test_business_days_agree_with_pandas(start: np.datetime64, steps: int) -> None:
    expected = pd.bdate_range(pd.Timestamp(start).floor("D") + pd.offsets.BDay(1), periods=steps)
    times = Frequency("business_day").times_after(start, steps)
    assert dates(times) == dates(expected.to_numpy())
    assert (times - times.astype("datetime64[D]") == start - start.astype("datetime64[D]")).all()


def test_month_ends_stay_month_ends_and_other_days_stay() -> None:
    end = Frequency.parse("ME").times_after(day("2023-12-31"), 3)
    assert dates(end) == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert dates(Frequency.parse("Month").times_after(day("2023-12-15"), 3)) == [
        "2024-01-15",
        "2024-02-15",
        "2024-03-15",
    ]
    assert dates(Frequency("month", anchor_day=30).times_after(day("2024-02-29"), 2)) == ["2024-03-30", "2024-04-30"]
    assert dates(Frequency.parse("QE").times_after(day("2023-11-30"), 2)) == ["2024-02-29", "2024-05-31"]
    assert dates(Frequency.parse("YE").times_after(day("2024-02-29"), 4))[-1] == "2028-02-29"


@pytest.mark.parametrize(
    ("coarse", "fine", "whole"),
    [
        ("Week", "Day", True),
        ("Week", "Business day", True),
        ("Week", "Hour", True),
        ("Month", "Day", True),
        ("Month", "Business day", True),
        ("Month", "Hour", True),
        ("Month", "15min", True),
        ("Quarter", "Month", True),
        ("Year", "Quarter", True),
        ("Year", "6 months", True),
        ("Hour", "15 minutes", True),
        ("Day", "Hour", True),
        ("2 weeks", "Week", True),
        ("ME", "MS", True),
        ("Day", "Day", True),
        ("Month", "Week", False),
        ("Year", "Week", False),
        ("Month", "2 days", False),
        ("Month", "7h", False),
        ("Week", "2 days", False),
        ("Day", "Business day", False),
        ("Business day", "Hour", False),
        ("Quarter", "2 months", False),
        ("Day", "Week", False),
        ("Week", "Month", False),
        ("Hour", "25 minutes", False),
    ],
)
def test_a_coarser_frequency_is_a_multiple_of_a_finer_one_or_not(coarse: str, fine: str, whole: bool) -> None:
    assert Frequency.parse(coarse).is_multiple_of(Frequency.parse(fine)) is whole


def test_buckets_are_labelled_by_their_first_day_and_month_ends_by_their_last() -> None:
    times = np.array(["2024-02-28T23:30", "2024-03-03T00:00", "2024-03-04T12:00", "1969-12-31T01:00"], "datetime64[us]")
    labels = {
        text: dates(Frequency.parse(text).bucket_labels(times)) for text in ("Week", "W-SAT", "MS", "ME", "QS", "YE")
    }
    assert labels == {
        "Week": ["2024-02-26", "2024-02-26", "2024-03-04", "1969-12-29"],
        "W-SAT": ["2024-02-25", "2024-03-03", "2024-03-03", "1969-12-28"],
        "MS": ["2024-02-01", "2024-03-01", "2024-03-01", "1969-12-01"],
        "ME": ["2024-02-29", "2024-03-31", "2024-03-31", "1969-12-31"],
        "QS": ["2024-01-01", "2024-01-01", "2024-01-01", "1969-10-01"],
        "YE": ["2024-12-31", "2024-12-31", "2024-12-31", "1969-12-31"],
    }


@pytest.mark.parametrize(
    ("coarse", "fine", "last", "skipped", "steps"),
    [
        ("Week", "Day", "2025-10-05", 0, 14),  # a Sunday
        ("Week", "Day", "2025-10-01", 4, 18),
        ("Week", "Business day", "2025-10-03", 0, 10),  # a Friday: the weekend has no steps
        ("Week", "Business day", "2025-10-01", 2, 12),
        ("Month", "Day", "2024-01-30", 1, 1 + 29 + 31),
        ("Quarter", "Month", "2024-01-01", 2, 8),
        ("QE", "ME", "2024-03-31", 0, 6),
        ("Day", "Hour", "2024-01-01T23:00", 0, 48),
        ("Hour", "15min", "2024-01-01T23:05", 3, 11),
    ],
)
def test_a_bucket_that_the_history_has_begun_is_skipped(
    coarse: str, fine: str, last: str, skipped: int, steps: int
) -> None:
    counts = Frequency.parse(coarse).count_bucket_steps(Frequency.parse(fine), day(last), 2)
    assert (int(counts.skipped), int(counts.steps)) == (skipped, steps)


@NO_DEADLINE
@given(st.sampled_from(FREQUENCIES), st.sampled_from(FREQUENCIES), moments, st.integers(1, 4))
def test_the_counted_steps_fill_the_buckets_exactly(
    coarse: Frequency, fine: Frequency, start: np.datetime64, buckets: int
) -> None:
    fixed = ("second", "minute")
    if (
        not coarse.is_multiple_of(fine)
        or coarse.has_same_step(fine)
        or (fine.unit in fixed and coarse.unit not in fixed)
    ):
        return
    last = fine.times_after(start, 1)[0]
    skipped, steps = (int(count) for count in coarse.count_bucket_steps(fine, last, buckets))
    labels = coarse.bucket_labels(fine.times_after(last, steps + 1))
    begun = coarse.bucket_labels(np.array([last]))[0]
    assert (labels[:skipped] == begun).all()
    assert begun not in labels[skipped:]
    assert len(np.unique(labels[skipped:steps])) == buckets
    assert labels[steps] not in labels[:steps]


def test_bucket_steps_are_counted_for_several_series_at_once() -> None:
    lasts = np.array(["2025-10-05", "2025-10-01"], "datetime64[us]")
    counts = Frequency.parse("Week").count_bucket_steps(Frequency.parse("Day"), lasts, 1)
    assert (counts.skipped.tolist(), counts.steps.tolist()) == ([0, 4], [7, 11])


def test_times_are_formatted_as_dates_from_a_day_on() -> None:
    times = np.array(["2024-01-01", "2024-01-02"], "datetime64[us]")
    assert Frequency.parse("Day").format_times(times) == ["2024-01-01", "2024-01-02"]
    assert Frequency.parse("Hour").format_times(times[:1]) == ["2024-01-01T00:00:00Z"]
    assert Frequency.parse("Day").format_times(times[:1] - np.timedelta64(2, "h")) == ["2023-12-31T22:00:00Z"]
    assert Frequency.parse("Second").format_times(times[:1] + np.timedelta64(500, "ms")) == [
        "2024-01-01T00:00:00.500000Z"
    ]
