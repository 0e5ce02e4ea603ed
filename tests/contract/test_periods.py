"""Written months, quarters, half-years, weeks and seasons, and the names of months."""

from datetime import date

import pytest

from dataml.contract.months import _NAMES, MONTHS
from dataml.contract.periods import is_season, parse_period, to_full_year


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2024-07", date(2024, 7, 1)),
        ("07/2024", date(2024, 7, 1)),
        ("2024m7", date(2024, 7, 1)),
        ("Jul 24", date(2024, 7, 1)),
        ("lipiec 2024", date(2024, 7, 1)),
        ("červenec 2024", date(2024, 7, 1)),
        ("июль 2024 \u0433.", date(2024, 7, 1)),
        ("2024Q3", date(2024, 7, 1)),
        ("Q3 24", date(2024, 7, 1)),
        ("Q3'24", date(2024, 7, 1)),
        ("3Q24", date(2024, 7, 1)),
        ("3T2024", date(2024, 7, 1)),
        ("2024-T3", date(2024, 7, 1)),
        ("2024K3", date(2024, 7, 1)),
        ("3. Quartal 2024", date(2024, 7, 1)),
        ("2024H2", date(2024, 7, 1)),
        ("2024-S2", date(2024, 7, 1)),
        ("H2 2024", date(2024, 7, 1)),
        ("2H24", date(2024, 7, 1)),
        ("2024-W05", date(2024, 1, 29)),
        ("2024w5", date(2024, 1, 29)),
        ("2024W51", date(2024, 12, 16)),
        ("KW 05/2024", date(2024, 1, 29)),
        ("W5 2024", date(2024, 1, 29)),
        ("CW05-2024", date(2024, 1, 29)),
    ],
)
def test_period_is_its_first_day(text: str, first: date) -> None:
    assert parse_period(text) == first


@pytest.mark.parametrize("text", ["2024Q5", "Q0 2024", "T3 24", "K3-24", "2024H3", "FY2024", "2024/025", "W5", "H2"])
def test_other_text_is_no_period(text: str) -> None:
    assert parse_period(text) is None


@pytest.mark.parametrize("text", ["2024-13", "2024-W54", "0000Q1", "2023-W53-1"])
def test_period_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there is no such"):
        parse_period(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2009/10", True), ("2009-10", True), ("1999/00", True), ("2009/11", False), ("2009.10", False), ("09/10", False)],
)
def test_season_is_a_year_and_the_next(text: str, expected: bool) -> None:
    assert is_season(text) is expected


def test_short_years_have_a_pivot() -> None:
    assert [to_full_year(text) for text in ("68", "69", "1815")] == [2068, 1969, 1815]


def test_no_name_of_a_month_means_two() -> None:
    for language, names in _NAMES.items():
        assert [MONTHS[name] for name in names.split()] == list(range(1, 13)), language
