"""The training job: a typed Parquet file and roles in, a scored bundle out."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.errors import Invalid
from dataml.jobs.spec import JobContext, TrainResult, TrainSpec
from dataml.ml import estimators, split
from dataml.ml.bundle import FEATURE_ROLES, Provenance, write_bundle
from dataml.ml.constraints import MAX_ALLOWED_VALUES
from dataml.ml.contract import Column, Contract
from dataml.ml.estimators import Samples, Task
from dataml.ml.evaluation import evaluate
from dataml.ml.features import Preprocessing
from dataml.ml.hyperparameters import check_hyperparameters
from dataml.ml.manifest import Rows
from dataml.ml.values import DataType

MIN_ROWS = 20
MAX_CLASSES = 1_000


@dataclass(frozen=True)
class Target:
    """`values` (rows,): numbers, or codes into `classes`, which are sorted."""

    values: np.ndarray
    classes: tuple[Any, ...] | None

    @property
    def task(self) -> Task:
        return Task(len(self.classes or ()))


def run(spec: TrainSpec, context: JobContext) -> TrainResult:
    """Fit, score and write one predictor.

    The model is not fitted again on the held-out rows: the predictor that serves is the one that was scored. Raises
    Invalid: `too_few_rows`, `constant_target`, `too_many_classes`, `target_not_numeric`, `target_not_classes`,
    `no_features`, `too_many_values_to_refuse`, and what `estimators.fit` raises.
    """
    check_hyperparameters(spec.algorithm, spec.hyperparameters)
    context.progress(0.05, "Reading the dataset")
    target_name = next(name for name, role in spec.roles.items() if role == "Target")
    features = [name for name in spec.contract.names if spec.roles.get(name) in FEATURE_ROLES]
    contract = spec.contract.select([*features, target_name])
    table = pq.read_table(context.path(spec.parquet), columns=[*features, target_name]).cast(contract.schema)
    total = table.num_rows
    table = table.filter(table.column(target_name).is_valid())
    if table.num_rows < MIN_ROWS:
        raise Invalid(
            f"{table.num_rows} rows have a value in '{target_name}'; training needs {MIN_ROWS}.", code="too_few_rows"
        )
    target = _target(spec.problem_type, target_name, contract.column(target_name).data_type, table)
    parts = _split(spec, table, target)
    _check_training_part(target_name, target, parts)

    context.progress(0.15, "Preparing the features")
    preprocessing = Preprocessing.fit(contract, features, table.take(parts.train))
    matrix = preprocessing.matrix(table)
    fitted = estimators.fit(
        spec.algorithm,
        target.task,
        Samples(matrix[parts.train], target.values[parts.train]),
        Samples(matrix[parts.validation], target.values[parts.validation]),
        preprocessing.categorical,
        hyperparameters=spec.hyperparameters,
        seed=spec.seed,
        threads=spec.threads,
        progress=lambda share, phrase: context.progress(0.2 + 0.6 * share, phrase),
    )
    context.progress(0.8, "Scoring the held-out rows")
    evaluation = evaluate(target.task, target.values[parts.test], fitted.predict(matrix[parts.test]))

    context.progress(0.85, "Writing the bundle")
    name, directory = context.output("bundle")
    rows = Rows(
        total, total - table.num_rows, train=len(parts.train), validation=len(parts.validation), test=len(parts.test)
    )
    roles = {column: role for column in spec.contract.names if (role := spec.roles.get(column))}
    provenance = Provenance(spec.problem_type, target_name, target.classes, roles, spec.seed, parts.method, rows)
    sample = matrix[np.random.default_rng(spec.seed).permutation(len(matrix))[:1_000]]
    kept = _with_seen_values(spec.contract.select(roles), features, table)
    manifest = write_bundle(directory, fitted, preprocessing, kept, provenance, evaluation, sample)
    return TrainResult(
        bundle=name,
        algorithm=manifest.algorithm,
        model=manifest.model,
        accuracy=manifest.accuracy,
        metrics={metric: value for metric, value in manifest.metrics.items() if value is not None},
        confusion_matrix=manifest.confusion_matrix,
        summary=manifest.summary(),
    )


def _with_seen_values(contract: Contract, features: list[str], table: pa.Table) -> Contract:
    """The contract, in which a text feature that refuses unseen values allows those of the dataset and no others."""

    def seen(column: Column) -> Column:
        if column.unseen != "refuse" or column.name not in features or column.data_type is not DataType.STRING:
            return column
        values = pc.unique(table.column(column.name).drop_null()).to_pylist()
        if len(values) > MAX_ALLOWED_VALUES:
            detail = (
                f"'{column.name}' has {len(values):,} values; unseen ones can be refused for {MAX_ALLOWED_VALUES:,}."
            )
            raise Invalid(detail, code="too_many_values_to_refuse")
        return replace(column, allowed_values=tuple(sorted(values)) or None)

    return Contract(tuple(seen(column) for column in contract.columns))


def _target(problem_type: str, name: str, data_type: DataType, table: pa.Table) -> Target:
    column = table.column(name)
    if problem_type == "Regression":
        if data_type not in (DataType.INTEGER, DataType.FLOAT):
            raise Invalid(f"A regression predicts a number; target '{name}' is {data_type}.", code="target_not_numeric")
        target = Target(column.cast(pa.float64(), safe=False).to_numpy(), None)
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
    codes = pc.index_in(column, value_set=pa.array(classes, data_type.arrow)).to_numpy()
    return Target(codes.astype(np.int64), tuple(classes))


def _split(spec: TrainSpec, table: pa.Table, target: Target) -> split.Split:
    time = next((name for name, role in spec.roles.items() if role == "Time"), None)
    if time is None:
        return split.by_target(target.values, is_regression=target.task.is_regression, seed=spec.seed)
    # Rows without a time count as the oldest: they must not leak into the rows that stand for the future.
    oldest_first = pc.array_sort_indices(table.column(time), null_placement="at_start")
    return split.by_time(oldest_first.to_numpy())


def _check_training_part(name: str, target: Target, parts: split.Split) -> None:
    learned = target.values[parts.train]
    if (learned == learned[0]).all():
        raise _constant(name, "the earliest rows, which are the ones to learn from")


def _constant(name: str, where: str) -> Invalid:
    return Invalid(f"Target '{name}' has the same value in all rows of {where}.", code="constant_target")
