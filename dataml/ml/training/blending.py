"""Blends: weighted means of several models' predictions, and how their weights are chosen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from dataml.ml.boosters.native_model import Task
from dataml.ml.training.calibration import SIGNIFICANCE_Z, Calibration

BLEND_SCORE: Final = "Blend"
"""The name of a blend's score among those of the candidates."""
MAX_MEMBERS: Final = 6
"""The most members of a blend: each takes its time in every prediction."""
_MIN_WEIGHT: Final = 0.04
_STEPS: Final = 20
_BAGS: Final = 10
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
    """Choose the best candidate, or a blend where that is better on rows which it was not chosen by.

    The blend is bagged ensemble selection (Caruana et al. 2004, "Ensemble selection from libraries of models"): the
    mean of the weights that are greedily selected on ten random halves of the rows. It is kept when the weights of
    each half of the rows are better on the other half than the best candidate of that half.

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
        random = np.random.default_rng(0)
        rows = random.permutation(len(truth))[:_MAX_ROWS]
        sample = truth[rows], {name: each[rows].astype(np.float64) for name, each in predictions.items()}
        weights = _bagged_weights(task, *sample, random)
        mean = combine_predictions([predictions[name] for name in weights], list(weights.values()), None)
        scores[BLEND_SCORE] = score_predictions(task, truth, mean)
        if len(weights) > 1 and scores[BLEND_SCORE] < scores[best] and _is_better_held_out(task, *sample):
            return weights, mean, scores
    return {best: 1.0}, predictions[best], scores


def can_gain(task: Task, truth: np.ndarray, best: np.ndarray, other: np.ndarray) -> bool:
    """Return whether a blend of two candidates may be better than the best one alone.

    The loss of a blend is convex in the weight of the other one. Where it surely rises at weight 0 (its slope is above
    0 by more than SIGNIFICANCE_Z standard errors), no weight lowers it.

    Args:
        task: what is predicted.
        truth: numbers or class codes (rows,).
        best: predictions of the best candidate.
        other: predictions of the other one, of the same rows.
    """
    if task.is_regression:
        slopes = 2 * (best.astype(np.float64) - truth) * (other.astype(np.float64) - best)
    else:
        positions = np.arange(len(truth)), truth.astype(np.int64)
        before = np.clip(best[positions].astype(np.float64), np.finfo(np.float32).eps, 1)
        slopes = 1 - other[positions] / before
    return bool(slopes.mean() <= SIGNIFICANCE_Z * slopes.std() / np.sqrt(len(slopes)))


def _bagged_weights(
    task: Task, truth: np.ndarray, predictions: Mapping[str, np.ndarray], random: np.random.Generator
) -> dict[str, float]:
    """Return the mean of the weights of random halves, without the lightest members."""
    sums: Counter[str] = Counter()
    for _ in range(_BAGS):
        rows = random.permutation(len(truth))[: max(2, len(truth) // 2)]
        sums.update(_greedy_weights(task, truth[rows], {name: each[rows] for name, each in predictions.items()}))
    heaviest = [(name, weight / _BAGS) for name, weight in sums.most_common(MAX_MEMBERS)]
    kept = {name: weight for name, weight in heaviest if weight >= _MIN_WEIGHT} or dict(heaviest[:1])
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}


def _is_better_held_out(task: Task, truth: np.ndarray, predictions: Mapping[str, np.ndarray]) -> bool:
    """Return whether weights of each half of the rows are better than its best candidate on the other half."""
    gain, middle = 0.0, len(truth) // 2
    for learned, held_out in ((slice(middle), slice(middle, None)), (slice(middle, None), slice(middle))):
        halves = {name: each[learned] for name, each in predictions.items()}
        best = min(halves, key=lambda name: score_predictions(task, truth[learned], halves[name]))
        weights = _greedy_weights(task, truth[learned], halves)
        mean = combine_predictions([predictions[name][held_out] for name in weights], list(weights.values()), None)
        gain += float(
            (_losses(task, truth[held_out], predictions[best][held_out]) - _losses(task, truth[held_out], mean)).sum()
        )
    return gain > 0


def _greedy_weights(task: Task, truth: np.ndarray, predictions: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Select models with replacement, and stop at the step with the best score."""
    counts: Counter[str] = Counter()
    best: tuple[float, dict[str, int]] = (np.inf, {})
    total = np.zeros_like(next(iter(predictions.values())))
    for step in range(1, _STEPS + 1):
        scores = {name: score_predictions(task, truth, (total + each) / step) for name, each in predictions.items()}
        chosen = min(scores, key=lambda name: scores[name])
        counts[chosen] += 1
        total = total + predictions[chosen]
        if scores[chosen] < best[0]:
            best = scores[chosen], dict(counts)
    return {name: count / sum(best[1].values()) for name, count in best[1].items()}


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
