"""Scores of a model on rows it has never seen, as strict JSON: a score that is not defined is None, never NaN."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import bootstrap, charts, classification, conformal
from dataml.ml.json_numbers import finite_or_none, to_json_numbers

_QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
_SHOWN_ROWS = 500
_BINS = 30


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

    `details` has `rows`; `confidence`: for each metric `low`, `high` and `level` (see `confidence`; None where the
    metric is); `charts`: Vega-Lite specifications by name. For classes also what `classification` tells; for numbers
    `residual_quantiles` (of truth minus prediction, by quantile as text) and `residual_mean`, `residual_histogram`
    {`edges`, `counts`, `below`, `above`: rows beyond the edges}, `predicted_vs_true` {`truth`, `predicted`} of at most
    500 rows, and `intervals` (see `conformal`; empty without `residuals`).
    """
    if task.is_regression:
        return _regression(truth.astype(np.float64), predicted.astype(np.float64), residuals, seed)
    names = [str(name) for name in classes] or [str(code) for code in range(task.classes)]
    before = None if uncalibrated is None else uncalibrated.astype(np.float64)
    found = classification.score(task, truth.astype(np.int64), predicted.astype(np.float64), names, before, seed)
    details = found.details | {"charts": charts.classification_charts(names, found.confusion, found.details)}
    return Evaluation(found.metrics, found.metrics["accuracy"], found.confusion.tolist(), details)


def _regression(truth: np.ndarray, predicted: np.ndarray, residuals: np.ndarray | None, seed: int) -> Evaluation:
    errors = truth - predicted
    # Values near the largest double have no square; their scores are None.
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _sums(truth, errors)
        metrics = {name: finite_or_none(value) for name, value in _of_sums(sums.sum(axis=0)).items()}
        drawn = bootstrap.resampling_units(len(truth), sums.shape[1], seed)
        parts = np.stack([np.bincount(drawn, column) for column in sums.T], axis=1)
        intervals = bootstrap.bootstrap_additive(parts, _of_sums, seed)
    details: dict[str, Any] = {
        "rows": len(truth),
        "confidence": {name: intervals[name] if value is not None else None for name, value in metrics.items()},
        "residual_mean": finite_or_none(errors.mean()),
        "residual_quantiles": {
            str(at): finite_or_none(value)
            for at, value in zip(_QUANTILES, np.quantile(errors, _QUANTILES), strict=True)
        },
        "residual_histogram": _histogram(errors),
        "intervals": conformal.intervals(residuals.astype(np.float64), errors) if residuals is not None else {},
        "predicted_vs_true": _sample(truth, predicted, seed),
    }
    return Evaluation(metrics, details=details | {"charts": charts.regression_charts(details)})


def _sums(truth: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """What the scores are made of, to be summed over rows: (rows, 6)."""
    # About their mean, lest the squares of large numbers hide how they differ.
    centred = truth - truth.mean()
    with np.errstate(divide="ignore"):
        relative = np.abs(errors / truth) if (truth != 0).all() else np.full(len(truth), np.nan)
    return np.stack(
        [np.ones(len(truth)), np.square(errors), np.abs(errors), relative, centred, np.square(centred)], axis=1
    )


def _of_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from `_sums` over rows, (..., 6); NaN where they are not defined."""
    rows, squared, absolute, relative, centred, centred_squared = np.moveaxis(sums, -1, 0)
    spread = centred_squared - np.square(centred) / rows
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "rmse": np.sqrt(squared / rows),
            "mae": absolute / rows,
            # Coefficient of determination; rows that are all alike leave nothing to determine.
            "r2": np.where(spread > 1e-12 * centred_squared, 1 - squared / spread, np.nan),
            "mape": relative / rows,
        }


def _histogram(errors: np.ndarray) -> dict[str, Any]:
    """Of all but the outermost half percent at each end, which would leave the others one bar."""
    low, high = np.quantile(errors, [0.005, 0.995])
    inside = errors[(errors >= low) & (errors <= high)]
    beyond = {"below": int((errors < low).sum()), "above": int((errors > high).sum())}
    if not high > low or not np.isfinite(high - low):
        return {"edges": [finite_or_none(low), finite_or_none(low)], "counts": [len(inside)]} | beyond
    edges = np.unique(np.linspace(low, high, min(_BINS, max(5, round(len(errors) ** 0.5))) + 1))
    counts, edges = np.histogram(inside, edges)
    return {"edges": [finite_or_none(edge) for edge in edges], "counts": counts.tolist()} | beyond


def _sample(truth: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, list[float | None]]:
    chosen = np.random.default_rng(seed).permutation(len(truth))[:_SHOWN_ROWS]
    return {"truth": to_json_numbers(truth[chosen]), "predicted": to_json_numbers(predicted[chosen])}
