"""The data of a training: the rows that have a target, split and encoded."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from dataml.contract.constraints import MAX_ALLOWED_VALUES
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import JobContext, TrainSpec
from dataml.ml.boosters.native_model import LabeledRows
from dataml.ml.boosters.rescaling import can_rescale
from dataml.ml.bundle.manifest import FEATURE_ROLES
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.feature_ranges import Range, RangeRecorder, merge_ranges
from dataml.ml.memory import allocate_matrix
from dataml.ml.preprocessing import Preprocessing
from dataml.ml.target_scaling import UNSCALED, TargetScaling, choose_scaling
from dataml.ml.training import split
from dataml.ml.training.target import TrainingTarget, check_row_count, read_classes, read_numbers
from dataml.tasks.parquet_rows import ParquetRows


@dataclass(frozen=True)
class TrainingData:
    """The rows of a training, split into parts and encoded.

    Attributes:
        rows: the rows that have a target, in the order of `samples`.
        target: their targets.
        parts: the held-out part and the folds, as positions in `samples`.
        contract: the columns that have a role, as the predictor will check them.
        preprocessing: encodes rows as numbers.
        samples: the encoded rows and their targets, those of a regression scaled.
        feature_ranges: least and largest number of each feature, over all rows; None where a continued model has not
            recorded its own.
        scaling: that of the targets in `samples`.
    """

    rows: ParquetRows
    target: TrainingTarget
    parts: split.Split
    contract: Contract
    preprocessing: Preprocessing
    samples: LabeledRows
    feature_ranges: dict[str, Range] | None
    scaling: TargetScaling


def load_training_data(spec: TrainSpec, context: JobContext, parent: Predictor | None) -> TrainingData:
    """Read, split and encode the rows; a `parent` brings its classes and its preprocessing.

    Raises:
        Invalid: `too_few_rows`, `too_few_groups`, `constant_target`, `too_many_classes`, `target_not_numeric`,
            `target_not_a_class`, `bad_positive_class`, `no_features`, `too_many_values_to_refuse`.
        Conflict: `new_class`.
    """
    features = [name for name in spec.contract.names if spec.roles.get(name) in FEATURE_ROLES]
    rows, target = _read(spec, context, features, parent)
    parts = _split(spec, rows, target)
    _check_folds(target, parts)

    context.report_progress(0.05, "Preparing the features")
    contract = _allow_seen_values(spec.contract.select(column_roles(spec)), features, rows)
    if parent is None:
        columns = spec.contract.select([*features, target.name])
        preprocessing = Preprocessing.fit(columns, features, rows.take(parts.development_rows), spec.categories)
    else:
        preprocessing = parent.preprocessing
    scaling = _scaling(target, parts, parent)
    order, parts = parts.make_contiguous()
    rows, target = rows.take(order), replace(target, values=target.values[order])
    del order
    matrix = allocate_matrix(rows.num_rows, preprocessing.width)
    recorder = RangeRecorder(rows, preprocessing.layout)
    samples = LabeledRows(preprocessing.transform(recorder, matrix), scaling.apply(target.values))
    rows.release()
    ranges = _known_ranges(recorder.ranges, parent)
    return TrainingData(rows, target, parts, contract, preprocessing, samples, ranges, scaling)


def _known_ranges(ranges: dict[str, Range], parent: Predictor | None) -> dict[str, Range] | None:
    """Return the ranges with those of a continued model; None where it has not recorded its own."""
    if parent is None:
        return ranges
    before = parent.manifest.feature_ranges
    return None if before is None else merge_ranges(before, ranges)


def column_roles(spec: TrainSpec) -> dict[str, str]:
    """Return the role of each column that has one, in the order of the contract."""
    return {column: role for column in spec.contract.names if (role := spec.roles.get(column))}


def _read(
    spec: TrainSpec, context: JobContext, features: list[str], parent: Predictor | None
) -> tuple[ParquetRows, TrainingTarget]:
    """Return the rows that have a target, and the target."""
    name = spec.target
    group = spec.validation.group
    columns = [*features, name, *([group] if group and group not in (*features, name) else [])]
    contract = spec.contract.select(columns)
    rows = ParquetRows(context.fetch(spec.parquet), contract)
    rows = rows.take(np.flatnonzero(rows.column(name).is_valid().to_numpy()))
    check_row_count(name, rows.num_rows)
    data_type = contract.column(name).data_type
    if spec.problem_type == "Regression":
        return rows, read_numbers(name, data_type, rows.column(name))
    if parent is None:
        return rows, read_classes(name, data_type, rows.column(name), positive_class=spec.positive_class)
    target = read_classes(name, data_type, rows.column(name), parent.manifest.classes)
    return rows, replace(target, positive=parent.manifest.positive_code)


def _split(spec: TrainSpec, rows: ParquetRows, target: TrainingTarget) -> split.Split:
    """Split the rows into parts, of which none is empty.

    A model that is continued, and one that predicts later rows from earlier ones, has a single validation part.
    """
    config = spec.validation
    is_single = spec.parent or spec.time or spec.workers > 1
    development_rows, quality = round(rows.num_rows * (1 - config.holdout)), spec.blended_quality
    default_folds = 1 if is_single else split.choose_fold_count(development_rows, quality)
    options: dict[str, Any] = {"holdout": config.holdout, "folds": config.folds or default_folds}
    if config.group is not None:
        encoded = rows.column(config.group).combine_chunks().dictionary_encode(null_encoding="encode")
        return split.split_by_group(encoded.indices.to_numpy(), seed=spec.seed, **options)
    if spec.time is None:
        is_repeated = options["folds"] > 1 and config.folds is None
        repeats = split.choose_repeats(development_rows, quality) if is_repeated else 1
        return split.split_stratified(
            target.values, is_regression=target.task.is_regression, seed=spec.seed, repeats=repeats, **options
        )
    # Rows without a time count as the oldest: they must not leak into the rows that stand for the future.
    oldest_first = pc.array_sort_indices(rows.column(spec.time), null_placement="at_start")
    return split.split_by_time(oldest_first.to_numpy(), **options)


def _check_folds(target: TrainingTarget, parts: split.Split) -> None:
    for fold in parts.folds:
        values = target.values[fold.train]
        if (values == values[0]).all():
            raise _constant_target(target.name, "a part to learn from, such as the earliest")


def _scaling(target: TrainingTarget, parts: split.Split, parent: Predictor | None) -> TargetScaling:
    """Return the scaling of a regression's target; the shift is that of a parent, whose boosters predict it."""
    if not target.task.is_regression:
        return UNSCALED
    values = target.values[parts.development_rows]
    if parent is None:
        return choose_scaling(values)
    scaling = choose_scaling(values, parent.scaling.shift)
    return scaling if can_rescale(parent.scaling.scale / scaling.scale) else parent.scaling


def _allow_seen_values(contract: Contract, features: list[str], rows: ParquetRows) -> Contract:
    """Return the contract in which text features that refuse unseen values allow only those of the dataset."""

    def allow_seen(column: Column) -> Column:
        if column.unseen != "refuse" or column.name not in features or column.data_type is not DataType.STRING:
            return column
        values = pc.unique(rows.column(column.name).drop_null()).to_pylist()
        if len(values) > MAX_ALLOWED_VALUES:
            detail = (
                f"'{column.name}' has {len(values):,} values; unseen ones can be refused for {MAX_ALLOWED_VALUES:,}."
            )
            raise Invalid(detail, code="too_many_values_to_refuse")
        return replace(column, allowed_values=tuple(sorted(values)) or None)

    return Contract(tuple(allow_seen(column) for column in contract.columns))


def _constant_target(name: str, where: str) -> Invalid:
    return Invalid(f"Target '{name}' has the same value in all rows of {where}.", code="constant_target")
