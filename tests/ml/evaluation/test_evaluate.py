"""Scores agree with scikit-learn, and an undefined one is None."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import evaluate


def probabilities(classes: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    truth = random.integers(0, classes, rows)
    scores = random.random((rows, classes)) + 0.7 * (truth[:, None] == np.arange(classes))
    return truth, scores / scores.sum(axis=1, keepdims=True)


def test_two_classes_are_scored_by_the_second() -> None:
    truth, predicted = probabilities(2)
    result = evaluate(Task(2), truth, predicted)
    chosen = predicted.argmax(axis=1)
    assert result.metrics == pytest.approx(
        {
            "accuracy": reference.accuracy_score(truth, chosen),
            "precision": reference.precision_score(truth, chosen),
            "recall": reference.recall_score(truth, chosen),
            "f1_score": reference.f1_score(truth, chosen),
            "roc_auc": reference.roc_auc_score(truth, predicted[:, 1]),
            "pr_auc": reference.average_precision_score(truth, predicted[:, 1]),
            "log_loss": reference.log_loss(truth, predicted),
            "brier": reference.brier_score_loss(truth, predicted[:, 1]),
        }
    )
    assert result.confusion_matrix == reference.confusion_matrix(truth, chosen).tolist()
    assert result.accuracy == result.metrics["accuracy"]


def test_more_classes_are_weighted_by_their_rows() -> None:
    truth, predicted = probabilities(4)
    result = evaluate(Task(4), truth, predicted)
    chosen = predicted.argmax(axis=1)
    assert result.metrics["f1_score"] == pytest.approx(reference.f1_score(truth, chosen, average="weighted"))
    assert result.metrics["precision"] == pytest.approx(reference.precision_score(truth, chosen, average="weighted"))
    assert result.metrics["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, predicted, multi_class="ovr"))


def test_numbers_are_scored_by_their_distance() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(10, 1, 100)
    predicted = truth + random.normal(0, 0.3, 100)
    result = evaluate(Task(0), truth, predicted)
    assert result.metrics == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(truth, predicted),
            "mae": reference.mean_absolute_error(truth, predicted),
            "r2": reference.r2_score(truth, predicted),
            "mape": reference.mean_absolute_percentage_error(truth, predicted),
        }
    )
    assert result.accuracy is None
    assert result.confusion_matrix is None


def test_a_score_that_is_not_defined_is_null_and_never_nan() -> None:
    zero = evaluate(Task(0), np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    assert (zero.metrics["mape"], zero.metrics["r2"]) == (None, None)
    one_class = evaluate(Task(3), np.array([1, 1]), np.full((2, 3), 1 / 3))
    assert one_class.metrics["roc_auc"] is None
    no_positive = evaluate(Task(2), np.array([0, 0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert no_positive.metrics["pr_auc"] is None
    for result in (zero, one_class, no_positive):
        json.dumps(result.metrics, allow_nan=False)
