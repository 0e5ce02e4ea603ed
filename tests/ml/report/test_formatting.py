"""Numbers, times and texts are formatted for readers."""

import pytest
from markupsafe import Markup

from dataml.ml.report.formatting import (
    MAX_CHARACTERS,
    MISSING,
    format_level,
    format_number,
    format_percent,
    format_score,
    format_timestamp,
    shorten,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (1234.0, "1,234"),
        (0.123456, "0.1235"),
        (123_456.7, "123,457"),
        (1.5e300, "1.5000e+300"),
        (-2.0, "-2"),
    ],
)
def test_a_number_has_four_digits_or_no_decimals(value: float | None, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, MISSING), (0.0, "0.000"), (0.81234, "0.812"), (12.3456, "12.35"), (0.000123, "0.000123")]
)
def test_scores_line_up(value: float | None, text: str) -> None:
    assert format_score(value) == text


def test_shares_are_percentages() -> None:
    assert (format_percent(None), format_percent(0.1234), format_level(0.95), format_level(0.975)) == (
        MISSING,
        "12.3%",
        "95%",
        "97.5%",
    )


@pytest.mark.parametrize(
    ("text", "shown"), [("2024-08-08T10:11:12Z", "2024-08-08 10:11 UTC"), ("yesterday", "yesterday"), ("Z", "Z")]
)
def test_only_an_iso_time_is_reworded(text: str, shown: str) -> None:
    assert format_timestamp(text) == shown


def test_only_plain_text_is_cut() -> None:
    text = "x" * (MAX_CHARACTERS + 1)
    assert len(str(shorten(text))) == MAX_CHARACTERS
    assert shorten(Markup(text)) == text
    assert shorten(7) == 7
