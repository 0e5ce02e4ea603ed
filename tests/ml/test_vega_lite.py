"""Bars of counts are drawn as they should be seen, whatever the names and numbers."""

import numpy as np
import pytest

from dataml.ml.labels import shorten
from dataml.ml.vega_lite import MAX_TITLE_LENGTH, frequencies, histogram, small_number_format
from tests.ml.drawn_charts import TRICKY_NAMES, DrawnBars


@pytest.mark.parametrize("name", TRICKY_NAMES)
def test_a_histogram_has_a_bar_for_each_bin_and_is_named_after_its_column(name: str) -> None:
    drawn = DrawnBars(histogram(name, [0.0, 1.0, 2.0, 3.0], [4, 0, 2]))
    assert drawn.heights == [260, 0, 130]
    assert shorten(name, MAX_TITLE_LENGTH) in drawn.texts
    assert "rows" in drawn.texts


def test_numbers_far_from_zero_fill_the_width() -> None:
    drawn = DrawnBars(histogram("x", np.linspace(1e9, 1e9 + 5, 6).tolist(), [1, 2, 3, 2, 1]))
    assert sum(drawn.widths) == pytest.approx(480, abs=10)


def test_an_axis_of_few_rows_has_no_fractions() -> None:
    few = [text for text in DrawnBars(histogram("x", [0.0, 5.0, 10.0], [1, 1])).texts if text.startswith("0.")]
    assert few == []


@pytest.mark.parametrize(("value", "text"), [(3.5, "3.5"), (4.0, "4"), ("2024-01-01", "2024-01-01")])
def test_a_constant_has_a_visible_bar(value: float | str, text: str) -> None:
    drawn = DrawnBars(histogram("x", [value, value], [7]))
    assert drawn.widths[0] > 100
    assert {"x", text} <= set(drawn.texts)


@pytest.mark.parametrize(
    ("edges", "texts"),
    [
        (["2022-01-01", "2023-01-01", "2024-01-01"], {"2022", "2023", "2024"}),
        (["2024-01-01T00:00:00.000000Z", "2024-01-01T12:00:00.000000Z", "2024-01-02T00:00:00.000000Z"], {"UTC"}),
    ],
    ids=["dates", "moments"],
)
def test_a_histogram_of_dates_stands_on_a_time_axis(edges: list[str], texts: set[str]) -> None:
    drawn = DrawnBars(histogram("when", edges, [1, 2]))
    assert drawn.heights == [130, 260]
    assert sum(drawn.widths) == pytest.approx(480, abs=5)
    assert texts <= set(drawn.texts)


@pytest.mark.parametrize("name", TRICKY_NAMES)
def test_frequent_values_have_a_bar_each_most_frequent_first(name: str) -> None:
    top = [{"value": name, "count": 30}, {"value": "other", "count": 15}, {"value": True, "count": 15}]
    drawn = DrawnBars(frequencies(name, top, 60))
    assert drawn.widths == [480, 240, 240]
    assert shorten(name, MAX_TITLE_LENGTH) in drawn.texts
    assert drawn.texts.index("other") < drawn.texts.index("True")


def test_long_values_that_begin_alike_keep_a_bar_each() -> None:
    top = [{"value": "z" * 200 + end, "count": 5} for end in "abc"]
    drawn = DrawnBars(frequencies("x", top, 15))
    assert len({y for _, y, *_ in drawn.boxes}) == 3


def test_the_title_says_that_values_are_left_out() -> None:
    top = [{"value": "a", "count": 5}, {"value": "b", "count": 4}]
    assert "x: the 2 most frequent values" in DrawnBars(frequencies("x", top, 12)).texts


def test_an_axis_of_tiny_numbers_has_exponents() -> None:
    for edges, number_format in [([1e-7, 2e-7, 3e-7], "~g"), ([-1e-300, 0.0, 0.0], "~g"), ([0.0, 0.5, 1.0], None)]:
        spec = histogram("errors", edges, [1, 2])
        assert (spec["encoding"]["x"].get("axis") or {}).get("format") == number_format
    assert small_number_format([0.0]) is None
