"""Held-out rows of another population are noticed, and random ones are not."""

import numpy as np
import pytest
from scipy import stats

from dataml.ml.data_checks.holdout_shift import MAX_WARNINGS, find_shifted_features
from tests.ml.data_checks.layouts import category, number


def layout(width: int) -> list:
    return [number(f"x{i}") for i in range(width)]


def draw(rows: int, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_a_shifted_feature_is_named_with_its_distance() -> None:
    train, test = draw(800), draw(200, seed=1)
    test[:, 1] += 2
    (warning,) = find_shifted_features(train, test, layout(3), frozenset(), 0)
    assert (warning.code, warning.column) == ("shifted_holdout", "x1")
    expected = stats.ks_2samp(train[:, 1], test[:, 1]).statistic
    assert warning.examples == (f"{expected:.2f}",)


def test_values_that_are_missing_on_one_side_are_a_shift() -> None:
    train, test = draw(800), draw(200, seed=1)
    test[:100, 2] = np.nan
    assert [w.column for w in find_shifted_features(train, test, layout(3), frozenset(), 0)] == ["x2"]


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_one_population_are_no_alarm(seed: int) -> None:
    rows = draw(150, 50, seed)
    assert find_shifted_features(rows[30:], rows[:30], layout(50), frozenset(), seed) == []


def test_categories_that_the_training_does_not_know_are_no_shift() -> None:
    random = np.random.default_rng(0)
    train, test = (random.integers(0, 5, (rows, 1)).astype(np.float32) for rows in (800, 400))
    columns = [category("c", *"abcde")]
    test[:300] = np.nan
    assert find_shifted_features(train, test, columns, frozenset(), 0) == []
    test[300:] = 4
    assert [w.column for w in find_shifted_features(train, test, columns, frozenset(), 0)] == ["c"]


def test_small_shifts_skipped_features_and_few_rows_are_left_out() -> None:
    train, test = draw(50_000, 1), draw(50_000, 1, seed=1) + np.float32(0.3)
    assert find_shifted_features(train, test, layout(1), frozenset(), 0) == []
    assert find_shifted_features(train, test + 5, layout(1), frozenset({"x0"}), 0) == []
    assert find_shifted_features(train[:20], test[:20] + 5, layout(1), frozenset(), 0) == []


def test_the_largest_shifts_are_named_first() -> None:
    train, test = draw(800, 8), draw(200, 8, seed=1)
    test += np.arange(1, 9) * 0.4
    found = find_shifted_features(train, test, layout(8), frozenset(), 0)
    assert [w.column for w in found] == [f"x{i}" for i in range(7, 7 - MAX_WARNINGS, -1)]
