"""Blends: weighted means of several models' predictions, and how their weights are chosen."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.training.calibration import SIGNIFICANCE_Z, Calibration

BLEND_SCORE: Final = "Blend"
"""The name of a blend's score among those of the candidates."""
_STEPS: Final = 20
_MAX_ROWS: Final = 50_000


def combine_predictions(
    predictions: Sequence[np.ndarray], weights: Sequence[float], calibration: Calibration | None
) -> np.ndarray:
    """Return the weighted mean of the members' predictions, calibrated."""
    mean = predictions[0]
    if len(predictions) > 1:
        mean = mean.astype(np.float64) * weights[0]
        for prediction, weight in zip(predictions[1:], weights[1:], strict=True):
            mean = mean + prediction.astype(np.float64) * weight
    return mean if calibration is None else calibration.apply(mean)


def choose_weights(
    task: Task, truth: np.ndarray, predictions: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], np.ndarray, dict[str, float]]:
    """Choose the best candidate, or a blend if it wins by more than SIGNIFICANCE_Z standard errors.

    Args:
        task: what is predicted.
        truth: numbers or class codes (rows,).
        predictions: what each candidate predicted of the same rows.

    Returns:
        Weights by name, what they predict together, and the score of each candidate (`Task.metric`, lower is
        better), the blend's among them when there are several.
    """
    scores = {name: score_predictions(task, truth, each) for name, each in predictions.items()}
    best = min(scores, key=lambda name: scores[name])
    if len(predictions) > 1:
        weights = _greedy_weights(task, truth, predictions)
        mean = combine_predictions([predictions[name] for name in weights], list(weights.values()), None)
        scores[BLEND_SCORE] = score_predictions(task, truth, mean)
        gain = _losses(task, truth, predictions[best]) - _losses(task, truth, mean)
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        if len(weights) > 1 and gain.mean() > SIGNIFICANCE_Z * error:
            return weights, mean, scores
    return {best: 1.0}, predictions[best], scores


def _greedy_weights(task: Task, truth: np.ndarray, predictions: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Select models with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models")."""
    rows = np.random.default_rng(0).permutation(len(truth))[:_MAX_ROWS]
    sampled = {name: each[rows].astype(np.float64) for name, each in predictions.items()}
    counts = dict.fromkeys(predictions, 0)
    total = np.zeros_like(next(iter(sampled.values())))
    for step in range(1, _STEPS + 1):
        scores = {name: score_predictions(task, truth[rows], (total + each) / step) for name, each in sampled.items()}
        best = min(scores, key=lambda name: scores[name])
        counts[best] += 1
        total += sampled[best]
    kept = {name: count for name, count in counts.items() if count > 1}
    return {name: count / sum(kept.values()) for name, count in kept.items()}


def score_predictions(task: Task, truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return `Task.metric` of predictions; lower is better."""
    mean = float(_losses(task, truth, predicted).mean())
    return float(np.sqrt(mean)) if task.is_regression else mean


def _losses(task: Task, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the squared error, or the log loss, of each row."""
    if task.is_regression:
        return np.square(predicted.astype(np.float64) - truth)
    probability = predicted[np.arange(len(truth)), truth.astype(np.int64)].astype(np.float64)
    return -np.log(np.clip(probability, np.finfo(np.float32).eps, 1))
