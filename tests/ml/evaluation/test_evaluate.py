"""Every task is scored with charts, and an undefined score is None."""

import json

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import evaluate


def test_a_score_that_is_not_defined_is_null_and_never_nan() -> None:
    zero = evaluate(Task(0), np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    assert (zero.metrics["mape"], zero.metrics["r2"]) == (None, None)
    one_class = evaluate(Task(3), np.array([1, 1]), np.full((2, 3), 1 / 3))
    assert one_class.metrics["roc_auc"] is None
    no_positive = evaluate(Task(2), np.array([0, 0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert no_positive.metrics["pr_auc"] is None
    for result in (zero, one_class, no_positive):
        json.dumps(result.metrics, allow_nan=False)


def test_a_regression_has_numbers_and_a_classification_a_confusion_matrix() -> None:
    numbers = evaluate(Task(0), np.arange(30.0), np.arange(30.0) + 1)
    assert (numbers.accuracy, numbers.confusion_matrix) == (None, None)
    assert numbers.metrics.keys() == {"rmse", "mae", "r2", "mape"}
    classes = evaluate(Task(3), np.arange(30) % 3, np.eye(3)[np.arange(30) % 3])
    assert classes.accuracy == classes.metrics["accuracy"] == 1
    assert classes.confusion_matrix == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    for result in (numbers, classes):
        assert result.details["rows"] == 30
        assert result.details["charts"]
        assert result.details["confidence"].keys() == result.metrics.keys()


def test_classes_without_names_are_numbered() -> None:
    assert set(evaluate(Task(2), np.array([0, 1, 1]), np.full((3, 2), 0.5)).details["per_class"]) == {"0", "1"}
