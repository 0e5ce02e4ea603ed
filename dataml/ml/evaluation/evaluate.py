"""Scores of a model on rows it has never seen, as strict JSON: a score that is not defined is None, never NaN."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import charts, classification, regression


@dataclass(frozen=True)
class Evaluation:
    """Scores on held-out rows.

    Attributes:
        metrics: scores by name.
        accuracy: `metrics["accuracy"]`; None for a regression.
        confusion_matrix: `confusion_matrix[i][j]` counts rows of class i predicted as class j, in the order of the
            predictor's classes; None for a regression.
        details: everything else that was measured, as strict JSON.
    """

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
    positive: int = 1,
    uncalibrated: np.ndarray | None = None,
    residuals: np.ndarray | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score predictions against the truth.

    `details` has `rows`; `confidence`: for each metric `low`, `high` and `level` (see `bootstrap`; None where the
    metric is); `charts`: Vega-Lite specifications by name; and what `classification.score_classes` or
    `regression.score_numbers` add.

    Args:
        task: what is predicted.
        truth: numbers, or class codes (rows,).
        predicted: as `NativeModel.predict` returns it.
        classes: the names of the classes in order.
        positive: the code of the class that the scores of two classes are about.
        uncalibrated: the predictions of the same rows before calibration.
        residuals: truth minus prediction of a regression on any number of other rows that the model did not learn
            from.
        seed: of the bootstrap.
    """
    if task.is_regression:
        scores = regression.score_numbers(truth.astype(np.float64), predicted.astype(np.float64), residuals, seed)
        return Evaluation(scores.metrics, details=scores.details | {"charts": charts.regression_charts(scores.details)})
    names = [str(name) for name in classes] or [str(code) for code in range(task.classes)]
    before = None if uncalibrated is None else uncalibrated.astype(np.float64)
    scores = classification.score_classes(
        task, truth.astype(np.int64), predicted.astype(np.float64), names, before, seed, positive
    )
    details = scores.details | {"charts": charts.classification_charts(names, scores.confusion, scores.details)}
    return Evaluation(scores.metrics, scores.metrics["accuracy"], scores.confusion.tolist(), details)
