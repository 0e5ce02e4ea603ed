"""Classes with few rows are named, with what to do about them."""

import numpy as np

from dataml.ml.data_checks.class_balance import find_rare_classes


def codes(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def test_classes_with_few_rows_are_counted_and_the_rarest_named() -> None:
    labels = [f"c{number}" for number in range(8)]
    (warning,) = find_rare_classes("y", labels, codes(50, 9, 8, 7, 6, 5, 4, 10), 1)
    assert (warning.code, warning.column, warning.count) == ("few_rows_per_class", "y", 6)
    assert warning.examples == ("c6", "c5", "c4", "c3", "c2")
    assert "'c6' (4)" in warning.message
    assert "and 1 more" in warning.message


def test_a_rare_positive_class_is_named() -> None:
    (warning,) = find_rare_classes("y", ["fraud", "legit"], codes(40, 960), 0)
    assert (warning.code, warning.count, warning.examples) == ("rare_class", 40, ("fraud",))
    assert "4.0%" in warning.message
    assert "PR AUC" in warning.message


def test_for_a_rare_negative_class_the_other_choice_is_named() -> None:
    (warning,) = find_rare_classes("y", ["no", "yes"], codes(40, 960), 1)
    assert "positive_class 'no'" in warning.message


def test_balanced_classes_have_no_warning() -> None:
    assert find_rare_classes("y", ["no", "yes"], codes(50, 950), 1) == []
    assert find_rare_classes("y", ["a", "b", "c"], codes(10, 950, 20), 1) == []
