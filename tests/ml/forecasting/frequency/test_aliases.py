"""Aliases of frequencies: the unit, the number and the anchors that a text spells."""

import pytest

from dataml.ml.forecasting.frequency.aliases import MONTH_END, ParsedAlias, parse_alias


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("15min", ParsedAlias("minute", 15)),
        (" Every 3   business_days ", ParsedAlias("business_day", 3)),
        ("2 fortnights", ParsedAlias("week", 4)),
        ("W-WED", ParsedAlias("week", 1, None, 3)),
        ("2QE-MAR", ParsedAlias("quarter", 2, MONTH_END)),
        ("PT1H30M", ParsedAlias("second", 5_400)),
        ("p1y2m", ParsedAlias("month", 14)),
        ("0 days", ParsedAlias("day", 0)),
    ],
)
def test_a_text_spells_a_number_of_units_and_their_anchors(text: str, alias: ParsedAlias) -> None:
    assert parse_alias(text) == alias


@pytest.mark.parametrize("text", ["", "   ", "lightyear", "m", "P1M1D", "P1DT", "1.5h", "days" * 20, "²days", "W-XYZ"])
def test_other_texts_spell_no_frequency(text: str) -> None:
    assert parse_alias(text) is None


def test_the_case_of_pandas_aliases_matters() -> None:
    assert parse_alias("MS") == ParsedAlias("month")
    assert parse_alias("ms") is None
