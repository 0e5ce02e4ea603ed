"""Model selection: every candidate is validated on rows that it did not learn from, alone and blended."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from time import perf_counter

import numpy as np

from dataml.ml.boosters.fitting import FittedModel, Progress, fit
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.boosters.rescaling import can_rescale, rescale
from dataml.ml.json_numbers import finite_or_none
from dataml.ml.leaderboard import CandidateScore, CandidateState, ReportScore, ignore_score
from dataml.ml.memory import LARGE_BYTES, release_memory
from dataml.ml.target_scaling import UNSCALED, TargetScaling
from dataml.ml.training.blending import BLEND_SCORE, choose_weights, combine_predictions, score_predictions
from dataml.ml.training.calibration import Calibration, calibrate
from dataml.ml.training.candidates import Candidate, Candidates
from dataml.ml.training.split import Fold, Split

_FitTask = Callable[[Progress], FittedModel]


@dataclass(frozen=True)
class Member:
    """One of the models that predict together; the weights of all add up to 1. `name` is that of the candidate."""

    name: str
    fitted: FittedModel
    weight: float


@dataclass(frozen=True)
class Selection:
    """The models that were selected to predict together; all numbers are in the target's own unit.

    Attributes:
        members: the models, heaviest first.
        calibration: that of their mean.
        candidates: validation scores by name (`Task.metric`, lower is better), with "Blend" when one was tried.
        validation_rows: numbers of the rows that the choice was made on.
        validation_predictions: out-of-fold predictions of these rows, before calibration.
        residuals: truth minus these predictions, for a regression.
        scaling: that of the target which the members predict. It has no scale where the members' leaves could take it.
        rounds: the most rounds that a fit of each candidate took on a fold.
    """

    members: tuple[Member, ...]
    calibration: Calibration | None
    candidates: dict[str, float]
    validation_rows: np.ndarray
    validation_predictions: np.ndarray
    residuals: np.ndarray | None = None
    scaling: TargetScaling = UNSCALED
    rounds: Mapping[str, int] = field(default_factory=dict)

    def predict(self, matrix: np.ndarray, calibrated: bool = True) -> np.ndarray:
        """Return numbers (rows,) for a regression, else probabilities (rows, classes)."""
        predictions = [member.fitted.predict(matrix) for member in self.members]
        weights = [member.weight for member in self.members]
        combined = combine_predictions(predictions, weights, self.calibration if calibrated else None)
        return self.scaling.restore(combined)

    def fold_scale(self) -> "Selection":
        """Return the selection with the scale in the leaves of the members, where float32 holds them.

        They predict the same, and their files are in the target's own unit. A shift would take the digits of their
        float32 predictions.
        """
        scale = self.scaling.scale
        if scale == 1.0 or not can_rescale(scale):
            return self
        members = tuple(
            replace(each, fitted=replace(each.fitted, model=rescale(each.fitted.model, scale))) for each in self.members
        )
        return replace(self, members=members, scaling=replace(self.scaling, scale=1.0))


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions.

    `rows` are the row numbers of all validation parts, one fold after the other. `fitted` has each candidate's models,
    one a fold, and `predictions` what they predict of the rows of their own fold, in the order of `rows`. `seconds` is
    how long the fits of each candidate took here, added up.
    """

    rows: np.ndarray
    fitted: Mapping[str, Sequence[FittedModel]]
    predictions: dict[str, np.ndarray]
    seconds: Mapping[str, float] = field(default_factory=dict)


def cross_validate(
    candidates: Candidates,
    samples: LabeledRows,
    split: Split,
    tracker: "_ProgressTracker | None" = None,
    fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    report_score: ReportScore = ignore_score,
) -> CrossValidation:
    """Fit every candidate on every fold, unless they are `fitted`, and predict the rows that validate them.

    The score of a candidate is reported as soon as all its folds have been fitted.
    """
    folds = len(split.folds)
    predictions = _FoldPredictions(candidates, samples, split, report_score)
    if fitted is None:
        runs = [(model, fold) for model in candidates.models for fold in range(folds)]
        tracker = tracker or _ProgressTracker(lambda share, message: None, len(runs))
        tasks = [_fold_task(candidates, samples, model, split.folds[fold], report_score) for model, fold in runs]
        for name in candidates.names:
            report_score(CandidateScore(name, candidates.task.metric))

        def add(run: int, model: FittedModel, seconds: float) -> str | None:
            candidate, fold = runs[run]
            return predictions.add(candidate.name, fold, model, seconds)

        models = _run(candidates, samples, tracker, tasks, add)
        fitted = {name: models[i * folds : (i + 1) * folds] for i, name in enumerate(candidates.names)}
    else:
        for name, models_of_folds in fitted.items():
            for fold, model in enumerate(models_of_folds):
                predictions.add(name, fold, model)
    of_candidates = {name: predictions.of(name) for name in fitted}
    return CrossValidation(predictions.rows, fitted, of_candidates, predictions.seconds)


class _FoldPredictions:
    """What the models of the folds predict of the rows that validate them; filled by several threads."""

    def __init__(self, candidates: Candidates, samples: LabeledRows, split: Split, report_score: ReportScore) -> None:
        self.rows = np.concatenate([fold.validation for fold in split.folds])
        self.seconds: dict[str, float] = {}
        self._candidates = candidates
        self._samples = samples
        self._folds = split.folds
        self._report_score = report_score
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
        self._report_score(_scored(task, name, error, self.seconds.get(name)))
        return f"{name} has a {task.metric.replace('_', ' ')} of {error:.4g} in the validation"

    def of(self, name: str) -> np.ndarray:
        """Return the predictions of a candidate, in the order of `rows`."""
        return np.concatenate([self._parts[name][fold] for fold in range(len(self._folds))])


def select(
    candidates: Candidates,
    samples: LabeledRows,
    split: Split,
    progress: Progress,
    fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    report_score: ReportScore = ignore_score,
) -> Selection:
    """Validate every candidate, keep the best or, if it wins by more than noise, a blend, and calibrate it.

    With several folds the selected candidates are fitted again on all rows but those of the test, for as many rounds
    as the folds took on the average; with one, the model of that fold is kept.

    Args:
        candidates: what to try.
        samples: all rows, those of the test as well, which are not used.
        split: the rows of the test and of each fold.
        progress: called with the share that is done and a message.
        fitted: models that exist already, one a fold for each candidate.
        report_score: called with each candidate, whenever it has come further.
    """
    folds = len(split.folds)
    tracker = _ProgressTracker(progress, len(candidates.models) * (folds + (folds > 1)))
    validation = cross_validate(candidates, samples, split, tracker, fitted, report_score)
    truth = samples.y[validation.rows]
    weights, mean, scores = choose_weights(candidates.task, truth, validation.predictions)
    scores = {name: float(candidates.scaling.restore_differences(np.array(score))) for name, score in scores.items()}
    selected = sorted(weights, key=lambda name: -weights[name])
    if BLEND_SCORE in scores:
        report_score(_scored(candidates.task, BLEND_SCORE, scores[BLEND_SCORE]))
    winner = BLEND_SCORE if len(selected) > 1 else selected[0]
    best = _scored(candidates.task, winner, scores[winner], validation.seconds.get(winner))
    report_score(replace(best, state=CandidateState.SELECTED))
    if folds > 1:
        final = _refit(candidates, samples.take(split.development_rows), selected, validation, tracker)
    else:
        final = {name: validation.fitted[name][0] for name in selected}
    errors = ", ".join(f"{name} {score:.4g}" for name, score in scores.items())
    progress(1.0, f"Selected {' and '.join(selected)} by the error in the validation: {errors}")
    is_regression = candidates.task.is_regression
    calibration = None if is_regression else calibrate(mean, truth.astype(np.int64), candidates.seed)
    members = tuple(Member(name, final[name], weights[name]) for name in selected)
    scaling = candidates.scaling
    selection = Selection(
        members,
        calibration,
        scores,
        validation.rows,
        scaling.restore(mean),
        scaling.restore_differences(truth - mean) if is_regression else None,
        scaling,
        {name: max(each.best_iteration for each in models) for name, models in validation.fitted.items()},
    )
    return selection.fold_scale()


def _scored(task: Task, name: str, error: float, seconds: float | None = None) -> CandidateScore:
    return CandidateScore(name, task.metric, finite_or_none(error), seconds, CandidateState.SCORED)


def _refit(
    candidates: Candidates,
    rows: LabeledRows,
    names: Sequence[str],
    validation: CrossValidation,
    tracker: "_ProgressTracker",
) -> dict[str, FittedModel]:
    """Fit the models of these names on all `rows`, for the mean number of rounds of the folds."""
    rounds = {
        name: max(1, round(np.mean([model.best_iteration for model in validation.fitted[name]]))) for name in names
    }
    by_name = {model.name: model for model in candidates.models}
    tasks = [_refit_task(candidates, rows, by_name[name], rounds[name]) for name in names]
    return dict(zip(names, _run(candidates, rows, tracker, tasks), strict=True))


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


def _fold_task(
    candidates: Candidates, samples: LabeledRows, model: Candidate, fold: Fold, report_score: ReportScore
) -> _FitTask:
    def run(progress: Progress) -> FittedModel:
        report_score(CandidateScore(model.name, candidates.task.metric, state=CandidateState.FITTING))
        config = replace(candidates.fit_config(model), progress=progress)
        return fit(config, samples.take(fold.train), samples.take(fold.validation))

    return run


def _refit_task(candidates: Candidates, rows: LabeledRows, model: Candidate, rounds: int) -> _FitTask:
    return lambda progress: fit(replace(candidates.fit_config(model), progress=progress), rows, None, rounds)


def _run(
    candidates: Candidates,
    samples: LabeledRows,
    tracker: _ProgressTracker,
    tasks: list[_FitTask],
    on_fitted: Callable[[int, FittedModel, float], str | None] = lambda number, fitted, seconds: None,
) -> list[FittedModel]:
    """Run as many fits at a time as there are threads that one fit has no use for.

    `on_fitted` gets the number of each task, what it has fitted and in how many seconds, and may return a message for
    the progress.
    """
    threads_per_fit = candidates.fit_config(candidates.models[0]).threads_for(samples)

    def run(number: int, task: _FitTask) -> FittedModel:
        report = tracker.next_fit()
        began = perf_counter()
        fitted = task(report)
        seconds = perf_counter() - began
        if samples.x.nbytes >= LARGE_BYTES:
            release_memory()
        unit = "steps" if fitted.algorithm == "Linear" else "rounds"
        report(1.0, f"Fitted {fitted.algorithm}, {fitted.best_iteration:,} {unit}")
        if message := on_fitted(number, fitted, seconds):
            report(1.0, message)
        return fitted

    with ThreadPoolExecutor(max(1, candidates.threads // threads_per_fit)) as pool:
        return list(pool.map(run, range(len(tasks)), tasks))
