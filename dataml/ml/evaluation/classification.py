"""How well probabilities of classes fit the classes that came true."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.decision_threshold import DEFAULT_THRESHOLD
from dataml.ml.evaluation import bootstrap
from dataml.ml.evaluation.ranking import RankingCurve, auc_influence, roc_auc, score_threshold
from dataml.ml.evaluation.reliability import calibration_curve, expected_calibration_error
from dataml.ml.json_numbers import finite_or_none, ratio_or_none

MAX_LISTED_CLASSES: Final = 50
_METRIC_ORDER: Final = (
    *("accuracy", "precision", "recall", "f1_score", "macro_precision", "macro_recall", "macro_f1"),
    *("roc_auc", "pr_auc", "log_loss", "brier"),
)
_MACRO_NAMES: Final = {"precision": "macro_precision", "recall": "macro_recall", "f1_score": "macro_f1"}
_AVERAGE_OF_TWO: Final[dict[str, str]] = dict.fromkeys(
    ("precision", "recall", "f1_score", "roc_auc", "pr_auc"), "binary"
)
_AVERAGE_OF_SEVERAL: Final[dict[str, str]] = dict.fromkeys(
    ("precision", "recall", "f1_score"), "weighted"
) | dict.fromkeys((*_MACRO_NAMES.values(), "roc_auc"), "macro")


def averages(task: Task) -> dict[str, str]:
    """Return, by metric, how it combines the classes, in scikit-learn's words.

    `binary` is a score of the positive class, `macro` the mean over the classes, and `weighted` the mean weighted by
    their rows.
    """
    return dict(_AVERAGE_OF_TWO if task.is_binary else _AVERAGE_OF_SEVERAL)


@dataclass(frozen=True)
class ClassificationScores:
    """Metrics by name, details as strict JSON, and counts of rows by true and by predicted class.

    `confusion` is (classes, classes).
    """

    metrics: dict[str, float | None]
    confusion: np.ndarray
    details: dict[str, Any]


@dataclass(frozen=True)
class _Outcomes:
    """What is measured of each row.

    Attributes:
        task: what is predicted.
        truth: class codes (rows,).
        probabilities: (rows, classes).
        predicted: the most probable class (rows,).
        losses: log loss and squared distance (rows, 2).
        aucs: one class against the rest, by class; NaN where the class has no rows or all.
        positive: the code of the positive one of two classes.
    """

    task: Task
    positive: int
    truth: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    losses: np.ndarray
    aucs: list[float]

    @property
    def mean_auc(self) -> float:
        """That of the positive one of two classes, or the mean over the classes for which it is defined."""
        if self.task.is_binary:
            return self.aucs[self.positive]
        defined = [auc for auc in self.aucs if np.isfinite(auc)]
        return float(np.mean(defined)) if defined else float("nan")


def score_classes(
    task: Task,
    truth: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    uncalibrated: np.ndarray | None,
    seed: int,
    positive: int = 1,
) -> ClassificationScores:
    """Score probabilities (rows, classes) against the classes `truth` (rows,), which are codes into `names`.

    `details` has `rows`; `confidence`; `per_class` by name (the 50 classes with most rows, and `per_class_left_out`
    others); `average`, see `averages`; `calibration_curve`; and `calibration`: the class it is `of` (the positive one
    of two classes, or else the predicted one), its `expected_calibration_error`, `log_loss` and `brier`, and these with
    a `curve` `before` the calibration. For two classes it also has `positive_class`; `thresholds` with the same
    and the `default`, by which the metrics are computed; `roc_curve` and `pr_curve`, see `ranking`.

    Args:
        task: what is predicted.
        truth: class codes.
        probabilities: float64.
        names: the classes in order.
        uncalibrated: the probabilities before calibration, if they were calibrated.
        seed: of the bootstrap.
        positive: the code of the positive class, when there are two.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(truth * task.classes + predicted, minlength=task.classes**2).reshape(task.classes, -1)
    aucs = [roc_auc(truth == code, probabilities[:, code]) for code in range(task.classes)]
    losses = _losses(task, truth, probabilities)
    outcomes = _Outcomes(task, positive, truth, probabilities, predicted, losses, aucs)
    ranking = RankingCurve.from_scores(truth == positive, probabilities[:, positive]) if task.is_binary else None
    metrics = _metrics(outcomes, confusion, ranking)
    intervals = _intervals(outcomes, seed)
    curve = _calibration_curve(task, truth, probabilities, positive)
    details: dict[str, Any] = {
        "rows": len(truth),
        "confidence": {name: intervals.get(name) if value is not None else None for name, value in metrics.items()},
        "per_class": _scores_by_class(names, confusion, aucs),
        "per_class_left_out": max(0, task.classes - MAX_LISTED_CLASSES),
        "average": averages(task),
        "calibration_curve": curve,
        "calibration": {
            "of": names[positive] if task.is_binary else "the predicted class",
            "expected_calibration_error": expected_calibration_error(curve),
            "log_loss": metrics["log_loss"],
            "brier": metrics["brier"],
            "before": None if uncalibrated is None else _scores_before_calibration(task, truth, uncalibrated, positive),
        },
    }
    if ranking is not None:
        details |= {
            "positive_class": names[positive],
            "thresholds": {
                "positive_class": names[positive],
                "default": _score_default_threshold(confusion, positive),
                **ranking.threshold_table(),
            },
            "roc_curve": ranking.roc_curve(),
            "pr_curve": ranking.pr_curve(),
        }
    return ClassificationScores(metrics, confusion, details)


def _score_default_threshold(confusion: np.ndarray, positive: int) -> dict[str, float | None]:
    """Return the scores of the more probable class, which are those of the metrics, as a row of the thresholds."""
    hits, flagged = confusion[positive, positive], confusion[:, positive].sum()
    return score_threshold(DEFAULT_THRESHOLD, hits, flagged, confusion[positive].sum(), confusion.sum())


def _metrics(outcomes: _Outcomes, confusion: np.ndarray, ranking: RankingCurve | None) -> dict[str, float | None]:
    """Return all metrics, in the order that readers see."""
    counts = np.concatenate([np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)]).astype(np.float64)
    additive = _additive_metrics(outcomes.task, outcomes.positive, counts, outcomes.losses.sum(axis=0))
    metrics = {name: finite_or_none(value) for name, value in additive.items()}
    metrics["roc_auc"] = finite_or_none(outcomes.mean_auc)
    if ranking is not None:
        metrics["pr_auc"] = finite_or_none(ranking.auc_scores.pr)
    return {name: metrics[name] for name in _METRIC_ORDER if name in metrics}


def _losses(task: Task, truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return log loss and squared distance of each row, (rows, 2)."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    log_loss = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    # Brier (1950): squared distance to the outcome; for two classes that of one alone, as is usual. Both have the same.
    if task.is_binary:
        squared = np.square(probabilities[:, 1] - truth)
    else:
        squared = np.maximum(np.einsum("rc,rc->r", probabilities, probabilities) - 2 * of_truth + 1, 0)
    return np.stack([log_loss, squared], axis=1)


def _additive_metrics(task: Task, positive: int, counts: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics that are functions of sums over rows.

    Precision, recall and F1 are of the positive class when there are two; 0 where nothing was predicted. Of more
    classes they are the mean weighted by the rows of each, and the `macro` ones the plain mean over the classes that
    there are among true and predicted ones.

    Args:
        task: what is predicted.
        positive: the code of the positive class, when there are two.
        counts: rows of each class that were predicted right, that there are, and that were predicted
            (..., 3 * classes).
        losses: sums of `_losses` (..., 2).
    """
    hits, actual, predicted = np.split(counts, 3, axis=-1)
    rows = actual.sum(axis=-1)
    by_class = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(actual, 1),
        "f1_score": 2 * hits / np.maximum(actual + predicted, 1),
    }
    if task.is_binary:
        combined = {name: values[..., positive] for name, values in by_class.items()}
    else:
        combined = {name: np.einsum("...c,...c->...", v, actual) / rows for name, v in by_class.items()}
        there = np.maximum((actual + predicted > 0).sum(axis=-1), 1)
        combined |= {_MACRO_NAMES[name]: v.sum(axis=-1) / there for name, v in by_class.items()}
    return {
        "accuracy": hits.sum(axis=-1) / rows,
        **combined,
        "log_loss": losses[..., 0] / rows,
        "brier": losses[..., 1] / rows,
    }


def _intervals(outcomes: _Outcomes, seed: int) -> dict[str, Any]:
    """Return a bootstrap interval for each metric."""
    task, truth, predicted = outcomes.task, outcomes.truth, outcomes.predicted
    k = task.classes
    columns = [outcomes.losses[:, 0], outcomes.losses[:, 1]]
    if not task.is_binary:
        columns.append(_mean_auc_influence(outcomes, seed))
    units = bootstrap.resampling_units(len(truth), 3 * k + len(columns), seed)
    unit_count = int(units.max()) + 1
    is_right = truth == predicted
    counted = [(units[is_right], truth[is_right]), (units, truth), (units, predicted)]
    counts = [np.bincount(unit * k + code, minlength=unit_count * k).reshape(unit_count, k) for unit, code in counted]
    sums = [np.bincount(units, column, unit_count)[:, None] for column in columns]

    def score(drawn: np.ndarray) -> dict[str, np.ndarray]:
        scores = _additive_metrics(task, outcomes.positive, drawn[:, : 3 * k], drawn[:, 3 * k : 3 * k + 2])
        if not task.is_binary:
            scores["roc_auc"] = np.clip(outcomes.mean_auc + drawn[:, -1], 0, 1)
        return scores

    intervals = bootstrap.bootstrap_additive(np.concatenate([*counts, *sums], axis=1), score, seed)
    if task.is_binary:
        intervals |= bootstrap.bootstrap_ranking(
            truth == outcomes.positive, outcomes.probabilities[:, outcomes.positive], seed
        )
    return intervals


def _mean_auc_influence(outcomes: _Outcomes, seed: int) -> np.ndarray:
    """Return how fast the mean ROC AUC grows with the weight of each row: drawn as a sum, it varies as the AUC does.

    Where there are more rows than can be drawn one by one it comes from a sample, scaled to the accuracy of all rows
    (the m out of n bootstrap, Bickel et al. 1997).
    """
    truth, aucs = outcomes.truth, outcomes.aucs
    rows, kept = len(truth), np.arange(len(truth))
    if rows > bootstrap.MAX_EXACT_ROWS:
        kept = np.random.default_rng(seed).permutation(rows)[: bootstrap.MAX_EXACT_ROWS]
    sampled, influence = truth[kept], np.zeros(rows)
    present = np.bincount(sampled, minlength=len(aucs))
    defined = [code for code in range(len(aucs)) if 0 < present[code] < len(kept)]
    for code in defined:
        influence[kept] += auc_influence(sampled == code, outcomes.probabilities[kept, code]).influence
    return influence / max(1, len(defined)) * np.sqrt(len(kept) / rows)


def _scores_by_class(names: Sequence[str], confusion: np.ndarray, aucs: list[float]) -> dict[str, Any]:
    actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    largest = np.argsort(-actual, kind="stable")[:MAX_LISTED_CLASSES]
    return {
        names[code]: {
            "precision": ratio_or_none(confusion[code, code], predicted[code]),
            "recall": ratio_or_none(confusion[code, code], actual[code]),
            "f1_score": ratio_or_none(2 * confusion[code, code], actual[code] + predicted[code]),
            "support": int(actual[code]),
            "roc_auc": finite_or_none(aucs[code]),
        }
        for code in sorted(int(each) for each in largest)
    }


def _calibration_curve(task: Task, truth: np.ndarray, probabilities: np.ndarray, positive: int) -> list[dict[str, Any]]:
    """Return the curve of the positive one of two classes, or of the predicted class."""
    if task.is_binary:
        return calibration_curve(probabilities[:, positive], (truth == positive).astype(np.float64))
    is_right = probabilities.argmax(axis=1) == truth
    return calibration_curve(probabilities.max(axis=1), is_right.astype(np.float64))


def _scores_before_calibration(
    task: Task, truth: np.ndarray, probabilities: np.ndarray, positive: int
) -> dict[str, Any]:
    curve = _calibration_curve(task, truth, probabilities, positive)
    log_loss, brier = _losses(task, truth, probabilities).mean(axis=0)
    return {
        "expected_calibration_error": expected_calibration_error(curve),
        "log_loss": finite_or_none(log_loss),
        "brier": finite_or_none(brier),
        "curve": curve,
    }
