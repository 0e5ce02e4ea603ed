"""Labels are short, distinct and written like JSON."""

from datetime import date

import pytest

from dataml.ml.labels import MAX_LABEL_LENGTH, distinct_labels, shorten, to_label


@pytest.mark.parametrize(
    ("value", "label"), [(True, "true"), (False, "false"), (1, "1"), (0.5, "0.5"), ("Yes", "Yes"), (None, "None")]
)
def test_a_label_is_the_text_that_json_has(value: object, label: str) -> None:
    assert to_label(value) == label
    assert to_label(date(2024, 2, 29)) == "2024-02-29"


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert shorten("x" * MAX_LABEL_LENGTH) == "x" * MAX_LABEL_LENGTH
    assert shorten("x" * (MAX_LABEL_LENGTH + 1)) == "x" * (MAX_LABEL_LENGTH - 1) + "…"
    assert shorten("abcdef", 4) == "abc…"


def test_equal_labels_are_numbered() -> None:
    assert distinct_labels(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
    alike = distinct_labels(["z" * 200 + end for end in "abc"])
    assert len(set(alike)) == 3
    assert distinct_labels([]) == []
