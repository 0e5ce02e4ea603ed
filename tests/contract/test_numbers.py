"""Spellings of numbers, and what a text means in each."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.contract.numbers import PLAIN, SPELLINGS, NumberFormat, list_readings


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("1234.5", PLAIN),
        ("1,234.5", NumberFormat(".", ",")),
        ("1.234,5", NumberFormat(",", ".")),
        ("1 234,5", NumberFormat(",", " ")),
        ("1\u202f234,5", NumberFormat(",", " ")),
        ("1'234.5", NumberFormat(".", "'")),
        ("1\u2019234.5", NumberFormat(".", "'")),
        ("1234,5", NumberFormat(",")),
        ("$1,234.5", NumberFormat(".", ",", "$")),
        ("1.234,5 €", NumberFormat(",", ".", "€")),
        ("CHF 1'234.5", NumberFormat(".", "'", "CHF")),
        ("1234.5%", NumberFormat(is_percent=True)),
    ],
)
def test_spelling_is_named_by_a_number(name: str, spelling: NumberFormat) -> None:
    assert NumberFormat.parse(name) == spelling
    assert NumberFormat.parse(str(spelling)) == spelling


@pytest.mark.parametrize("name", ["", "1.234.5", "1,234,5", "1234", "12.5", "$1,234.5€", "x1234.5", "1234.5%%"])
def test_other_texts_name_no_spelling(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name) or "^$"):
        NumberFormat.parse(name)


@pytest.mark.parametrize(
    ("name", "text", "plain"),
    [
        ("1,234.5", "1,234,567.25", "1234567.25"),
        ("1,234.5", "12,34,567.5", "1234567.5"),
        ("1,234.5", "1234.5", "1234.5"),
        ("1.234,5", "-1.234,5", "-1234.5"),
        ("1.234,5", "1.234", "1234"),
        ("1 234,5", "1\u00a0234,5", "1234.5"),
        ("1'234.5", "1\u2019234.5", "1234.5"),
        ("1234.5", "(12.5)", "-12.5"),
        ("1234.5", "12.5-", "-12.5"),
        ("1234.5", "+12.5", "12.5"),
        ("1234.5", "\u221212.5", "-12.5"),
        ("1234.5", "007", "007"),
        ("1234,5", "1,5E+03", "1.5E+03"),
        ("$1,234.5", "$1,234.5", "1234.5"),
        ("$1,234.5", "-$5", "-5"),
        ("$1,234.5", "$-5", "-5"),
        ("$1,234.5", "($5)", "-5"),
        ("$1,234.5", "5- $", "-5"),
        ("$1,234.5", "1,234.5 $", "1234.5"),
        ("$1,234.5", "5", "5"),
        ("$1,234.5", "$(1,234.50)", "-1234.50"),
        ("1234,5", "12,-", "12."),
        ("1.234,5", "1.234,\u2013", "1234."),
        ("€1234,5", "12,\u2014 €", "12."),
        ("CHF1'234.5", "CHF 1'234.--", "1234."),
        ("1234.5", "-12.-", "-12."),
        ("$1,234.5", " $ (5) ", "-5"),
        ("$1,234.5", " $ -   ", "0"),
        ("€1.234,5", "-   €", "0"),
        ("1234.5%", "12.5%", "12.5e-2"),
        ("1234.5%", "12.5 %", "12.5e-2"),
        ("1234.5%", "1e1%", "1e-1"),
        ("1234.5%", "0", "0"),
    ],
)
def test_number_is_read_in_its_spelling(name: str, text: str, plain: str) -> None:
    assert NumberFormat.parse(name).to_plain(text) == plain


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1,234.5", "1,23.5"),
        ("1,234.5", "1.234,5"),
        ("1,234.5", "0,567"),
        ("1.234,5", "12.5"),
        ("1234.5", "1,234"),
        ("1234.5", "12.-5"),
        ("1234.5", "12.---"),
        ("1234.5", ".-"),
        ("$1,234.5", "€ -"),
        ("$1,234.5", "$($5)"),
        ("$1,234.5", "$(5"),
        ("1234.5", "$ -"),
        ("1234.5", "(12.5"),
        ("1234.5", "-(12.5)"),
        ("1234.5", "-12.5-"),
        ("1234.5", "$5"),
        ("$1,234.5", "€5"),
        ("$1,234.5", "$5$"),
        ("1234.5%", "12.5"),
        ("1234.5", "12.5%"),
        ("1234.5", "1..2"),
        ("1234.5", "."),
        ("1234.5", ""),
        ("1234.5", "1" * 500),
    ],
)
def test_number_in_another_spelling_is_not_read(name: str, text: str) -> None:
    assert NumberFormat.parse(name).to_plain(text) is None


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("1,234", {"1,234.5": "1234", "1234,5": "1.234"}),
        ("1.234", {"1234.5": "1.234", "1.234,5": "1234"}),
        ("12,5", {"1234,5": "12.5"}),
        ("1,234,567", {"1,234.5": "1234567"}),
        ("1 234", {"1 234.5": "1234"}),
        ("0,567", {"1234,5": "0.567"}),
        ("5 €", {"€1234.5": "5"}),
        ("007", {}),
        ("abc", {}),
        ("", {}),
    ],
)
def test_all_readings_of_a_text_are_listed(text: str, readings: dict[str, str]) -> None:
    assert {str(spelling): plain for spelling, plain in list_readings(text).items()} == readings


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(SPELLINGS))
def test_number_that_was_written_in_a_spelling_is_read_back(number: object, spelling: NumberFormat) -> None:
    whole, _, fraction = f"{number:,}".partition(".")
    text = whole.replace(",", spelling.group) + spelling.decimal + (fraction or "0")
    plain = spelling.to_plain(text)
    assert plain is not None
    assert float(plain) == float(str(number))
