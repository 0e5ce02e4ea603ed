"""Parts of error messages: names, times, and hints at clock changes."""

import numpy as np
import pytest

from dataml.ml.forecasting.frequency.messages import (
    clock_change_hint,
    format_span,
    format_times,
    join_examples,
    series_label,
    series_labels,
    shifted_hours_hint,
)


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def test_a_series_is_named_and_a_long_name_is_cut() -> None:
    assert series_label(["a", "n" * 80], 0) == "series 'a'"
    assert series_label(["a", "n" * 80], 1) == f"series '{'n' * 60}'…"
    assert series_label([""], 0) == "the series"


def test_a_few_of_many_series_are_named() -> None:
    assert series_labels("abcde", np.array([1, 2])) == "series 'b', series 'c'"
    assert series_labels("abcde", np.arange(5)) == "series 'a', series 'b', series 'c' and 2 more"
    assert join_examples(["x"], 1_001) == "x and 1,000 more"


def test_the_times_of_one_sentence_have_one_format() -> None:
    day, hour, fraction = times("2024-01-01", "2024-01-02T03", "2024-01-01T00:00:00.5")
    assert format_times(day, day) == ["2024-01-01", "2024-01-01"]
    assert format_times(day, hour) == ["2024-01-01T00:00:00Z", "2024-01-02T03:00:00Z"]
    assert format_times(fraction) == ["2024-01-01T00:00:00.500000Z"]
    assert format_span(["a"], 0, day, hour) == "series 'a' from 2024-01-01T00:00:00Z to 2024-01-02T03:00:00Z"


@pytest.mark.parametrize(
    ("texts", "is_hinted"),
    [
        (("2024-03-31T02:00", "2024-10-27T02:00"), True),
        (("2024-03-31T02:00", "2024-05-05T02:00", "2024-05-12T02:00"), False),
        (("2024-03-31T12:00",), False),
        ((), False),
    ],
)
def test_nights_of_clock_changes_get_a_hint(texts: tuple[str, ...], is_hinted: bool) -> None:
    assert ("daylight saving" in clock_change_hint(times(*texts))) == is_hinted


@pytest.mark.parametrize(
    ("texts", "is_hinted"),
    [
        (("2024-01-01T23:00", "2024-07-01T22:00"), True),
        (("2024-01-01T00:00", "2024-07-01T23:00"), True),
        (("2024-01-01T22:00", "2024-07-01T20:00"), False),
        (("2024-01-01T22:00", "2024-07-01T21:00", "2024-07-02T20:00"), False),
        (("2024-01-01", "2024-07-01"), False),
    ],
)
def test_two_times_of_day_an_hour_apart_get_a_hint(texts: tuple[str, ...], is_hinted: bool) -> None:
    assert ("daylight saving" in shifted_hours_hint(times(*texts))) == is_hinted
