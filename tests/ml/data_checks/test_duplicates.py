"""Copies on both sides of the split are counted, unless they are chance."""

import numpy as np
import pytest
from sklearn import datasets

from dataml.contract.warnings import DataWarning
from dataml.ml.data_checks import duplicates


def find_duplicates(train: np.ndarray, test: np.ndarray, seed: int) -> list[DataWarning]:
    rows = np.arange(len(train) + len(test))
    return duplicates.find_duplicates(np.concatenate([train, test]), rows[: len(train)], rows[len(train) :], seed)


def draw(rows: int, seed: int = 0, width: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_copies_are_counted() -> None:
    train = draw(500)
    test = np.concatenate([draw(90, seed=1), train[:10]])
    (warning,) = find_duplicates(train, test, 0)
    assert (warning.code, warning.column, warning.count) == ("duplicates_across_split", None, 10)
    assert "10 of 100" in warning.message
    assert "validation.group" in warning.message


def test_missing_values_and_signs_of_zero_are_equal() -> None:
    train, test = draw(200), draw(100, seed=1)
    train[:20, 1], test[:20] = np.nan, train[:20]
    test[:20, 1] = np.float32(np.uint32(0x7FC00001).view(np.float32))  # another bit pattern of NaN
    train[:20, 2], test[:20, 2] = 0.0, -0.0
    (warning,) = find_duplicates(train, test, 0)
    assert warning.count == 20


def test_of_many_rows_a_sample_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_MAX_CELLS", 4 * 500)
    monkeypatch.setattr(duplicates, "_CHUNK_CELLS", 4 * 7)
    train = draw(1_000)
    (warning,) = find_duplicates(train, train[:200], 0)
    assert 70 < (warning.count or 0) < 130
    assert warning.message.startswith("At least ")


def test_single_copies_are_no_alarm() -> None:
    train = draw(500)
    assert find_duplicates(train, np.concatenate([draw(99, seed=1), train[:1]]), 0) == []
    assert find_duplicates(train, draw(100, seed=1), 0) == []


def test_rows_of_few_categories_are_equal_by_chance() -> None:
    codes = np.random.default_rng(0).integers(0, 4, (1_200, 4)).astype(np.float32)
    assert find_duplicates(codes[:1_000], codes[1_000:], 0) == []


def test_rows_that_differ_in_one_value_are_no_copies() -> None:
    train = draw(300, width=30)
    test = train[:100].copy()
    test[np.arange(100), np.arange(100) % 30] += 1
    assert find_duplicates(train, test, 0) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_well_known_datasets_raise_no_alarm(name: str) -> None:
    data = getattr(datasets, f"load_{name}")()["data"].astype(np.float32)
    data = np.random.default_rng(0).permutation(data)
    cut = len(data) // 5
    assert find_duplicates(data[cut:], data[:cut], 0) == []
