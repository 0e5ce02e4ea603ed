"""How well probabilities of classes fit the classes that came true."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import bootstrap
from dataml.ml.evaluation.ranking import RankingCurve, auc_influence, roc_auc
from dataml.ml.evaluation.reliability import calibration_curve, expected_calibration_error
from dataml.ml.json_numbers import finite_or_none, ratio_or_none

MAX_CLASSES_SHOWN: Final = 50


@dataclass(frozen=True)
class ClassScores:
    """`confusion` (classes, classes) counts rows by true and by predicted class."""

    metrics: dict[str, float | None]
    confusion: np.ndarray
    details: dict[str, Any]


def score(
    task: Task,
    truth: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    uncalibrated: np.ndarray | None,
    seed: int,
) -> ClassScores:
    """Score probabilities (rows, classes) of rows of the classes `truth` (rows,), codes into `names`.

    `details` as strict JSON: `rows`, `confidence`, `per_class` by name (the 50 classes with most rows, and
    `per_class_left_out` others), `calibration_curve`, and `calibration`: what it is `of` (the second of two classes, or
    else the predicted one), its `expected_calibration_error`, `log_loss` and `brier`, and these with a `curve`
    `before` the calibration. For two classes also `thresholds`, `roc_curve` and `pr_curve`, see `ranking`.
    """
    chosen = probabilities.argmax(axis=1)
    confusion = np.bincount(truth * task.classes + chosen, minlength=task.classes**2).reshape(task.classes, -1)
    losses = _losses(task, truth, probabilities)
    aucs = [roc_auc(truth == each, probabilities[:, each]) for each in range(task.classes)]
    whole = _per_class(task, confusion)
    metrics = {name: finite_or_none(value) for name, value in _of_sums(task, whole, losses.sum(axis=0)).items()}
    metrics["roc_auc"] = finite_or_none(_mean_auc(task, aucs))
    ranked = RankingCurve.of(truth == 1, probabilities[:, 1]) if task.is_binary else None
    if ranked is not None:
        metrics["pr_auc"] = finite_or_none(ranked.auc_scores.pr)
    metrics = {name: metrics[name] for name in _ORDER if name in metrics}

    intervals = _intervals(task, truth, probabilities, chosen, losses, aucs, seed)
    curve = _curve(task, truth, probabilities)
    details: dict[str, Any] = {
        "rows": len(truth),
        "confidence": {name: intervals.get(name) if value is not None else None for name, value in metrics.items()},
        "per_class": _by_name(names, confusion, aucs),
        "per_class_left_out": max(0, task.classes - MAX_CLASSES_SHOWN),
        "calibration_curve": curve,
        "calibration": {
            "of": names[1] if task.is_binary else "the predicted class",
            "expected_calibration_error": expected_calibration_error(curve),
            "log_loss": metrics["log_loss"],
            "brier": metrics["brier"],
            "before": None if uncalibrated is None else _before(task, truth, uncalibrated),
        },
    }
    if ranked is not None:
        details |= {
            "thresholds": ranked.thresholds(),
            "roc_curve": ranked.roc_curve(),
            "pr_curve": ranked.pr_curve(),
        }
    return ClassScores(metrics, confusion, details)


_ORDER: Final = ("accuracy", "precision", "recall", "f1_score", "roc_auc", "pr_auc", "log_loss", "brier")


def _losses(task: Task, truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Log loss and squared distance of each row, (rows, 2)."""
    given = probabilities[np.arange(len(truth)), truth]
    log_loss = -np.log(np.clip(given, np.finfo(np.float32).eps, 1))
    # Brier (1950): squared distance to the outcome; for two classes that of the second one alone, as is usual.
    if task.is_binary:
        squared = np.square(probabilities[:, 1] - truth)
    else:
        squared = np.maximum(np.einsum("rc,rc->r", probabilities, probabilities) - 2 * given + 1, 0)
    return np.stack([log_loss, squared], axis=1)


def _per_class(task: Task, confusion: np.ndarray) -> np.ndarray:
    """Rows of each class that were found, that there are, and that were predicted: (3 * classes,)."""
    return np.concatenate([np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)]).astype(np.float64)


def _of_sums(task: Task, per_class: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from `_per_class` (..., 3 * classes) and sums of `_losses` (..., 2).

    Precision, recall and F1 are of the second class when there are two, else the mean over classes weighted by their
    rows; 0 where nothing was predicted.
    """
    hits, actual, predicted = np.split(per_class, 3, axis=-1)
    rows = actual.sum(axis=-1)
    each = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(actual, 1),
        "f1_score": 2 * hits / np.maximum(actual + predicted, 1),
    }
    if task.is_binary:
        combined = {name: values[..., 1] for name, values in each.items()}
    else:
        combined = {name: np.einsum("...c,...c->...", v, actual) / rows for name, v in each.items()}
    return {
        "accuracy": hits.sum(axis=-1) / rows,
        **combined,
        "log_loss": losses[..., 0] / rows,
        "brier": losses[..., 1] / rows,
    }


def _mean_auc(task: Task, aucs: list[float]) -> float:
    """Of the second class, or one class against the rest, averaged over the classes that some row has and some has
    not."""
    if task.is_binary:
        return aucs[1]
    defined = [auc for auc in aucs if np.isfinite(auc)]
    return float(np.mean(defined)) if defined else float("nan")


def _intervals(
    task: Task,
    truth: np.ndarray,
    probabilities: np.ndarray,
    chosen: np.ndarray,
    losses: np.ndarray,
    aucs: list[float],
    seed: int,
) -> dict[str, Any]:
    k = task.classes
    columns = [losses[:, 0], losses[:, 1]]
    if not task.is_binary:
        columns.append(_growth(truth, probabilities, aucs, seed))
    drawn = bootstrap.resampling_units(len(truth), 3 * k + len(columns), seed)
    count = int(drawn.max()) + 1
    right = truth == chosen
    counted = [(drawn[right], truth[right]), (drawn, truth), (drawn, chosen)]
    found = [np.bincount(unit * k + code, minlength=count * k).reshape(count, k) for unit, code in counted]
    summed = [np.bincount(drawn, column, count)[:, None] for column in columns]

    def scores(sums: np.ndarray) -> dict[str, np.ndarray]:
        of_draws = _of_sums(task, sums[:, : 3 * k], sums[:, 3 * k : 3 * k + 2])
        if not task.is_binary:
            of_draws["roc_auc"] = np.clip(_mean_auc(task, aucs) + sums[:, -1], 0, 1)
        return of_draws

    intervals = bootstrap.bootstrap_additive(np.concatenate([*found, *summed], axis=1), scores, seed)
    if task.is_binary:
        intervals |= bootstrap.bootstrap_ranking(truth == 1, probabilities[:, 1], seed)
    return intervals


def _growth(truth: np.ndarray, probabilities: np.ndarray, aucs: list[float], seed: int) -> np.ndarray:
    """How fast the mean ROC AUC grows with the weight of each row: drawn as a sum, it varies as the AUC does.

    From a sample where there are more rows than can be drawn one by one; it is scaled to the accuracy of all rows (the
    m out of n bootstrap, Bickel et al. 1997).
    """
    rows, kept = len(truth), np.arange(len(truth))
    if rows > bootstrap.MAX_EXACT_ROWS:
        kept = np.random.default_rng(seed).permutation(rows)[: bootstrap.MAX_EXACT_ROWS]
    sampled, growth = truth[kept], np.zeros(rows)
    present = np.bincount(sampled, minlength=len(aucs))
    defined = [code for code in range(len(aucs)) if 0 < present[code] < len(kept)]
    for code in defined:
        growth[kept] += auc_influence(sampled == code, probabilities[kept, code]).growth
    return growth / max(1, len(defined)) * np.sqrt(len(kept) / rows)


def _by_name(names: Sequence[str], confusion: np.ndarray, aucs: list[float]) -> dict[str, Any]:
    actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    largest = np.argsort(-actual, kind="stable")[:MAX_CLASSES_SHOWN]
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


def _curve(task: Task, truth: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    if task.is_binary:
        return calibration_curve(probabilities[:, 1], (truth == 1).astype(np.float64))
    right = probabilities.argmax(axis=1) == truth
    return calibration_curve(probabilities.max(axis=1), right.astype(np.float64))


def _before(task: Task, truth: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    curve = _curve(task, truth, probabilities)
    log_loss, brier = _losses(task, truth, probabilities).mean(axis=0)
    return {
        "expected_calibration_error": expected_calibration_error(curve),
        "log_loss": finite_or_none(log_loss),
        "brier": finite_or_none(brier),
        "curve": curve,
    }
