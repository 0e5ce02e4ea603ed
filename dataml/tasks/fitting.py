"""The fit of a training's model: in this process, after a search for hyperparameters, or on several workers."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final

import numpy as np

from dataml.clocks import Deadline
from dataml.jobs.spec import JobContext, TrainSpec, TuningConfig
from dataml.ml.boosters.fitting import FittedModel, library_parameters
from dataml.ml.boosters.native_model import LabeledRows
from dataml.ml.evaluation.evaluate import evaluate
from dataml.ml.training.candidates import Candidate, Candidates
from dataml.ml.training.model_selection import Selection, cross_validate, select
from dataml.ml.training.split import Split
from dataml.tasks.distributed.cluster import is_worth_distributing
from dataml.tasks.training_data import TrainingData

ReportProgress = Callable[[float, str], None]

_TUNING_SHARE: Final = 0.6
"""Share of the progress that the search takes, before the final fit."""
_LOWER_IS_BETTER: Final = frozenset({"log_loss", "brier", "rmse", "mae"})


def fit_model(
    spec: TrainSpec, context: JobContext, candidates: Candidates, data: TrainingData, deadline: Deadline
) -> tuple[Selection, dict[str, Any] | None]:
    """Fit the candidates until the deadline, and select among them.

    Returns:
        The selected model, and the record of a search for hyperparameters if there was one.
    """

    def report_progress(share: float, message: str) -> None:
        context.report_progress(0.1 + 0.7 * share, message)

    # Without a limit of the user the time decides how many candidates there are, not how well the first one is fitted.
    is_strict = spec.time_limit_s is not None
    workers = _worker_count(spec, candidates, data)
    if workers > 1:
        fitted = _fit_distributed(spec, context, candidates, data, workers, report_progress)
        selection = select(
            candidates, data.samples, data.parts, lambda share, message: None, fitted, context.report_score
        )
        return selection, None
    if spec.tuning is None:
        selection = select(
            candidates,
            data.samples,
            data.parts,
            report_progress,
            report_score=context.report_score,
            deadline=deadline,
            is_strict=is_strict,
        )
        return selection, None
    tuned, record = _tune(spec.tuning, context, candidates, data, report_progress)
    selection = select(
        candidates.with_tuned(tuned),
        data.samples,
        data.parts,
        lambda share, message: report_progress(_TUNING_SHARE + (1 - _TUNING_SHARE) * share, message),
        report_score=context.report_score,
        deadline=deadline,
        is_strict=is_strict,
    )
    return selection, record


def _worker_count(spec: TrainSpec, candidates: Candidates, data: TrainingData) -> int:
    """Return several when the spec wants them, or where the matrix is large and the cluster has the CPUs."""
    is_single_fit = not candidates.is_continuation and spec.tuning is None and len(data.parts.folds) == 1
    if not (is_single_fit and _distributable(candidates)):
        return 1
    is_large = data.samples.x.nbytes >= spec.distributed_bytes and is_worth_distributing()
    return max(spec.workers, 2 if is_large else 1)


def _distributable(candidates: Candidates) -> tuple[Candidate, ...]:
    """Return the models for which Ray Train has trainers."""
    return tuple(model for model in candidates.models if model.name in ("XGBoost", "LightGBM"))


def _fit_distributed(
    spec: TrainSpec,
    context: JobContext,
    candidates: Candidates,
    data: TrainingData,
    workers: int,
    report_progress: ReportProgress,
) -> dict[str, list[FittedModel]]:
    """Fit one model of each candidate, by Ray Train."""
    from dataml.tasks.distributed.encoded_rows import EncodedRows, SplitPart
    from dataml.tasks.distributed.fit import fit_distributed

    rows, samples, preprocessing = data.rows, data.samples, data.preprocessing
    (fold,) = data.parts.folds
    part = np.full(rows.total, SplitPart.NONE, np.int8)
    part[rows.places[fold.train]] = SplitPart.TRAIN
    part[rows.places[fold.validation]] = SplitPart.VALIDATION
    y = np.zeros(rows.total, samples.y.dtype)
    y[rows.places] = samples.y
    contract = spec.contract.select(dict.fromkeys(column.source for column in preprocessing.layout))
    encoded = EncodedRows(context.storage, spec.parquet, contract, preprocessing, y, part)
    models: dict[str, list[FittedModel]] = {}
    boosters = _distributable(candidates)
    for number, model in enumerate(boosters):
        algorithm = model.algorithm
        name, folder = context.output(f"checkpoints-{algorithm}")
        store = context.storage.store
        fitted = fit_distributed(
            "XGBoost" if algorithm == "XGBoost" else "LightGBM",
            candidates.task,
            encoded,
            library_parameters(candidates.fit_config(model), len(fold.train), samples.x.shape[1]),
            workers=workers,
            folder=folder,
            shared=store.resolve(name) if store is not None else None,
            seed=spec.seed,
            threads=max(1, spec.threads // workers),
            progress=lambda done, message, before=number: report_progress((before + done) / len(boosters), message),
        )
        context.storage.remove(name)
        models[model.name] = [fitted]
    return models


def _tune(
    tuning: TuningConfig,
    context: JobContext,
    candidates: Candidates,
    data: TrainingData,
    report_progress: ReportProgress,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Search for hyperparameters.

    Returns:
        The best parameters of each algorithm, and the search as JSON: `metric`, `best`, `note`, `trials`.
    """
    from dataml.tasks.tuning.search import search
    from dataml.tasks.tuning.search_space import ALGORITHM, search_space

    metric = tuning.metric or candidates.task.metric
    space = search_space([model.algorithm for model in candidates.models], candidates.hyperparameters)
    _, folder = context.output("tuning")
    result = search(
        partial(
            _score_trial,
            candidates=candidates,
            samples=data.samples,
            parts=data.parts,
            metric=metric,
            positive=data.target.positive,
        ),
        space,
        tuning,
        seed=candidates.seed,
        progress=lambda share, message: report_progress(_TUNING_SHARE * share, message),
        initial=[{ALGORITHM: algorithm} for algorithm in space],
        folder=folder,
        metric=metric,
        format_score=lambda score: f"{_negate_if_higher_is_better(metric, score):.4g}",
    )
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for trial in result.trials:
        algorithm = trial.params[ALGORITHM]
        if trial.score is not None and trial.score < best.get(algorithm, (np.inf, {}))[0]:
            own = {name: value for name, value in trial.params.items() if name != ALGORITHM}
            best[algorithm] = (trial.score, own)
    trials = [
        asdict(trial) | {"score": None if trial.score is None else _negate_if_higher_is_better(metric, trial.score)}
        for trial in result.trials
    ]
    record = {"metric": metric, "best": result.best, "note": result.note, "trials": trials}
    return {algorithm: own for algorithm, (_, own) in best.items()}, record


def _score_trial(
    parameters: dict[str, Any],
    *,
    candidates: Candidates,
    samples: LabeledRows,
    parts: Split,
    metric: str,
    positive: int,
) -> float:
    """Return the score of one set of parameters on the validation rows; lower is better."""
    algorithm = parameters.pop("algorithm")
    one = tuple(replace(model, tuned=parameters) for model in candidates.models if model.algorithm == algorithm)
    validation = cross_validate(replace(candidates, models=one), samples, parts)
    restore = candidates.scaling.restore
    truth, predicted = restore(samples.y[validation.rows]), restore(validation.predictions[algorithm])
    value = evaluate(candidates.task, truth, predicted, positive=positive).metrics[metric]
    return np.inf if value is None else _negate_if_higher_is_better(metric, value)


def _negate_if_higher_is_better(metric: str, value: float) -> float:
    return value if metric in _LOWER_IS_BETTER else -value
