"""Scores of a model on rows it has never seen, as strict JSON: a score that is not defined is None, never NaN."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataml.ml.native import Task


@dataclass(frozen=True)
class Evaluation:
    """`metrics` by name. For classes, `confusion_matrix[i][j]` counts rows of class i predicted as class j, in the
    order of the predictor's classes, and `accuracy` repeats `metrics["accuracy"]`; for numbers both are None.
    `details` is everything else there is to say, as strict JSON."""

    metrics: Mapping[str, float | None]
    accuracy: float | None = None
    confusion_matrix: list[list[int]] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    task: Task,
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    classes: Sequence[str] = (),
    uncalibrated: np.ndarray | None = None,
    residuals: np.ndarray | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score `predicted`, as `NativeModel.predict` returns it, against `truth` (rows,): numbers, or class codes.

    `classes` are their names in order. `uncalibrated` are the predictions of the same rows before calibration.
    `residuals` (any number of them) are truth minus prediction of a regression on rows that the model did not learn
    from, others than these.
    """
    if task.is_regression:
        return Evaluation(_regression(truth.astype(np.float64), predicted.astype(np.float64)))
    return _classification(task, truth.astype(np.int64), predicted.astype(np.float64))


def _regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    errors = predicted - truth
    spread = float(np.square(truth - truth.mean()).sum())
    return {
        "rmse": _strict(np.sqrt(np.square(errors).mean())),
        "mae": _strict(np.abs(errors).mean()),
        # Coefficient of determination; rows that are all alike leave nothing to determine.
        "r2": _strict(1 - np.square(errors).sum() / spread) if spread > 0 else None,
        "mape": None if (truth == 0).any() else _strict(np.abs(errors / truth).mean()),
    }


def _classification(task: Task, truth: np.ndarray, probabilities: np.ndarray) -> Evaluation:
    chosen = probabilities.argmax(axis=1)
    confusion = np.zeros((task.classes, task.classes), dtype=np.int64)
    np.add.at(confusion, (truth, chosen), 1)
    is_class = truth[:, None] == np.arange(task.classes)
    precision, recall, f1 = _precision_recall_f1(task, confusion)
    accuracy = float(np.trace(confusion) / len(truth))
    metrics: dict[str, float | None] = {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "f1_score": f1,
        "roc_auc": _roc_auc(task, is_class, probabilities),
    }
    if task.is_binary:
        metrics["pr_auc"] = _pr_auc(is_class[:, 1], probabilities[:, 1])
    metrics["log_loss"] = _log_loss(truth, probabilities)
    # Brier (1950): squared distance to the outcome; for two classes that of the second one alone, as is usual.
    squared = np.square(probabilities - is_class)
    metrics["brier"] = _strict((squared[:, 1] if task.is_binary else squared.sum(axis=1)).mean())
    return Evaluation(metrics, accuracy, confusion.tolist())


def _precision_recall_f1(task: Task, confusion: np.ndarray) -> tuple[float, float, float]:
    """Of the second class when there are two, else the mean over classes weighted by their rows; 0 where nothing was
    predicted."""
    hits = np.diag(confusion).astype(np.float64)
    actual = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(actual, 1)
    f1 = 2 * hits / np.maximum(actual + predicted, 1)
    if task.is_binary:
        return float(precision[1]), float(recall[1]), float(f1[1])
    weights = actual / actual.sum()
    return float(precision @ weights), float(recall @ weights), float(f1 @ weights)


def _roc_auc(task: Task, is_class: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Of the second class, or one class against the rest, averaged over the classes that some row has and some has
    not."""
    from sklearn.metrics import roc_auc_score

    classes = [1] if task.is_binary else range(task.classes)
    defined = [c for c in classes if 0 < is_class[:, c].sum() < len(is_class)]
    if not defined:
        return None
    return _strict(np.mean([roc_auc_score(is_class[:, c], probabilities[:, c]) for c in defined]))


def _pr_auc(is_positive: np.ndarray, probability: np.ndarray) -> float | None:
    from sklearn.metrics import average_precision_score

    return _strict(average_precision_score(is_positive, probability)) if is_positive.any() else None


def _log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    given = probabilities[np.arange(len(truth)), truth]
    return _strict(-np.log(np.clip(given, np.finfo(np.float32).eps, 1)).mean())


def _strict(value: float | np.floating) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
