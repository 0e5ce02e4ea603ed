import pytest

from dataml.console.typed_numbers import parse_number


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), (" -12 ", -12), ("0.5", 0.5), (".5", 0.5), ("7.", 7.0), ("1e3", 1000.0), ("+2", 2)]
)
def test_number_is_read(text: str, number: float) -> None:
    parsed = parse_number(text)
    assert parsed == number
    assert type(parsed) is type(number)


def test_integer_keeps_all_digits() -> None:
    assert parse_number("9007199254740993") == 9007199254740993


@pytest.mark.parametrize("text", ["", "seven", "1_000", "nan", "inf", "1e999", "١٢", "1,5", "0x10", "9" * 40])
def test_what_is_no_number_stays_as_it_was_typed(text: str) -> None:
    assert parse_number(text) == text
