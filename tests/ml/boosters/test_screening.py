"""The columns that say most about the target are found, whatever their kind."""

import numpy as np
import pytest

from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.boosters.screening import select_columns

ROWS, COLUMNS = 300, 600


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype(np.float32)


def test_columns_of_a_regression_are_found_by_rank() -> None:
    x = noise()
    x[:, 7] = np.exp(5 * x[:, 7])
    y = np.log(x[:, 7]) + 3 * x[:, 400] + np.random.default_rng(1).normal(size=ROWS)
    assert set(select_columns(LabeledRows(x, y), Task(0), (), 5)) >= {7, 400}


@pytest.mark.parametrize("classes", [2, 4])
def test_columns_of_classes_are_found(classes: int) -> None:
    x = noise()
    y = np.random.default_rng(1).integers(0, classes, ROWS)
    x[:, 9] += y == 0
    x[:, 599] += 2 * (y == classes - 1)
    assert set(select_columns(LabeledRows(x, y), Task(classes), (), 5)) >= {9, 599}


def test_missing_values_and_constants_are_no_signal() -> None:
    x, y = noise(), np.sort(np.random.default_rng(1).normal(size=ROWS))
    x[::2, 3], x[:, 4], x[:, 5] = np.nan, np.nan, 1.0
    x[:, 6] = y
    found = select_columns(LabeledRows(x, y), Task(0), (), 30)
    assert 6 in found
    assert not {4, 5} & set(found)


def test_categories_are_ranked_by_the_variance_between_them() -> None:
    x = noise()
    random = np.random.default_rng(1)
    x[:, 0] = random.integers(0, 5, ROWS)
    x[:, 1] = random.permutation(ROWS)
    x[:, 2] = np.where(random.random(ROWS) < 0.1, np.nan, random.integers(0, 3, ROWS))
    y = (x[:, 0] == 3) + 0.3 * random.normal(size=ROWS)
    found = select_columns(LabeledRows(x, y), Task(0), (0, 1, 2), 10)
    assert 0 in found
    assert 1 not in found


def test_positions_ascend_and_count_as_wanted() -> None:
    found = select_columns(LabeledRows(noise(), noise(1)[:, 0]), Task(0), (), 17)
    assert (len(found), sorted(found)) == (17, list(found))
