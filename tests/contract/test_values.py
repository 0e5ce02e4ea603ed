"""The scalar parser: what each type takes, and what it refuses under which rule."""

import pyarrow as pa
import pytest

from dataml.contract.columns import parse_column
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.value_format import ValueFormat
from dataml.contract.values import parse_value


def rule_of(value: object, data_type: DataType) -> str:
    with pytest.raises(InvalidValue) as caught:
        parse_value(value, data_type)
    return caught.value.rule


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
def test_integers_are_parsed(value: object, expected: int) -> None:
    parsed = parse_value(value, DataType.INTEGER)
    assert parsed == expected
    assert type(parsed) is int


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1_000", "not_an_integer"),
        ("1,000", "ambiguous_number"),
        ("1.234.567", "other_number_format"),
        ("12 €", "other_number_format"),
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
def test_text_that_is_not_an_integer_is_invalid(value: object, rule: str) -> None:
    assert rule_of(value, DataType.INTEGER) == rule


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), ("1", 1.0), (".5", 0.5), ("5.", 5.0), ("-1E3", -1000.0), ("+2", 2.0), (3, 3.0), ("1e-400", 0.0)],
)
def test_floats_are_parsed(value: object, expected: float) -> None:
    parsed = parse_value(value, DataType.FLOAT)
    assert parsed == expected
    assert type(parsed) is float


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("inf", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e309", "out_of_range"),
        (10**400, "out_of_range"),
        ("1_000", "not_a_number"),
        ("0x1p3", "not_a_number"),
        ("1,5", "other_number_format"),
        ("1,500", "ambiguous_number"),
        ("12%", "other_number_format"),
        ("abc", "not_a_number"),
        ("9" * 100_000 + "x", "not_a_number"),
        (False, "wrong_type"),
    ],
)
def test_value_that_is_not_a_float_is_invalid(value: object, rule: str) -> None:
    assert rule_of(value, DataType.FLOAT) == rule


@pytest.mark.parametrize("word", ["true", "YES", "y", "T", "1", " True "])
def test_true_words_are_parsed(word: str) -> None:
    assert parse_value(word, DataType.BOOLEAN) is True


@pytest.mark.parametrize("value", ["false", "No", "N", "f", "0", 0, False])
def test_false_values_are_parsed(value: object) -> None:
    assert parse_value(value, DataType.BOOLEAN) is False


@pytest.mark.parametrize(
    ("value", "rule"),
    [("on", "not_a_boolean"), ("2", "not_a_boolean"), (2, "not_a_boolean"), (0.5, "not_a_boolean"), ([], "wrong_type")],
)
def test_value_that_is_not_a_boolean_is_invalid(value: object, rule: str) -> None:
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
    ],
)
def test_value_that_is_not_text_is_invalid(value: object, rule: str) -> None:
    assert rule_of(value, DataType.STRING) == rule


def test_number_is_not_a_date() -> None:
    assert rule_of(20240809, DataType.DATE) == "wrong_type"


@pytest.mark.parametrize(
    ("text", "number_format", "expected"),
    [
        ("1.000,50", "1234,5", 1000.5),
        ("1.000.000", "1234,5", 1e6),
        ("1 000 000,5", "1234,5", 1000000.5),
        ("1.000,50 €", "€1234,5", 1000.5),
        ("1.000,5 %", "1234,5%", 10.005),
        ("1,000.50", None, 1000.5),
        ("1,234,567", None, 1234567.0),
    ],
)
def test_large_number_may_have_marks_that_the_column_does_not_show(
    text: str, number_format: str | None, expected: float
) -> None:
    value_format = ValueFormat(number_format=number_format)
    assert parse_value(text, DataType.FLOAT, value_format) == pytest.approx(expected)
    column = parse_column(pa.array([text, text]), DataType.FLOAT, value_format)
    assert column.values.to_pylist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize(
    ("text", "number_format", "rule"),
    [
        ("1.000", "1234,5", "ambiguous_number"),
        ("101.5", "1234,5", "other_number_format"),
        ("1,000.50", "1234,5", "other_number_format"),
        ("1,000", None, "ambiguous_number"),
        ("1.000,50", None, "other_number_format"),
        ("1'000,50", "1.234,5", "other_number_format"),
    ],
)
def test_number_with_another_decimal_mark_or_two_meanings_is_refused(
    text: str, number_format: str | None, rule: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_value(text, DataType.FLOAT, ValueFormat(number_format=number_format))
    assert caught.value.rule == rule
