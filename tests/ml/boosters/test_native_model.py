"""A native model is the same after its file, explains itself, and rows are taken without a copy where possible."""

import numpy as np
import pytest

from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from tests.ml.boosters.fits import ALGORITHMS, CATEGORICAL, TASKS, fit_small


def make_rows(rows: int = 100) -> LabeledRows:
    x = np.random.default_rng(0).normal(size=(rows, 20)).astype(np.float32)
    return LabeledRows(x, (x[:, 0] > 0).astype(np.int64))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_predicts_the_same_after_its_file(algorithm: str, task: Task) -> None:
    model, whole = fit_small(algorithm, task)
    predicted = model.predict(whole.x)
    again = NativeModel.from_bytes(model.algorithm, task, model.model.to_bytes(), CATEGORICAL)
    assert (again.predict(whole.x) == predicted).all()
    alone = np.concatenate([again.predict(whole.x[i : i + 1]) for i in range(20)])
    assert alone == pytest.approx(predicted[:20], abs=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_contributions_add_up_to_the_prediction(algorithm: str) -> None:
    model, whole = fit_small(algorithm, Task(0))
    values = model.model.contributions(whole.x[:50])
    assert values.shape == (50, 1, 5)
    constant = model.predict(whole.x[:50]) - values[:, 0].sum(axis=1)
    assert constant == pytest.approx(constant[0], abs=1)


def test_consecutive_rows_are_a_view() -> None:
    samples = make_rows()
    part = samples.take(np.arange(20, 60))
    assert np.shares_memory(part.x, samples.x)
    assert np.shares_memory(part.y, samples.y)
    assert part.x.tolist() == samples.x[20:60].tolist()


@pytest.mark.parametrize("rows", [[], [3], [3, 5], [5, 4, 3], [3, 3, 5], [3, 5, 4, 6]])
def test_rows_are_taken_by_number_in_any_order(rows: list[int]) -> None:
    samples = make_rows()
    part = samples.take(np.array(rows, dtype=np.int64))
    assert part.x.tolist() == samples.x[rows].tolist()
    assert part.y.tolist() == samples.y[rows].tolist()


@pytest.mark.parametrize(
    ("classes", "is_regression", "is_binary", "metric"),
    [(0, True, False, "rmse"), (2, False, True, "log_loss"), (4, False, False, "log_loss")],
)
def test_a_task_knows_its_kind(classes: int, is_regression: bool, is_binary: bool, metric: str) -> None:
    task = Task(classes)
    assert (task.is_regression, task.is_binary, task.metric) == (is_regression, is_binary, metric)
