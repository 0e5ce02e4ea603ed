"""Written dates: their spellings, and the order of day and month."""

import pickle
from datetime import UTC, date, datetime

import pytest

from dataml.contract.dates import InvalidValue, detect_date_order, parse_digits, parse_moment, settle_date_order
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, ValueFormat
from dataml.contract.values import parse_value


def rule_of(value: object, data_type: DataType, value_format: ValueFormat = ANY_FORMAT) -> str:
    with pytest.raises(InvalidValue) as caught:
        parse_value(value, data_type, value_format)
    return caught.value.rule


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-09",
        "2024/8/9",
        "2024.08.09",
        "09-Aug-24",
        "09-Aug-2024",
        "9 Aug 2024",
        "9 August 2024",
        "09AUG2024",
        "Aug 9, 2024",
        "August 9 2024",
        "2024-08-09T00:00:00Z",
        "2024-08-09 00:00",
        "20240809",
        "20240809T000000Z",
        "9. August 2024",
        "9th August 2024",
        "9º agosto 2024",
        "2024年8月9日",
        "2024년 8월 9일",
        "2024. 08. 09.",
        "2024. 8. 9",
        "9 août 2024",
        "9 de agosto de 2024",
        "August 9th, 2024",
        "Fri, 09 Aug 2024 00:00:00 +0000",
        "Fri Aug  9 00:00:00 2024",
        "Friday, August 9, 2024",
        "2024-08-09 12:00 a.m.",
        "2024-08-09T02:00:00+02:00[Europe/Berlin]",
        "2024-W32-5",
        "2024-Aug-09",
        "2024 August 9",
        "2024. augusztus 9.",
        "9. srpna 2024",
        "9 августа 2024 \u0433.",
        "9 серпня 2024",
        "9 Αυγούστου 2024",
        "9 Agustus 2024",
    ],
)
def test_common_spellings_of_a_date_are_parsed(text: str) -> None:
    assert parse_value(text, DataType.DATE) == date(2024, 8, 9)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-05 15:04:05",
        "20240305150405",
        "2024-03-05-15.04.05",
        "5.3.2024 15.04.05",
        "5-MAR-24 03.04.05.000000000 PM",
        "5-MAR-24 04.04.05.000000 PM +01:00",
        "Mar 5, 2024 at 3:04:05\u202fPM",
        "Tue Mar 05 2024 16:04:05 GMT+0100 (Central European Standard Time)",
        "5. März 2024 um 15:04:05 Uhr",
        "5. Ma\u0308rz 2024 15:04:05",
        "5 mars 2024 kl. 15:04:05",
        "5 mars 2024 à 15h04h05",
        "5 de marzo de 2024 3:04:05 p.\u00a0m.",
        "2024/3/5 下午 03:04:05",
        "2024-03-05 오후 3:04:05",
        "2024/03/05 午後3:04:05",
        "5 марта 2024 \u0433. в 15:04:05",
    ],
)
def test_common_spellings_of_a_time_are_parsed(text: str) -> None:
    order = ValueFormat("dmy")
    assert parse_value(text, DataType.TIMESTAMP, order) == datetime(2024, 3, 5, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-12-31 24:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("31.12.2023 24:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2023-12-31T24:00:00+01:00", datetime(2023, 12, 31, 23, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-01-15 오전 12:30", datetime(2024, 1, 15, 0, 30, tzinfo=UTC)),
        ("2024/1/15 下午 12:30", datetime(2024, 1, 15, 12, 30, tzinfo=UTC)),
    ],
)
def test_end_of_a_day_is_the_start_of_the_next(text: str, moment: datetime) -> None:
    assert parse_value(text, DataType.TIMESTAMP) == moment


def test_end_of_the_last_day_of_the_calendar_is_out_of_range() -> None:
    assert rule_of("9999-12-31 24:00", DataType.TIMESTAMP) == "out_of_range"


@pytest.mark.parametrize("text", ["08/09/2024", "08-09-2024", "8.9.24"])
def test_day_and_month_are_ambiguous_until_their_order_is_known(text: str) -> None:
    assert rule_of(text, DataType.DATE) == "ambiguous_date"
    assert parse_value(text, DataType.DATE, ValueFormat("dmy")) == date(2024, 9, 8)
    assert parse_value(text, DataType.DATE, ValueFormat("mdy")) == date(2024, 8, 9)


def test_date_with_a_part_above_twelve_or_equal_parts_needs_no_order() -> None:
    assert parse_value("13/08/2024", DataType.DATE) == date(2024, 8, 13)
    assert parse_value("08/13/2024", DataType.DATE) == date(2024, 8, 13)
    assert parse_value("08/08/2024", DataType.DATE) == date(2024, 8, 8)


def test_short_year_may_come_first() -> None:
    assert rule_of("24-01-15", DataType.DATE) == "ambiguous_date"
    assert parse_value("24-01-15", DataType.DATE, ValueFormat("ymd")) == date(2024, 1, 15)
    assert parse_value("99/12/31", DataType.DATE, ValueFormat("ymd")) == date(1999, 12, 31)
    assert parse_value("24-01-15", DataType.DATE, ValueFormat("dmy")) == date(2015, 1, 24)
    assert parse_value("31.12.99", DataType.DATE) == date(1999, 12, 31)
    assert parse_value("2024-01-15", DataType.DATE, ValueFormat("ymd")) == date(2024, 1, 15)
    for text in ("24-01-2015", "24-13-15", "4-01-15", "24-01-32"):
        assert rule_of(text, DataType.DATE, ValueFormat("ymd")) == "not_a_date"


@pytest.mark.parametrize(
    ("text", "order"),
    [("13/01/24", "dmy"), ("01/13/24", "mdy"), ("05/05/24", "dmy"), ("2024-01-13", "dmy"), ("08/09/24", None)],
)
def test_single_date_of_a_contract_has_its_year_last(text: str, order: str | None) -> None:
    assert settle_date_order(text) == order
    assert settle_date_order(text, "ymd") == "ymd"
    assert settle_date_order(None) is None


def test_date_against_the_order_of_its_column_is_invalid() -> None:
    assert rule_of("13/08/2024", DataType.DATE, ValueFormat("mdy")) == "not_a_date"


@pytest.mark.parametrize(("text", "year"), [("1 Jan 68", 2068), ("1 Jan 69", 1969), ("1 Jan 99", 1999)])
def test_two_digit_years_pivot_as_in_posix(text: str, year: int) -> None:
    assert parse_value(text, DataType.DATE) == date(year, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-08-09", datetime(2024, 8, 9, tzinfo=UTC)),
        ("2024-08-09T10:11:12.5Z", datetime(2024, 8, 9, 10, 11, 12, 500_000, UTC)),
        ("2024-08-09 10:11+02:00", datetime(2024, 8, 9, 8, 11, tzinfo=UTC)),
        ("2024-08-09T01:00:00+0530", datetime(2024, 8, 8, 19, 30, tzinfo=UTC)),
        ("2024-08-09 10:11:12.123456789", datetime(2024, 8, 9, 10, 11, 12, 123_456, UTC)),
        ("09-Aug-24 10:11", datetime(2024, 8, 9, 10, 11, tzinfo=UTC)),
        ("09/Aug/2024:10:11:12 +0200", datetime(2024, 8, 9, 8, 11, 12, tzinfo=UTC)),
        ("2024-08-09 10:11 EDT", datetime(2024, 8, 9, 14, 11, tzinfo=UTC)),
        ("9 Aug 2024 10:11:12 CEST", datetime(2024, 8, 9, 8, 11, 12, tzinfo=UTC)),
        ("Fri, 09 Aug 2024 10:11:12 -0700 (PDT)", datetime(2024, 8, 9, 17, 11, 12, tzinfo=UTC)),
        ("Fri Aug  9 10:11:12 PST 2024", datetime(2024, 8, 9, 18, 11, 12, tzinfo=UTC)),
        ("2024-08-09 3:05 PM EST", datetime(2024, 8, 9, 20, 5, tzinfo=UTC)),
        ("09AUG2024:10:11:12.5", datetime(2024, 8, 9, 10, 11, 12, 500_000, UTC)),
        ("1er août 2024 10:11", datetime(2024, 8, 1, 10, 11, tzinfo=UTC)),
        ("13/08/2024 3:05 PM", datetime(2024, 8, 13, 15, 5, tzinfo=UTC)),
        ("13/08/2024 12:00 am", datetime(2024, 8, 13, tzinfo=UTC)),
    ],
)
def test_timestamps_are_utc(text: str, expected: datetime) -> None:
    assert parse_value(text, DataType.TIMESTAMP) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2024-02-30", "not_a_date"),
        ("31/31/2024", "not_a_date"),
        ("2024-08-09 10:00", "not_a_date"),
        ("2024-08-09T00:00+02:00", "not_a_date"),
        ("20241309", "not_a_date"),
        ("2024", "not_a_date"),
        ("202408", "not_a_date"),
        ("2024-W54", "not_a_date"),
        ("2024-13", "not_a_date"),
        ("2024M13", "not_a_date"),
        ("2024年", "not_a_date"),
        ("2024年1", "not_a_date"),
        ("2024-08-09:10", "not_a_date"),
        ("May 5", "not_a_date"),
        ("9 Foo 2024", "not_a_date"),
        ("yesterday", "not_a_date"),
        ("1" * 200, "not_a_date"),
        ("0001-01-01T00:00+05:00", "out_of_range"),
    ],
)
def test_text_that_is_not_a_date_is_invalid(text: str, rule: str) -> None:
    assert rule_of(text, DataType.DATE) == rule


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-09T24:01",
        "2024-08-09T25:00",
        "2024-08-09 12:00 24:00",
        "2024-08-09T10:00:60",
        "2024-08-09 13:05.59",
        "2024-08-09 오후 13:04",
        "2024-08-09T13:00 pm",
        "2024-08-09T10:00+24",
        "2024-08-09 10:00 IST",
        "2024-08-09 10:00 est",
    ],
)
def test_text_that_is_not_a_timestamp_is_invalid(text: str) -> None:
    assert rule_of(text, DataType.TIMESTAMP) == "not_a_date"


def test_date_order_is_detected_where_a_part_is_above_twelve() -> None:
    said = [detect_date_order(text) for text in ("13/08/2024", "08/13/2024", "08/09/2024", "08/08/2024", "2024-08-09")]
    assert said == ["dmy", "mdy", "either", None, None]


def test_invalid_value_survives_pickling() -> None:
    refused = pickle.loads(pickle.dumps(InvalidValue("not_a_date", "why")))
    assert (refused.rule, refused.reason, str(refused)) == ("not_a_date", "why", "why")


def test_order_is_needed_for_ambiguous_moments_alone() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_moment("08/09/2024 10:00", None)
    assert caught.value.rule == "ambiguous_date"
    assert parse_moment("08/09/2024 10:00", "dmy") == datetime(2024, 9, 8, 10, tzinfo=UTC)
    assert parse_moment("8 Sept 2024 10:00", None) == datetime(2024, 9, 8, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2019-01", date(2019, 1, 1)),
        ("2019/1", date(2019, 1, 1)),
        ("01/2019", date(2019, 1, 1)),
        ("2019M01", date(2019, 1, 1)),
        ("2019m1", date(2019, 1, 1)),
        ("2019年1月", date(2019, 1, 1)),
        ("2019년 1월", date(2019, 1, 1)),
        ("Jan 2019", date(2019, 1, 1)),
        ("Jan-19", date(2019, 1, 1)),
        ("janvier 2019", date(2019, 1, 1)),
        ("2019 Jan", date(2019, 1, 1)),
        ("2019Q3", date(2019, 7, 1)),
        ("2019-Q3", date(2019, 7, 1)),
        ("Q3 2019", date(2019, 7, 1)),
        ("3Q2019", date(2019, 7, 1)),
        ("2024-W05", date(2024, 1, 29)),
        ("2024W05", date(2024, 1, 29)),
    ],
)
def test_period_stands_for_its_first_day(text: str, first: date) -> None:
    assert parse_value(text, DataType.DATE) == first


@pytest.mark.parametrize(
    ("number", "date_format", "moment"),
    [
        (2015, "year", datetime(2015, 1, 1, tzinfo=UTC)),
        (201503, "year_month", datetime(2015, 3, 1, tzinfo=UTC)),
        (20150302, "compact", datetime(2015, 3, 2, tzinfo=UTC)),
        (2015030204, "compact", datetime(2015, 3, 2, 4, tzinfo=UTC)),
        (201503020405, "compact", datetime(2015, 3, 2, 4, 5, tzinfo=UTC)),
        (20150302040506, "compact", datetime(2015, 3, 2, 4, 5, 6, tzinfo=UTC)),
        (2015030224, "compact", datetime(2015, 3, 3, tzinfo=UTC)),
        (1700000000, "epoch_s", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1700000000.5, "epoch_s", datetime(2023, 11, 14, 22, 13, 20, 500_000, UTC)),
        (-1, "epoch_s", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (1700000000123, "epoch_ms", datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)),
        (1700000000123456, "epoch_us", datetime(2023, 11, 14, 22, 13, 20, 123_456, UTC)),
        (1700000000123456789, "epoch_ns", datetime(2023, 11, 14, 22, 13, 20, 123_456, UTC)),
        (45292.5, "excel", datetime(2024, 1, 1, 12, tzinfo=UTC)),
        (61, "excel", datetime(1900, 3, 1, tzinfo=UTC)),
    ],
)
def test_digits_count_what_their_format_says(number: float, date_format: str, moment: datetime) -> None:
    assert parse_digits(number, date_format) == moment


@pytest.mark.parametrize(
    ("number", "date_format", "rule"),
    [
        (2015.5, "year", "not_a_date"),
        (201513, "year_month", "not_a_date"),
        (20151301, "compact", "not_a_date"),
        (2015030, "compact", "not_a_date"),
        (20150302.5, "compact", "not_a_date"),
        (0, "year", "not_a_date"),
        (1e20, "epoch_s", "out_of_range"),
        (1, "excel", "not_a_date"),
    ],
)
def test_digits_that_count_no_date_are_invalid(number: float, date_format: str, rule: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_digits(number, date_format)
    assert caught.value.rule == rule
