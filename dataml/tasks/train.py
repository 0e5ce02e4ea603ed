"""The training job: a typed Parquet file and roles in, a scored bundle out."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.constraints import MAX_ALLOWED_VALUES
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Conflict, Invalid
from dataml.jobs.spec import JobContext, TrainResult, TrainSpec
from dataml.ml.boosters.hyperparameters import canonical, check_hyperparameters
from dataml.ml.boosters.native import Samples, Task
from dataml.ml.bundle.manifest import Rows
from dataml.ml.bundle.predictor import FEATURE_ROLES, Predictor, Provenance, class_name, write_bundle
from dataml.ml.evaluation.evaluation import Evaluation, evaluate
from dataml.ml.features import Preprocessing
from dataml.ml.memory import new_matrix
from dataml.ml.training import split
from dataml.ml.training.selection import Candidates, Selection, algorithms_for
from dataml.tasks.fitting import fitted_model
from dataml.tasks.parquet_rows import ParquetRows

MIN_ROWS = 20
MAX_CLASSES = 1_000
_RARE_SHARE = 0.05
_RARE_ROWS = 10


@dataclass(frozen=True)
class Target:
    """`values` (rows,): numbers, or codes into `classes`, which are sorted."""

    name: str
    values: np.ndarray
    classes: tuple[Any, ...] | None

    @property
    def task(self) -> Task:
        return Task(len(self.classes or ()))


def run(spec: TrainSpec, context: JobContext) -> TrainResult:
    """Fit, score and write one predictor.

    No model ever learns from the rows held out for the scores: the predictor that serves is the one that was scored.
    An incremental training continues the boosters of `spec.parent` with its preprocessing unchanged; both are scored on
    the same held-out rows, and the new one is promoted when it is no worse.

    Raises Invalid: `too_few_rows`, `too_few_groups`, `constant_target`, `too_many_classes`, `target_not_numeric`,
    `target_not_classes`, `no_features`, `too_many_values_to_refuse`, and those of `check_hyperparameters`; Conflict:
    `new_class`.
    """
    if spec.problem_type == "Forecast":
        # Its libraries are another world, which other trainings need not load.
        from dataml.tasks import train_forecast

        return train_forecast.run(spec, context)
    check_hyperparameters(spec.algorithm, spec.hyperparameters)
    context.report_progress(0.02, "Reading the dataset")
    parent = Predictor.load(context.fetch(spec.parent), spec.threads) if spec.parent else None
    features = [name for name in spec.contract.names if spec.roles.get(name) in FEATURE_ROLES]
    rows, target = _read(spec, context, features, parent)
    parts = _split(spec, rows, target)
    _check_training_part(target, parts)

    context.report_progress(0.05, "Preparing the features")
    roles = {column: role for column in spec.contract.names if (role := spec.roles.get(column))}
    contract = _with_seen_values(spec.contract.select(roles), features, rows)
    preprocessing = parent.preprocessing if parent else _prepared(spec, features, target, rows.take(parts.rest))
    order, parts = parts.side_by_side()
    rows, target = rows.take(order), replace(target, values=target.values[order])
    del order
    matrix = new_matrix(rows.num_rows, preprocessing.width)
    samples = Samples(preprocessing.matrix(rows, matrix), target.values)
    rows.release()
    candidates = _candidates(spec, target.task, preprocessing, parent)
    selection, search = fitted_model(spec, context, candidates, samples, parts, preprocessing, rows)

    context.report_progress(0.8, "Scoring the held-out rows")
    evaluation = _evaluated(spec, target, selection, samples.take(parts.test))
    comparison = _compared(target, samples.take(parts.test), evaluation, parent) if parent else None

    context.report_progress(0.9, "Writing the bundle")
    name, directory = context.output("bundle")
    folds = len(parts.folds)
    learned = parts.rest if folds > 1 else parts.folds[0].train
    total = rows.total
    counts = Rows(total, total - rows.num_rows, len(learned), len(selection.judged), len(parts.test), folds)
    provenance = Provenance(
        spec.problem_type,
        target.name,
        target.classes,
        roles,
        spec.seed,
        parts.method,
        counts,
        tuple(_warnings(target)),
        comparison,
        search,
    )
    sample = samples.x[np.random.default_rng(spec.seed).permutation(rows.num_rows)[:1_000]]
    manifest = write_bundle(directory, selection, preprocessing, contract, provenance, evaluation, sample)
    is_promoted = comparison is None or comparison["is_promoted"]
    return TrainResult.from_manifest(name, manifest, is_promoted=is_promoted)


def _read(
    spec: TrainSpec, context: JobContext, features: list[str], parent: Predictor | None
) -> tuple[ParquetRows, Target]:
    """The rows that have a target, and the target."""
    name = spec.target
    group = spec.validation.group
    columns = [*features, name, *([group] if group and group not in (*features, name) else [])]
    contract = spec.contract.select(columns)
    rows = ParquetRows(context.fetch(spec.parquet), contract)
    rows = rows.take(np.flatnonzero(rows.column(name).is_valid().to_numpy()))
    if rows.num_rows < MIN_ROWS:
        raise Invalid(f"{rows.num_rows} rows have a value in '{name}'; training needs {MIN_ROWS}.", code="too_few_rows")
    data_type = contract.column(name).data_type
    target = _target(spec.problem_type, name, data_type, rows.column(name), parent.manifest.classes if parent else None)
    return rows, target


def _prepared(spec: TrainSpec, features: list[str], target: Target, rows: ParquetRows) -> Preprocessing:
    contract = spec.contract.select([*features, target.name])
    return Preprocessing.fit(contract, features, rows, spec.categories)


def _candidates(spec: TrainSpec, task: Task, preprocessing: Preprocessing, parent: Predictor | None) -> Candidates:
    start = {model.algorithm: model for model, _ in parent.members} if parent else {}
    return Candidates(
        task,
        tuple(start) or algorithms_for(spec.algorithm, task),
        preprocessing.categorical,
        canonical(spec.algorithm, spec.hyperparameters),
        spec.seed,
        spec.threads,
        start,
    )


def _evaluated(spec: TrainSpec, target: Target, selection: Selection, test: Samples) -> Evaluation:
    return evaluate(
        target.task,
        test.y,
        selection.predict(test.x),
        classes=[class_name(value) for value in target.classes or ()],
        uncalibrated=selection.predict(test.x, calibrated=False) if selection.calibration else None,
        residuals=selection.residuals if target.task.is_regression else None,
        seed=spec.seed,
    )


def _compared(target: Target, test: Samples, evaluation: Evaluation, parent: Predictor) -> dict[str, Any]:
    """The new model against the one it continues, on the same rows."""
    before = evaluate(target.task, test.y, parent.scores(test.x)).metrics
    metric = target.task.metric
    old, new = before[metric], evaluation.metrics[metric]
    promoted = old is None or (new is not None and new <= old)
    return {"metric": metric, "before": old, "after": new, "rows": len(test.y), "is_promoted": promoted}


def _warnings(target: Target) -> list[str]:
    """What a reader of the scores should know of the target."""
    if target.classes is None:
        return []
    counts = np.bincount(target.values, minlength=len(target.classes))
    found = []
    if rare := [f"'{class_name(target.classes[i])}' ({counts[i]:,})" for i in np.flatnonzero(counts < _RARE_ROWS)]:
        shown = ", ".join(rare[:10])
        found.append(f"Classes with fewer than {_RARE_ROWS} rows, of which little can be learned: {shown}.")
    share = counts.min() / counts.sum()
    if len(counts) == 2 and share < _RARE_SHARE:
        name = class_name(target.classes[int(counts.argmin())])
        found.append(
            f"Only {share:.1%} of the rows are '{name}': accuracy says little; look at PR AUC, recall and thresholds."
        )
    return found


def _with_seen_values(contract: Contract, features: list[str], rows: ParquetRows) -> Contract:
    """The contract, in which a text feature that refuses unseen values allows those of the dataset and no others."""

    def seen(column: Column) -> Column:
        if column.unseen != "refuse" or column.name not in features or column.data_type is not DataType.STRING:
            return column
        values = pc.unique(rows.column(column.name).drop_null()).to_pylist()
        if len(values) > MAX_ALLOWED_VALUES:
            detail = (
                f"'{column.name}' has {len(values):,} values; unseen ones can be refused for {MAX_ALLOWED_VALUES:,}."
            )
            raise Invalid(detail, code="too_many_values_to_refuse")
        return replace(column, allowed_values=tuple(sorted(values)) or None)

    return Contract(tuple(seen(column) for column in contract.columns))


def _target(
    problem_type: str, name: str, data_type: DataType, column: pa.ChunkedArray, known: tuple[Any, ...] | None
) -> Target:
    if problem_type == "Regression":
        if data_type not in (DataType.INTEGER, DataType.FLOAT):
            raise Invalid(f"A regression predicts a number; target '{name}' is {data_type}.", code="target_not_numeric")
        target = Target(name, column.cast(pa.float64(), safe=False).to_numpy(), None)
        if (target.values == target.values[0]).all():
            raise _constant(name, "the dataset")
        return target
    if data_type.is_temporal:
        raise Invalid(f"Target '{name}' is a {data_type}, which has no classes.", code="target_not_classes")
    distinct = pc.unique(column)
    if len(distinct) > MAX_CLASSES:
        raise Invalid(
            f"Target '{name}' has {len(distinct):,} different values; a classification takes {MAX_CLASSES:,}. "
            "Is it a regression, or an identifier?",
            code="too_many_classes",
        )
    if len(distinct) < 2:
        raise _constant(name, "the dataset")
    classes = sorted(distinct.to_pylist())
    if known is not None:
        new = [class_name(value) for value in classes if value not in known]
        if new:
            raise Conflict(f"The model does not know these classes of '{name}': {', '.join(new)}.", code="new_class")
        classes = list(known)
    codes = pc.index_in(column, value_set=pa.array(classes, data_type.arrow)).to_numpy()
    return Target(name, codes.astype(np.int64), tuple(classes))


def _split(spec: TrainSpec, rows: ParquetRows, target: Target) -> split.Split:
    """Every part of it has rows. A model that is continued, and one that looks ahead in time, is judged by one part."""
    asked = spec.validation
    time = next((name for name, role in spec.roles.items() if role == "Time"), None)
    is_single = spec.parent or time or spec.workers > 1
    suited = 1 if is_single else split.folds_for(round(rows.num_rows * (1 - asked.holdout)))
    share: dict[str, Any] = {"holdout": asked.holdout, "folds": asked.folds or suited}
    if asked.group is not None:
        encoded = rows.column(asked.group).combine_chunks().dictionary_encode(null_encoding="encode")
        return split.by_group(encoded.indices.to_numpy(), seed=spec.seed, **share)
    if time is None:
        return split.by_target(target.values, is_regression=target.task.is_regression, seed=spec.seed, **share)
    # Rows without a time count as the oldest: they must not leak into the rows that stand for the future.
    oldest_first = pc.array_sort_indices(rows.column(time), null_placement="at_start")
    return split.by_time(oldest_first.to_numpy(), **share)


def _check_training_part(target: Target, parts: split.Split) -> None:
    for fold in parts.folds:
        learned = target.values[fold.train]
        if (learned == learned[0]).all():
            raise _constant(target.name, "a part to learn from, such as the earliest")


def _constant(name: str, where: str) -> Invalid:
    return Invalid(f"Target '{name}' has the same value in all rows of {where}.", code="constant_target")
