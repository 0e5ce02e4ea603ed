"""What a user should know about the data of a training: checks of bounded samples, before the fit."""

from typing import Final

import numpy as np

from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.jobs.spec import TrainSpec
from dataml.ml.boosters.native_model import LabeledRows
from dataml.ml.data_checks.class_balance import find_rare_classes
from dataml.ml.data_checks.duplicates import find_duplicates
from dataml.ml.data_checks.holdout_shift import find_shifted_features
from dataml.ml.data_checks.identifiers import find_identifier, warn_of_dropped_identifier, warn_of_many_values
from dataml.ml.data_checks.leakage import find_leaking_features
from dataml.ml.labels import to_label
from dataml.ml.preprocessing import IDENTIFIER_REASON
from dataml.tasks.training_data import TrainingData

_MAX_ROWS: Final = 200_000
_MAX_CHECKED_ROWS: Final = 5_000
_MIN_CHECKED_ROWS: Final = 500
_MAX_CHECKED_CELLS: Final = 10_000_000


def find_training_warnings(spec: TrainSpec, data: TrainingData) -> tuple[DataWarning, ...]:
    """Return warnings about the target, the features and the split, and those of the dataset about columns in use."""
    identifiers = _find_identifiers(spec, data)
    time = frozenset[str]() if spec.time is None else frozenset({spec.time})
    skipped = time | {warning.column or "" for warning in identifiers}
    warnings = [
        *_find_target_warnings(data),
        *_find_leaks(spec, data, time),
        *identifiers,
        *_find_many_values(data),
        *_find_split_warnings(spec, data, skipped),
    ]
    used = {data.target.name, *data.preprocessing.features}
    return (
        *warnings,
        *(warning for warning in spec.dataset_warnings if warning.column in used or warning.code == "rows_left_out"),
    )


def _find_target_warnings(data: TrainingData) -> list[DataWarning]:
    target = data.target
    warnings = _find_rows_without_target(data)
    if target.classes is None:
        return warnings
    labels = [to_label(value) for value in target.classes]
    return warnings + find_rare_classes(target.name, labels, target.values, target.positive)


def _find_rows_without_target(data: TrainingData) -> list[DataWarning]:
    total, name = data.rows.total, data.target.name
    missing = total - data.rows.num_rows
    if not missing:
        return []
    message = (
        f"{missing:,} of {total:,} rows have no value in '{name}' and were left out. Where a missing value means "
        "something, such as no, write it as a value."
    )
    return [DataWarning("rows_without_target", message, name, missing)]


def _find_leaks(spec: TrainSpec, data: TrainingData, skipped: frozenset[str]) -> list[DataWarning]:
    kept = _draw(data.parts.development_rows, spec.seed, _checked_rows(data))
    samples = LabeledRows(data.samples.x[kept], data.samples.y[kept])
    return find_leaking_features(samples, data.target.task, data.preprocessing.layout, skipped, spec.seed)


def _find_identifiers(spec: TrainSpec, data: TrainingData) -> list[DataWarning]:
    dropped = data.preprocessing.dropped
    warnings = [warn_of_dropped_identifier(name) for name, reason in dropped.items() if reason == IDENTIFIER_REASON]
    kept = _draw(np.arange(data.rows.num_rows), spec.seed, _MAX_ROWS)
    rows = data.rows.take(kept)
    for column in data.preprocessing.layout:
        if column.data_type is DataType.INTEGER and not column.is_categorical:
            share = len(kept) / data.rows.num_rows
            warnings += find_identifier(column.source, rows.column(column.source), rows.places, share)
    rows.release()
    return warnings


def _find_many_values(data: TrainingData) -> list[DataWarning]:
    names = [column.source for column in data.preprocessing.layout if column.has_other]
    warnings = [warn_of_many_values(name, data.rows.column(name)) for name in names]
    data.rows.release()
    return warnings


def _find_split_warnings(spec: TrainSpec, data: TrainingData, skipped: frozenset[str]) -> list[DataWarning]:
    development, test = data.parts.development_rows, data.parts.test
    x, layout = data.samples.x, data.preprocessing.layout
    warnings = find_duplicates(x, development, test, spec.seed)
    train, held_out = (x[_draw(rows, spec.seed, _checked_rows(data))] for rows in (development, test))
    return warnings + find_shifted_features(train, held_out, layout, skipped, spec.seed)


def _checked_rows(data: TrainingData) -> int:
    return min(_MAX_CHECKED_ROWS, max(_MIN_CHECKED_ROWS, _MAX_CHECKED_CELLS // max(1, data.preprocessing.width)))


def _draw(rows: np.ndarray, seed: int, size: int) -> np.ndarray:
    return rows if len(rows) <= size else np.sort(np.random.default_rng(seed).permutation(rows)[:size])
