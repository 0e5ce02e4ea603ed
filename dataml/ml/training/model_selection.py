"""Model selection: every candidate is validated on rows that it did not learn from, alone and blended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from dataml.clocks import Deadline
from dataml.ml.boosters.fitting import NEVER, FittedModel, Progress
from dataml.ml.boosters.native_model import LabeledRows
from dataml.ml.boosters.rescaling import can_rescale, rescale
from dataml.ml.leaderboard import CandidateState, ReportScore, ignore_score
from dataml.ml.target_scaling import UNSCALED, TargetScaling
from dataml.ml.training.blending import BLEND_SCORE, MAX_MEMBERS, choose_weights, combine_predictions
from dataml.ml.training.calibration import Calibration, calibrate
from dataml.ml.training.candidates import Candidates
from dataml.ml.training.cross_validation import (
    CrossValidation,
    FitPool,
    cross_validate,
    predict_folds,
    scored_candidate,
)
from dataml.ml.training.split import Split
from dataml.ml.training.time_budget import TimeBudget

_USUAL_MEMBERS: Final = 3
"""The members of a blend for whose fit on all rows time is reserved: more get little weight."""
_MIN_REFIT_SHARE: Final = 0.8
"""The least share of its rounds that a model which is fitted again must have had time for."""


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
        limited: by name a sentence about each candidate that was stopped, cut short or not fitted again.
    """

    members: tuple[Member, ...]
    calibration: Calibration | None
    candidates: dict[str, float]
    validation_rows: np.ndarray
    validation_predictions: np.ndarray
    residuals: np.ndarray | None = None
    scaling: TargetScaling = UNSCALED
    rounds: Mapping[str, int] = field(default_factory=dict)
    limited: Mapping[str, str] = field(default_factory=dict)

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


def select(
    candidates: Candidates,
    samples: LabeledRows,
    split: Split,
    progress: Progress,
    fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    report_score: ReportScore = ignore_score,
    deadline: Deadline = NEVER,
    is_strict: bool = True,
) -> Selection:
    """Validate the candidates, keep the best or, if it validates better, a blend, and calibrate it.

    With several folds the selected candidates are fitted again on all rows but those of the test, for as many rounds
    as the folds took on the average; with one, the model of that fold is kept.

    Args:
        candidates: what to try.
        samples: all rows, those of the test as well, which are not used.
        split: the rows of the test and of each fold.
        progress: called with the share that is done and a message.
        fitted: models that exist already, one a fold for each candidate.
        report_score: called with each candidate, whenever it has come further.
        deadline: when all fits must have ended.
        is_strict: whether that holds for the first candidate too, which is fitted to its end otherwise.
    """
    folds = len(split.folds)
    refits = min(MAX_MEMBERS, len(candidates.models)) if folds > 1 else 0
    pool = FitPool(candidates, samples, progress, len(candidates.models) * folds + refits)
    first = None if is_strict else candidates.models[0].name
    budget = TimeBudget(deadline, folds, pool.workers, min(refits, _USUAL_MEMBERS), first)
    if fitted is None:
        validation = cross_validate(candidates, samples, split, pool, budget, report_score)
    else:
        validation = predict_folds(candidates, samples, split, fitted, report_score)
    truth = samples.y[validation.rows]
    weights, mean, scores = choose_weights(candidates.task, truth, validation.predictions)
    scores = {name: float(candidates.scaling.restore_differences(np.array(score))) for name, score in scores.items()}
    selected = sorted(weights, key=lambda name: -weights[name])
    if BLEND_SCORE in scores:
        report_score(scored_candidate(candidates.task, BLEND_SCORE, scores[BLEND_SCORE]))
    winner = BLEND_SCORE if len(selected) > 1 else selected[0]
    best = scored_candidate(candidates.task, winner, scores[winner], validation.seconds.get(winner))
    report_score(replace(best, state=CandidateState.SELECTED))
    limited = dict(validation.stopped)
    if folds > 1:
        final = _refit(candidates, samples.take(split.development_rows), selected, validation, pool, budget, limited)
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
        limited,
    )
    return selection.fold_scale()


def _refit(
    candidates: Candidates,
    rows: LabeledRows,
    names: Sequence[str],
    validation: CrossValidation,
    pool: FitPool,
    budget: TimeBudget,
    limited: dict[str, str],
) -> dict[str, FittedModel]:
    """Fit the models of these names on all `rows`, for the mean number of rounds of the folds.

    Where no time is left for one, that of the fold with the median number of rounds is kept, and `limited` says so.
    """
    by_name = {model.name: model for model in candidates.models}

    def refit(name: str) -> FittedModel:
        models = validation.fitted[name]
        rounds = max(1, round(np.mean([model.best_iteration for model in models])))
        deadline = budget.refit_deadline(name)
        if deadline is not None:
            config = replace(candidates.fit_config(by_name[name]), deadline=deadline)
            refitted = pool.fit(config, rows, None, rounds)
            if refitted.best_iteration >= _MIN_REFIT_SHARE * rounds or not config.is_late:
                return _keep_offset(refitted, models)
        limited[name] = "kept as it was fitted on one fold, as no time was left to fit it on all rows"
        return sorted(models, key=lambda model: model.best_iteration)[len(models) // 2]

    return dict(zip(names, pool.map(refit, names), strict=True))


def _keep_offset(refitted: FittedModel, folds: Sequence[FittedModel]) -> FittedModel:
    """Return a model of logarithms with the mean offset of the folds: it had no rows to learn one by."""
    offsets = [each.model.log_offset for each in folds if each.model.log_offset is not None]
    if not offsets:
        return refitted
    return replace(refitted, model=replace(refitted.model, log_offset=float(np.mean(offsets))))
