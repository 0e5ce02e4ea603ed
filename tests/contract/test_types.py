"""The scalar parser: what each type takes, and what it refuses under which rule."""

import pickle
from datetime import UTC, date, datetime

import pytest

from dataml.contract.dates import DateOrder, detect_date_order
from dataml.contract.types import DataType, InvalidValue, parse_value
from dataml.errors import Invalid


def rule_of(value: object, data_type: DataType, order: DateOrder | None = None) -> str:
    with pytest.raises(InvalidValue) as caught:
        parse_value(value, data_type, order)
    return caught.value.rule


@pytest.mark.parametrize(
    ("alias", "data_type"),
    [
        ("String", DataType.STRING),
        ("TEXT", DataType.STRING),
        ("int", DataType.INTEGER),
        (" BigInt ", DataType.INTEGER),
        ("double", DataType.FLOAT),
        ("Number", DataType.FLOAT),
        ("bool", DataType.BOOLEAN),
        ("DATE", DataType.DATE),
        ("datetime", DataType.TIMESTAMP),
    ],
)
def test_types_have_aliases_in_any_case(alias: str, data_type: DataType) -> None:
    assert DataType.parse(alias) is data_type


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(Invalid, match="blob") as caught:
        DataType.parse("blob")
    assert caught.value.code == "unknown_data_type"


@pytest.mark.parametrize("data_type", DataType)
@pytest.mark.parametrize("value", ["", None])
def test_empty_is_missing(value: object, data_type: DataType) -> None:
    assert parse_value(value, data_type) is None


@pytest.mark.parametrize("data_type", [t for t in DataType if t is not DataType.STRING])
def test_white_space_alone_is_missing_outside_text(data_type: DataType) -> None:
    assert parse_value(" \t", data_type) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12", 12),
        ("+5", 5),
        (" -3 ", -3),
        ("007", 7),
        ("12.0", 12),
        (12.0, 12),
        (12, 12),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0" * 5000 + "1", 1),
    ],
)
def test_integers(value: object, expected: int) -> None:
    parsed = parse_value(value, DataType.INTEGER)
    assert parsed == expected
    assert type(parsed) is int


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1_000", "not_an_integer"),
        ("1,000", "not_an_integer"),
        ("٣", "not_an_integer"),
        ("0x1F", "not_an_integer"),
        ("1.5", "not_an_integer"),
        ("1e3", "not_an_integer"),
        ("--1", "not_an_integer"),
        (1.5, "not_an_integer"),
        ("9223372036854775808", "out_of_range"),
        ("1" * 5000, "out_of_range"),
        (2**63, "out_of_range"),
        (1e300, "out_of_range"),
        (float("inf"), "not_finite"),
        (True, "wrong_type"),
        ([1], "wrong_type"),
        ({"a": 1}, "wrong_type"),
    ],
)
def test_what_is_no_integer(value: object, rule: str) -> None:
    assert rule_of(value, DataType.INTEGER) == rule


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), ("1", 1.0), (".5", 0.5), ("5.", 5.0), ("-1E3", -1000.0), ("+2", 2.0), (3, 3.0), ("1e-400", 0.0)],
)
def test_floats(value: object, expected: float) -> None:
    parsed = parse_value(value, DataType.FLOAT)
    assert parsed == expected
    assert type(parsed) is float


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("inf", "not_finite"),
        ("-Infinity", "not_finite"),
        ("NaN", "not_finite"),
        (float("nan"), "not_finite"),
        ("1e309", "out_of_range"),
        (10**400, "out_of_range"),
        ("1_000", "not_a_number"),
        ("0x1p3", "not_a_number"),
        ("1,5", "not_a_number"),
        ("NA", "not_a_number"),
        (".", "not_a_number"),
        ("9" * 100_000 + "x", "not_a_number"),
        (False, "wrong_type"),
    ],
)
def test_what_is_no_float(value: object, rule: str) -> None:
    assert rule_of(value, DataType.FLOAT) == rule


@pytest.mark.parametrize("word", ["true", "YES", "y", "T", "1", " True "])
def test_true_words(word: str) -> None:
    assert parse_value(word, DataType.BOOLEAN) is True


@pytest.mark.parametrize("value", ["false", "No", "N", "f", "0", 0, False])
def test_false_values(value: object) -> None:
    assert parse_value(value, DataType.BOOLEAN) is False


@pytest.mark.parametrize(
    ("value", "rule"),
    [("on", "not_a_boolean"), ("2", "not_a_boolean"), (2, "not_a_boolean"), (1.0, "wrong_type"), ([], "wrong_type")],
)
def test_what_is_no_boolean(value: object, rule: str) -> None:
    assert rule_of(value, DataType.BOOLEAN) == rule


@pytest.mark.parametrize(
    ("value", "expected"),
    [("00123", "00123"), ("NA", "NA"), (" a ", " a "), (" ", " "), (123, "123"), (1.5, "1.5"), (True, "true")],
)
def test_text_is_kept_and_json_scalars_become_text(value: object, expected: str) -> None:
    assert parse_value(value, DataType.STRING) == expected


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("a\0b", "nul_character"),
        ("\ud800", "not_text"),
        (["a"], "wrong_type"),
        ({}, "wrong_type"),
        (float("nan"), "not_finite"),
    ],
)
def test_what_is_no_text(value: object, rule: str) -> None:
    assert rule_of(value, DataType.STRING) == rule


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
    ],
)
def test_written_dates(text: str) -> None:
    assert parse_value(text, DataType.DATE) == date(2024, 8, 9)


@pytest.mark.parametrize("text", ["08/09/2024", "08-09-2024", "8.9.24"])
def test_day_and_month_are_ambiguous_until_their_order_is_known(text: str) -> None:
    assert rule_of(text, DataType.DATE) == "ambiguous_date"
    assert parse_value(text, DataType.DATE, "dmy") == date(2024, 9, 8)
    assert parse_value(text, DataType.DATE, "mdy") == date(2024, 8, 9)


def test_a_part_above_twelve_or_equal_parts_need_no_order() -> None:
    assert parse_value("13/08/2024", DataType.DATE) == date(2024, 8, 13)
    assert parse_value("08/13/2024", DataType.DATE) == date(2024, 8, 13)
    assert parse_value("08/08/2024", DataType.DATE) == date(2024, 8, 8)


def test_a_date_against_the_order_of_its_column_is_refused() -> None:
    assert rule_of("13/08/2024", DataType.DATE, "mdy") == "not_a_date"


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
        ("20240809", "not_a_date"),
        ("9 Foo 2024", "not_a_date"),
        ("yesterday", "not_a_date"),
        ("1" * 200, "not_a_date"),
        ("0001-01-01T00:00+05:00", "out_of_range"),
    ],
)
def test_what_is_no_date(text: str, rule: str) -> None:
    assert rule_of(text, DataType.DATE) == rule


@pytest.mark.parametrize(
    "text", ["2024-08-09T24:00", "2024-08-09T10:00:60", "2024-08-09T13:00 pm", "2024-08-09T10:00+24"]
)
def test_what_is_no_timestamp(text: str) -> None:
    assert rule_of(text, DataType.TIMESTAMP) == "not_a_date"


def test_a_number_is_no_date() -> None:
    assert rule_of(20240809, DataType.DATE) == "wrong_type"


def test_what_dates_say_about_their_order() -> None:
    said = [detect_date_order(text) for text in ("13/08/2024", "08/13/2024", "08/09/2024", "08/08/2024", "2024-08-09")]
    assert said == ["dmy", "mdy", "either", None, None]


def test_a_refusal_survives_the_way_between_processes() -> None:
    refused = pickle.loads(pickle.dumps(InvalidValue("not_a_date", "why")))
    assert (refused.rule, refused.reason, str(refused)) == ("not_a_date", "why", "why")
