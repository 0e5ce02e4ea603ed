"""How a training comes to its model: here, after a search for hyperparameters, or on several workers."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from dataml.jobs.spec import JobContext, TrainSpec, TuningConfig
from dataml.ml.boosters.fitting import Fitted, parameters
from dataml.ml.boosters.native import Samples
from dataml.ml.evaluation.evaluation import evaluate
from dataml.ml.features import Preprocessing
from dataml.ml.training.selection import Candidates, Selection, judge, select
from dataml.ml.training.split import Split
from dataml.tasks.distributed.validation import is_worth_distributing
from dataml.tasks.parquet_rows import ParquetRows

_TUNED_SHARE = 0.6
_LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})


def fitted_model(
    spec: TrainSpec,
    context: JobContext,
    candidates: Candidates,
    samples: Samples,
    parts: Split,
    preprocessing: Preprocessing,
    rows: ParquetRows,
) -> tuple[Selection, dict[str, Any] | None]:
    """What predicts, and what a search has found on the way.

    `rows` are those of `samples`, in the Parquet file.
    """

    def told(share: float, message: str) -> None:
        context.report_progress(0.1 + 0.7 * share, message)

    workers = _workers(spec, candidates, samples, parts)
    if workers > 1:
        fitted = _by_workers(spec, context, candidates, samples, parts, preprocessing, rows, workers, told)
        return select(candidates, samples, parts, lambda share, message: None, fitted=fitted), None
    if spec.tuning is None:
        return select(candidates, samples, parts, told), None
    tuned, record = _searched(spec.tuning, context, candidates, samples, parts, told)
    selection = select(
        replace(candidates, tuned=tuned),
        samples,
        parts,
        lambda share, message: told(_TUNED_SHARE + (1 - _TUNED_SHARE) * share, message),
    )
    return selection, record


def _workers(spec: TrainSpec, candidates: Candidates, samples: Samples, parts: Split) -> int:
    """Several when they are asked for, and where the matrix is large and the cluster has CPUs for it."""
    can = not candidates.start and spec.tuning is None and len(parts.folds) == 1 and _spread(candidates)
    is_large = samples.x.nbytes >= spec.distributed_bytes and is_worth_distributing()
    return max(spec.workers, 2 if is_large else 1) if can else 1


def _spread(candidates: Candidates) -> tuple[str, ...]:
    """Ray Train has trainers for these only."""
    return tuple(name for name in candidates.algorithms if name in ("XGBoost", "LightGBM"))


def _by_workers(
    spec: TrainSpec,
    context: JobContext,
    candidates: Candidates,
    samples: Samples,
    parts: Split,
    preprocessing: Preprocessing,
    rows: ParquetRows,
    workers: int,
    told: Callable[[float, str], None],
) -> dict[str, list[Fitted]]:
    """One model an algorithm, by Ray Train."""
    from dataml.tasks.distributed.encoded_rows import EncodedRows, Part
    from dataml.tasks.distributed.fit import fit_distributed

    (fold,) = parts.folds
    part = np.full(rows.total, Part.NONE, np.int8)
    part[rows.places[fold.train]], part[rows.places[fold.validation]] = Part.TRAIN, Part.VALIDATION
    y = np.zeros(rows.total, samples.y.dtype)
    y[rows.places] = samples.y
    contract = spec.contract.select(dict.fromkeys(column.source for column in preprocessing.layout))
    encoded = EncodedRows(context.storage, spec.parquet, contract, preprocessing, y, part)
    found: dict[str, list[Fitted]] = {}
    algorithms = _spread(candidates)
    for number, algorithm in enumerate(algorithms):
        name, folder = context.output(f"checkpoints-{algorithm}")
        store = context.storage.store
        fitted = fit_distributed(
            "XGBoost" if algorithm == "XGBoost" else "LightGBM",
            candidates.task,
            encoded,
            parameters(candidates.how(algorithm), len(fold.train)),
            workers=workers,
            folder=folder,
            shared=store.resolve(name) if store is not None else None,
            seed=spec.seed,
            threads=max(1, spec.threads // workers),
            progress=lambda done, message, before=number: told((before + done) / len(algorithms), message),
        )
        context.storage.remove(name)
        found[algorithm] = [fitted]
    return found


def _searched(
    tuning: TuningConfig,
    context: JobContext,
    candidates: Candidates,
    samples: Samples,
    parts: Split,
    told: Callable[[float, str], None],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The best parameters of each algorithm, and the search as JSON: `metric`, `best`, `note`, `trials`."""
    from dataml.tasks.tuning.search import search
    from dataml.tasks.tuning.search_space import ALGORITHM, space_of

    metric = tuning.metric or candidates.task.metric
    _, folder = context.output("tuning")
    found = search(
        partial(_trial, candidates=candidates, samples=samples, parts=parts, metric=metric),
        space_of(candidates.algorithms, candidates.hyperparameters),
        tuning,
        seed=candidates.seed,
        progress=lambda share, message: told(_TUNED_SHARE * share, message),
        initial=[{ALGORITHM: algorithm} for algorithm in candidates.algorithms],
        folder=folder,
        measure=metric,
        shown=lambda score: f"{_turned(metric, score):.4g}",
    )
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for trial in found.trials:
        algorithm = trial.params[ALGORITHM]
        if trial.score is not None and trial.score < best.get(algorithm, (np.inf, {}))[0]:
            own = {name: value for name, value in trial.params.items() if name != ALGORITHM}
            best[algorithm] = (trial.score, own)
    trials = [
        asdict(trial) | {"score": None if trial.score is None else _turned(metric, trial.score)}
        for trial in found.trials
    ]
    record = {"metric": metric, "best": found.best, "note": found.note, "trials": trials}
    return {algorithm: own for algorithm, (_, own) in best.items()}, record


def _trial(parameters: dict[str, Any], *, candidates: Candidates, samples: Samples, parts: Split, metric: str) -> float:
    """The score of one set of parameters on the rows that judge, turned so that lower is better."""
    algorithm = parameters.pop("algorithm")
    one = replace(candidates, algorithms=(algorithm,), tuned={algorithm: parameters})
    judged = judge(one, samples, parts)
    value = evaluate(candidates.task, samples.y[judged.rows], judged.predicted[algorithm]).metrics[metric]
    return np.inf if value is None else _turned(metric, value)


def _turned(metric: str, value: float) -> float:
    return value if metric in _LOWER_IS_BETTER else -value
