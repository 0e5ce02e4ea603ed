"""Counts of the spellings that the values of a column can have."""

import pyarrow as pa
import pytest

from dataml.contract.contract import Column
from dataml.contract.spellings import NumberSpellings, prefer_common_decimal
from dataml.contract.types import DataType


def count(cells: list[str]) -> NumberSpellings:
    spellings = NumberSpellings("x")
    for cell in cells:
        spellings.add(pa.array([cell]))
    return spellings


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["1.234,50", "7"], ","),
        (["0,35"], ","),
        (["$1,234.50"], "."),
        (["12.5%", "7%"], "."),
        (["1,234"], None),
        (["1.234"], None),
        (["984 748"], None),
        (["7", "8"], None),
        (["$0.50", "€0.50"], None),
        (["+0.5", "+1.25"], None),
        (["0,5", "x", "y"], None),
        ([], None),
    ],
)
def test_values_show_a_decimal_mark_or_leave_it_open(cells: list[str], decimal: str | None) -> None:
    assert count(cells).decimal == decimal


def test_column_is_settled_only_by_a_mark_on_which_the_others_agree() -> None:
    first, second = count(["1,234"]), count(["0,35"])
    prefer_common_decimal([first, second], ["."])
    assert first.number_format is None
    prefer_common_decimal([first, second])
    assert first.number_format == "1234,5"
    assert first.settle(Column("x", DataType.STRING)) == Column("x", DataType.FLOAT, number_format="1234,5")


def test_mark_of_others_changes_no_column_that_shows_its_own() -> None:
    spellings = count(["1,234.50"])
    spellings.prefer(",")
    assert (spellings.number_format, spellings.warning) == ("1,234.5", None)


def test_typed_numbers_have_no_spelling() -> None:
    spellings = NumberSpellings("x")
    spellings.add(pa.array([1.5, 2.0]))
    assert (spellings.count, spellings.decimal, spellings.number_format, spellings.warning) == (0, None, None, None)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["80331"] * 9 + ["01067"], None),
        (["10"] * 9 + ["09"], None),
        (["8033"] * 9 + ["01067"], "nearly_numeric"),
        (["80331"] * 9 + ["x1067"], "nearly_numeric"),
    ],
)
def test_digits_of_one_width_with_leading_zeros_are_codes(cells: list[str], code: str | None) -> None:
    spellings = count(cells)
    assert spellings.settle(Column("x", DataType.STRING)).data_type is DataType.STRING
    assert (spellings.warning and spellings.warning.code) == code


def test_repeated_header_is_named() -> None:
    warning = count(["7"] * 9 + ["x"]).warning
    assert warning is not None
    assert "the header seems to be repeated" in warning.message


MEASURED = [f"{number / 7:.3f}" for number in range(30)]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (MEASURED + ["No Data", "Bad"] * 15, "nearly_numeric"),
        (MEASURED + ["No Data"] * 31, None),
        (MEASURED + [f"A{number}" for number in range(15)], None),
        (["1", "2", "3", "4"] * 10 + ["don't know"] * 20, None),
    ],
)
def test_half_a_column_of_numbers_beside_a_few_marks_is_named(cells: list[str], code: str | None) -> None:
    spellings = count(cells)
    assert spellings.settle(Column("x", DataType.STRING)).data_type is DataType.STRING
    assert (spellings.warning and spellings.warning.code) == code


@pytest.mark.parametrize(
    ("cells", "number_format"),
    [
        (["1,234.5円"], "円1,234.5"),
        (["￥12.50"], "￥1234.5"),
        (["12,50 \u0440\u0443\u0431."], "\u0440\u0443\u0431.1234,5"),
    ],
)
def test_currencies_of_other_scripts_are_read(cells: list[str], number_format: str) -> None:
    assert count(cells).number_format == number_format
