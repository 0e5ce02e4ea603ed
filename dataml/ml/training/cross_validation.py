"""Cross-validation: the candidates predict rows that they did not learn from, within a budget of time."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, TypeVar

import numpy as np

from dataml.ml.boosters.fitting import NEVER, FitConfig, FittedModel, Progress, fit
from dataml.ml.boosters.hyperparameters import load_library
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.json_numbers import finite_or_none
from dataml.ml.leaderboard import CandidateScore, CandidateState, ReportScore, ignore_score
from dataml.ml.memory import LARGE_BYTES, release_memory
from dataml.ml.training.blending import can_gain, score_predictions
from dataml.ml.training.candidates import Candidate, Candidates
from dataml.ml.training.split import Fold, Split
from dataml.ml.training.time_budget import TimeBudget

_MIN_RACE_FOLDS: Final = 3
"""Folds below which the first one saves too little to stop a candidate after it."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions.

    Attributes:
        rows: the row numbers of all validation parts, one fold after the other.
        fitted: by name each candidate's models, one a fold.
        predictions: what they predict of the rows of their own fold, in the order of `rows`.
        stopped: by name a sentence about each candidate that was left out, stopped or cut short.
        seconds: by name how long the fits of each candidate took here, added up.
    """

    rows: np.ndarray
    fitted: Mapping[str, Sequence[FittedModel]]
    predictions: dict[str, np.ndarray]
    stopped: dict[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


class FitPool:
    """Runs as many fits at a time as there are threads that one fit has no use for, and reports their progress."""

    def __init__(self, candidates: Candidates, samples: LabeledRows, progress: Progress, fits: int) -> None:
        """Keep what all fits have in common; `fits` is how many there will be."""
        threads_per_fit = candidates.fit_config(candidates.models[0]).threads_for(samples)
        self.workers = max(1, candidates.threads // threads_per_fit)
        self._tracker = _ProgressTracker(progress, fits)
        self._is_large = samples.x.nbytes >= LARGE_BYTES

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Return what the function makes of each item, in their order."""
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(function, items))

    def fit(
        self,
        config: FitConfig,
        train: LabeledRows,
        validation: LabeledRows | None,
        rounds: int | None = None,
        on_fitted: Callable[[FittedModel], str | None] = lambda fitted: None,
    ) -> FittedModel:
        """Fit one model; `on_fitted` may return a message for the progress."""
        report = self._tracker.next_fit()
        fitted = fit(replace(config, progress=report), train, validation, rounds)
        if self._is_large:
            release_memory()
        unit = "steps" if fitted.algorithm == "Linear" else "rounds"
        report(1.0, f"Fitted {fitted.algorithm}, {fitted.best_iteration:,} {unit}")
        if message := on_fitted(fitted):
            report(1.0, message)
        return fitted

    def skip(self, count: int, message: str) -> None:
        """Report fits that will not be made."""
        for _ in range(count):
            self._tracker.next_fit()(1.0, message)


def cross_validate(
    candidates: Candidates,
    samples: LabeledRows,
    split: Split,
    pool: FitPool | None = None,
    budget: TimeBudget | None = None,
    report_score: ReportScore = ignore_score,
) -> CrossValidation:
    """Fit the candidates on every fold and predict the rows that validate them.

    They go in groups: the first fold of each candidate of a group, and then the other folds of those that can still
    improve a blend with the best one, and end in time. The first candidate is always fitted on all folds. The score of
    a candidate is reported as soon as all its folds have been fitted.
    """
    folds = len(split.folds)
    pool = pool or FitPool(candidates, samples, lambda share, message: None, len(candidates.models) * folds)
    budget = budget or TimeBudget(NEVER, folds, pool.workers, 0)
    for name in candidates.names:
        report_score(CandidateScore(name, candidates.task.metric))
    run = _Run(candidates, samples, split, pool, budget, report_score)
    for group in candidates.groups():
        run.validate(group)
    return run.result()


def predict_folds(
    candidates: Candidates,
    samples: LabeledRows,
    split: Split,
    fitted: Mapping[str, Sequence[FittedModel]],
    report_score: ReportScore = ignore_score,
) -> CrossValidation:
    """Return the out-of-fold predictions of models that exist already, one a fold for each name."""
    predictions = _FoldPredictions(candidates, samples, split, report_score)
    for name, models in fitted.items():
        for fold, model in enumerate(models):
            predictions.add(name, fold, model)
    return CrossValidation(predictions.rows, fitted, {name: predictions.of(name) for name in fitted})


def scored_candidate(task: Task, name: str, error: float, seconds: float | None = None) -> CandidateScore:
    """Return the line of the leaderboard of a candidate that has been validated."""
    return CandidateScore(name, task.metric, finite_or_none(error), seconds, CandidateState.SCORED)


class _Run:
    """A cross-validation under way."""

    def __init__(
        self,
        candidates: Candidates,
        samples: LabeledRows,
        split: Split,
        pool: FitPool,
        budget: TimeBudget,
        report_score: ReportScore,
    ) -> None:
        self._candidates = candidates
        self._samples = samples
        self._folds = split.folds
        self._pool = pool
        self._budget = budget
        self._report_score = report_score
        self._predictions = _FoldPredictions(candidates, samples, split, report_score)
        self._models: dict[str, dict[int, FittedModel]] = {name: {} for name in candidates.names}
        self._stopped: dict[str, str] = {}
        self._cut: set[str] = set()

    def validate(self, group: Sequence[Candidate]) -> None:
        """Fit the candidates of a group on the first fold, and those that stay in the race on the others."""
        self._pool.map(lambda model: self._fit_fold(model, 0), group)
        self._stop_losers([model for model in group if self._models[model.name]])
        rest = [(model, fold) for model in group for fold in range(1, len(self._folds))]
        self._pool.map(lambda each: self._fit_fold(*each), rest)

    def result(self) -> CrossValidation:
        """Return the predictions of the candidates that have been fitted on every fold."""
        count = len(self._folds)
        whole = {
            name: [fitted[fold] for fold in range(count)]
            for name, fitted in self._models.items()
            if len(fitted) == count
        }
        for name in self._cut & whole.keys():
            self._stopped[name] = "cut short, as no more time was left"
        predictions = {name: self._predictions.of(name) for name in whole}
        return CrossValidation(self._predictions.rows, whole, predictions, self._stopped, self._predictions.seconds)

    def _fit_fold(self, model: Candidate, number: int) -> None:
        """Fit a candidate on a fold, unless it has been stopped or there is no time for its other folds."""
        folds_left = len(self._folds) - number
        is_first = model is self._candidates.models[0]
        if model.name not in self._stopped and not (
            is_first or number > 1 or self._budget.is_enough(model.name, model.algorithm, folds_left)
        ):
            after = "left out" if number == 0 else f"stopped after one of {len(self._folds)} folds"
            self._stop(model, f"{after}, as no more time was left")
        if model.name in self._stopped:
            self._pool.skip(1, f"{model.name} was {self._stopped[model.name]}")
            return
        load_library(model.algorithm)
        fold = self._folds[number]
        deadline = self._budget.fit_deadline(model.name, folds_left)
        config = replace(self._candidates.fit_config(model), deadline=deadline)
        self._report_score(CandidateScore(model.name, self._candidates.task.metric, state=CandidateState.FITTING))
        started = time.perf_counter()
        train, validation = self._samples.take(fold.train), self._samples.take(fold.validation)

        def add(fitted: FittedModel) -> str | None:
            seconds = time.perf_counter() - started
            self._budget.record(model.name, model.algorithm, seconds, folds_left - 1)
            self._models[model.name][number] = fitted
            if config.is_late:
                self._cut.add(model.name)
            return self._predictions.add(model.name, number, fitted, seconds)

        self._pool.fit(config, train, validation, on_fitted=add)

    def _stop_losers(self, models: Sequence[Candidate]) -> None:
        """Stop the candidates whose first fold shows that no blend with the best one would give them weight."""
        if len(self._folds) < _MIN_RACE_FOLDS:
            return
        task = self._candidates.task
        truth = self._samples.y[self._folds[0].validation]
        first = {name: self._predictions.first(name) for name, fitted in self._models.items() if fitted}
        best = min(first, key=lambda name: score_predictions(task, truth, first[name]))
        for model in models:
            if model is self._candidates.models[0] or can_gain(task, truth, first[best], first[model.name]):
                continue
            self._stop(model, f"stopped after one of {len(self._folds)} folds, as no blend would give it weight")

    def _stop(self, model: Candidate, sentence: str) -> None:
        self._stopped[model.name] = sentence
        self._report_score(CandidateScore(model.name, self._candidates.task.metric, state=CandidateState.STOPPED))
        self._budget.drop(model.name)


class _FoldPredictions:
    """What the models of the folds predict of the rows that validate them; filled by several threads."""

    def __init__(self, candidates: Candidates, samples: LabeledRows, split: Split, report_score: ReportScore) -> None:
        self.seconds: dict[str, float] = {}
        self._report_score = report_score
        self.rows = np.concatenate([fold.validation for fold in split.folds])
        self._candidates = candidates
        self._samples = samples
        self._folds: tuple[Fold, ...] = split.folds
        self._parts: dict[str, dict[int, np.ndarray]] = {}
        self._lock = Lock()

    def add(self, name: str, fold: int, model: FittedModel, seconds: float | None = None) -> str | None:
        """Predict the rows of a fold; return the score of the candidate as a message, once it has all its folds."""
        predicted = model.predict(self._samples.take(self._folds[fold].validation).x)
        with self._lock:
            parts = self._parts.setdefault(name, {})
            parts[fold] = predicted
            if seconds is not None:
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            is_whole = len(parts) == len(self._folds)
        if not is_whole:
            return None
        task = self._candidates.task
        score = np.array(score_predictions(task, self._samples.y[self.rows], self.of(name)))
        error = float(self._candidates.scaling.restore_differences(score))
        self._report_score(scored_candidate(task, name, error, self.seconds.get(name)))
        return f"{name} has a {task.metric.replace('_', ' ')} of {error:.4g} in the validation"

    def first(self, name: str) -> np.ndarray:
        """Return the predictions of a candidate for the rows of the first fold."""
        return self._parts[name][0]

    def of(self, name: str) -> np.ndarray:
        """Return the predictions of a candidate, in the order of `rows`."""
        return np.concatenate([self._parts[name][fold] for fold in range(len(self._folds))])


class _ProgressTracker:
    """The overall progress of many fits that run at a time."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress = progress
        self._shares = [0.0] * count
        self._next = 0
        self._lock = Lock()

    def next_fit(self) -> Progress:
        """Return the progress callback of one more fit."""
        with self._lock:
            number = self._next
            self._next += 1

        def report(share: float, message: str) -> None:
            with self._lock:
                self._shares[number] = max(share, self._shares[number])
                self._progress(sum(self._shares) / len(self._shares), message)

        return report
