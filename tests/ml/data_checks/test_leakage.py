"""A feature that alone decides the target is named; a good feature is not."""

import numpy as np
import pytest
from sklearn import datasets

from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.data_checks.leakage import MAX_WARNINGS, find_leaking_features
from dataml.ml.encoding import EncodedColumn, Encoding
from tests.ml.data_checks.layouts import category, number


def find(
    columns: list[np.ndarray],
    y: np.ndarray,
    layout: list[EncodedColumn] | None = None,
    skipped: frozenset[str] = frozenset(),
) -> list[DataWarning]:
    """Check columns named x0, x1, ... of a classification of whole numbers, or of a regression of others."""
    samples = LabeledRows(np.column_stack(columns).astype(np.float32), y)
    task = Task(int(y.max()) + 1) if y.dtype.kind == "i" else Task(0)
    given = layout or [number(f"x{i}") for i in range(len(columns))]
    return find_leaking_features(samples, task, given, skipped, 0)


def draw(rows: int = 1_000) -> tuple[np.random.Generator, np.ndarray]:
    random = np.random.default_rng(0)
    return random, random.normal(size=rows)


def test_a_number_that_decides_the_class_is_named_with_its_score() -> None:
    random, noise = draw()
    y = (noise > 1).astype(np.int64)
    (warning,) = find([random.normal(size=1_000), noise * 3], y)
    assert (warning.code, warning.column) == ("leaking_feature", "x1")
    assert float(warning.examples[0]) > 0.99
    assert f"{np.bincount(y).max() / 10:.0f}" in warning.message


def test_a_missing_value_that_decides_the_class_is_named() -> None:
    random, noise = draw(4_000)
    y = (random.random(4_000) < 0.03).astype(np.int64)  # as the date of a cancellation does
    assert [w.column for w in find([np.where(y == 1, noise, np.nan), noise], y)] == ["x0"]


def test_a_text_that_decides_the_class_is_named() -> None:
    random, _ = draw()
    code = random.integers(0, 40, 1_000)
    y = (code * 7 % 3).astype(np.int64)
    layout = [category("reason", *map(str, range(40)))]
    assert [w.column for w in find([code], y, layout)] == ["reason"]
    noisy = np.where(random.random(1_000) < 0.1, 0, y).astype(np.int64)
    assert find([code], noisy, layout) == []


def test_a_number_that_decides_a_number_is_named() -> None:
    random, noise = draw()
    y = np.exp(3 * noise)
    assert [w.column for w in find([random.normal(size=1_000), noise], y)] == ["x1"]
    assert find([noise + 0.2 * random.normal(size=1_000)], y) == []
    layout = [category("place", *map(str, range(10)))]
    code = random.integers(0, 10, 1_000)
    assert [w.column for w in find([code], code * 2.5, layout)] == ["place"]


def test_a_decisive_feature_of_many_classes_is_named() -> None:
    random, _ = draw(2_000)
    y = random.integers(0, 20, 2_000)
    assert [w.column for w in find([y + random.random(2_000) * 0.9], y)] == ["x0"]


def test_a_strong_feature_that_errs_is_not_named() -> None:
    random, noise = draw()
    y = (noise > 0).astype(np.int64)
    wrong = random.random(1_000) < 0.05
    assert find([np.where(wrong, -noise, noise)], y) == []


def test_skipped_features_and_few_rows_are_not_checked() -> None:
    _, noise = draw()
    y = (noise > 0).astype(np.int64)
    assert find([noise], y, skipped=frozenset({"x0"})) == []
    assert find([noise[:40]], y[:40]) == []


def test_only_the_strongest_are_named() -> None:
    _, noise = draw()
    y = (noise > 0).astype(np.int64)
    assert len(find([noise] * (MAX_WARNINGS + 3), y)) == MAX_WARNINGS


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_well_known_datasets_raise_no_alarm(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    y = bunch["target"].astype(np.float64 if name == "diabetes" else np.int64)
    assert find(list(bunch["data"].T), y) == []


def test_a_time_that_decides_the_target_is_named_with_the_role_for_it() -> None:
    days = np.random.default_rng(0).permutation(1_000).astype(np.float64)
    layout = [EncodedColumn("day", "day", DataType.DATE, Encoding.NUMBER)]
    (warning,) = find([days], 2.0 * days + 0.5, layout)
    assert (warning.code, warning.column) == ("leaking_feature", "day")
    assert "role Time" in warning.message
    (other,) = find([days], 2.0 * days + 0.5)
    assert "role Time" not in other.message
