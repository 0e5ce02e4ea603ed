"""Choosing what predicts: every candidate is judged on rows it has not learned from, alone and blended."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from dataml.ml.boosters.fitting import Fit, Fitted, Progress, fit
from dataml.ml.boosters.hyperparameters import available
from dataml.ml.boosters.native import NativeModel, Samples, Task
from dataml.ml.memory import LARGE_BYTES, give_back
from dataml.ml.training.calibration import NOISE, Calibration, calibrate
from dataml.ml.training.split import Fold, Split

_BLEND_STEPS = 20
_BLEND_ROWS = 50_000
_CATBOOST_CLASSES = 100
"""With more classes CatBoost takes minutes for what the others do in seconds."""


@dataclass(frozen=True)
class Candidates:
    """What to try: `algorithms` with `hyperparameters` in our names, and with what a search has found for each in
    `tuned`. `start` are models to continue, by algorithm."""

    task: Task
    algorithms: tuple[str, ...]
    categorical: tuple[int, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    start: Mapping[str, NativeModel] = field(default_factory=dict)
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def how(self, algorithm: str) -> Fit:
        return Fit(
            algorithm,
            self.task,
            self.categorical,
            {**self.tuned.get(algorithm, {}), **self.hyperparameters},
            self.seed,
            self.threads,
            self.start.get(algorithm),
        )


@dataclass(frozen=True)
class Member:
    """One of the models that predict together; weights add up to 1."""

    fitted: Fitted
    weight: float


@dataclass(frozen=True)
class Selection:
    """What predicts: `members`, heaviest first, and the calibration of their mean.

    `candidates` are the validation scores (`Task.metric`, lower is better), "Blend" among them when one was tried.
    `judged` are the row numbers that the choice was made on, `predicted` what the members that had not learned from
    them made of them, before calibration, and `residuals` truth minus that for a regression.
    """

    members: tuple[Member, ...]
    calibration: Calibration | None
    candidates: dict[str, float]
    judged: np.ndarray
    predicted: np.ndarray
    residuals: np.ndarray | None = None

    def predict(self, matrix: np.ndarray, calibrated: bool = True) -> np.ndarray:
        """Numbers (rows,) for a regression, else probabilities (rows, classes)."""
        scores = [member.fitted.predict(matrix) for member in self.members]
        return combined(scores, [m.weight for m in self.members], self.calibration if calibrated else None)


def combined(scores: Sequence[np.ndarray], weights: Sequence[float], calibration: Calibration | None) -> np.ndarray:
    """The weighted mean of the members' predictions, calibrated."""
    mean = scores[0]
    if len(scores) > 1:
        mean = mean.astype(np.float64) * weights[0]
        for score, weight in zip(scores[1:], weights[1:], strict=True):
            mean = mean + score.astype(np.float64) * weight
    return mean if calibration is None else calibration.apply(mean)


def algorithms_for(algorithm: str, task: Task) -> tuple[str, ...]:
    """What `auto`, or one name, stands for."""
    found = tuple(each for each in available() if algorithm in ("auto", each))
    if algorithm == "auto" and task.classes > _CATBOOST_CLASSES:
        found = tuple(each for each in found if each != "CatBoost")
    return found


@dataclass(frozen=True)
class Judged:
    """What models of each algorithm, one a fold, made of rows they had not learned from: the row numbers `rows`."""

    rows: np.ndarray
    fitted: Mapping[str, Sequence[Fitted]]
    predicted: dict[str, np.ndarray]


def judge(
    candidates: Candidates,
    samples: Samples,
    split: Split,
    tracker: "_Tracker | None" = None,
    fitted: Mapping[str, Sequence[Fitted]] | None = None,
) -> Judged:
    """Fit every candidate on every fold, unless they are `fitted`, and predict the rows that judge them."""
    folds = len(split.folds)
    if fitted is None:
        runs = [(name, fold) for name in candidates.algorithms for fold in split.folds]
        tracker = tracker or _Tracker(lambda share, phrase: None, len(runs))
        fits = _run(candidates, samples, tracker, [_of_fold(candidates, samples, name, fold) for name, fold in runs])
        fitted = {name: fits[i * folds : (i + 1) * folds] for i, name in enumerate(candidates.algorithms)}
    predicted = {
        name: np.concatenate(
            [f.predict(samples.take(fold.validation).x) for f, fold in zip(each, split.folds, strict=True)]
        )
        for name, each in fitted.items()
    }
    return Judged(np.concatenate([fold.validation for fold in split.folds]), fitted, predicted)


def select(
    candidates: Candidates,
    samples: Samples,
    split: Split,
    progress: Progress,
    fitted: Mapping[str, Sequence[Fitted]] | None = None,
) -> Selection:
    """Judge every candidate, keep the best or, if it wins by more than noise, a blend, and calibrate it.

    With several folds what was chosen is fitted again on all rows but those of the test, for as many rounds as the
    folds took on the average; with one, the model of that fold is kept. `samples` are all rows, those of the test as
    well, which are not looked at. `fitted` are models that are there already, one a fold for each algorithm.
    """
    folds = len(split.folds)
    tracker = _Tracker(progress, len(candidates.algorithms) * (folds + (folds > 1)))
    judged = judge(candidates, samples, split, tracker, fitted)
    truth = samples.y[judged.rows]
    weights, mean, scores = _weighed(candidates.task, truth, judged.predicted)
    chosen = sorted(weights, key=lambda name: -weights[name])
    if folds > 1:
        rest = samples.take(split.rest)
        rounds = {name: max(1, round(np.mean([f.best_iteration for f in judged.fitted[name]]))) for name in chosen}
        again = [_of_rows(candidates, rest, name, rounds[name]) for name in chosen]
        final = dict(zip(chosen, _run(candidates, rest, tracker, again), strict=True))
    else:
        final = {name: judged.fitted[name][0] for name in chosen}
    progress(1.0, "Chosen")
    is_regression = candidates.task.is_regression
    calibration = None if is_regression else calibrate(mean, truth.astype(np.int64), candidates.seed)
    members = tuple(Member(final[name], weights[name]) for name in chosen)
    return Selection(members, calibration, scores, judged.rows, mean, truth - mean if is_regression else None)


class _Tracker:
    """How far many fits are that run at a time."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress = progress
        self._shares = [0.0] * count
        self._next = 0
        self._lock = Lock()

    def one(self) -> Progress:
        with self._lock:
            number = self._next
            self._next += 1

        def tell(share: float, phrase: str) -> None:
            with self._lock:
                self._shares[number] = max(share, self._shares[number])
                self._progress(sum(self._shares) / len(self._shares), phrase)

        return tell


def _of_fold(candidates: Candidates, samples: Samples, name: str, fold: Fold) -> Callable[[Progress], Fitted]:
    def run(tell: Progress) -> Fitted:
        how = replace(candidates.how(name), progress=tell)
        return fit(how, samples.take(fold.train), samples.take(fold.validation))

    return run


def _of_rows(candidates: Candidates, rows: Samples, name: str, rounds: int) -> Callable[[Progress], Fitted]:
    return lambda tell: fit(replace(candidates.how(name), progress=tell), rows, None, rounds)


def _run(
    candidates: Candidates, samples: Samples, tracker: _Tracker, fits: list[Callable[[Progress], Fitted]]
) -> list[Fitted]:
    """As many at a time as there are threads that one fit has no use for."""
    each = candidates.how(candidates.algorithms[0]).threads_for(samples)

    def run(one: Callable[[Progress], Fitted]) -> Fitted:
        tell = tracker.one()
        fitted = one(tell)
        if samples.x.nbytes >= LARGE_BYTES:
            give_back()
        tell(1.0, f"Fitted {fitted.algorithm}, {fitted.best_iteration:,} rounds")
        return fitted

    with ThreadPoolExecutor(max(1, candidates.threads // each)) as pool:
        return list(pool.map(run, fits))


def _weighed(
    task: Task, truth: np.ndarray, predicted: dict[str, np.ndarray]
) -> tuple[dict[str, float], np.ndarray, dict[str, float]]:
    """The weights, what they predict, and the scores, the blend's among them."""
    scores = {name: _score(task, truth, each) for name, each in predicted.items()}
    best = min(scores, key=lambda name: scores[name])
    if len(predicted) > 1:
        weights = _blended(task, truth, predicted)
        mean = combined([predicted[name] for name in weights], list(weights.values()), None)
        scores["Blend"] = _score(task, truth, mean)
        gained = _losses(task, truth, predicted[best]) - _losses(task, truth, mean)
        error = gained.std(ddof=1) / np.sqrt(len(gained))
        if len(weights) > 1 and gained.mean() > NOISE * error:
            return weights, mean, scores
    return {best: 1.0}, predicted[best], scores


def _blended(task: Task, truth: np.ndarray, predicted: dict[str, np.ndarray]) -> dict[str, float]:
    """Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models")."""
    rows = np.random.default_rng(0).permutation(len(truth))[:_BLEND_ROWS]
    sampled = {name: each[rows].astype(np.float64) for name, each in predicted.items()}
    counts = dict.fromkeys(predicted, 0)
    total = np.zeros_like(next(iter(sampled.values())))
    for step in range(1, _BLEND_STEPS + 1):
        scores = {name: _score(task, truth[rows], (total + each) / step) for name, each in sampled.items()}
        best = min(scores, key=lambda name: scores[name])
        counts[best] += 1
        total += sampled[best]
    kept = {name: count for name, count in counts.items() if count > 1}
    return {name: count / sum(kept.values()) for name, count in kept.items()}


def _score(task: Task, truth: np.ndarray, predicted: np.ndarray) -> float:
    mean = float(_losses(task, truth, predicted).mean())
    return float(np.sqrt(mean)) if task.is_regression else mean


def _losses(task: Task, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Of each row: the squared error, or the log loss."""
    if task.is_regression:
        return np.square(predicted.astype(np.float64) - truth)
    given = predicted[np.arange(len(truth)), truth.astype(np.int64)].astype(np.float64)
    return -np.log(np.clip(given, np.finfo(np.float32).eps, 1))
