"""The batch prediction task: a dataset's Parquet file in, a CSV file with one line a row out, in Arrow batches."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.contract.contract import Column, Contract, ParsedBatch
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.jobs.spec import JobContext, ScoreResult, ScoreSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import top_effects
from dataml.ml.input_checks import InputCounter
from dataml.tasks.result_writer import ResultWriter

BATCH_ROWS = 65_536
# Explained rows take a thousand times as long: with smaller batches, the progress is reported more often.
EXPLAINED_BATCH_ROWS = 4_096
EXPLAINED_FEATURES = 5
_NUMBERS = range(1, EXPLAINED_FEATURES + 1)
EXPLANATION_COLUMNS = tuple(f"explanation_{n}_{of}" for n in _NUMBERS for of in ("feature", "effect"))
RESULT_COLUMNS = ("prediction", *EXPLANATION_COLUMNS, "error")


def run(spec: ScoreSpec, context: JobContext) -> ScoreResult:
    """Predict every row, in order.

    The columns of the result are the Id columns, `prediction`, `probability_<class>`..., `error` (empty when there is
    none). With `explain`, ten more columns come before `error`: `explanation_1_feature`, `explanation_1_effect`, ... to
    5, the features with the largest SHAP values of this prediction, largest first, empty when the model has fewer. An
    effect is what the feature adds to the number, to the log-odds of the second of two classes, or to the score of the
    predicted one of several; see `ml.explanation.shap_values` for blends.

    A row whose values the predictor's contract refuses has the reason instead of a prediction. Id columns are written
    unchanged: a text that starts with = + - or @ stays as it is, since the file is data for programs and changing an id
    would break their joins; import it as text into a spreadsheet. An Id column with the name of a result column becomes
    `input_<name>`.

    Raises:
        BundleDamaged: the bundle cannot be loaded.
        InvalidFields: `missing_feature`.
        Invalid: `schema_mismatch`.
        DatamlError: what `tasks.lake.write` raises, with a lake table.
    """
    context.report_progress(0.02, "Loading the model")
    predictor = Predictor.load(context.fetch(spec.bundle), threads=len(os.sched_getaffinity(0)))
    # Without pre-buffering, which would keep all that it has read of a large file.
    source = pq.ParquetFile(context.fetch(spec.parquet), pre_buffer=False)
    schema = source.schema_arrow
    check_schema(schema, predictor.contract, predictor.boolean_texts)
    counter = InputCounter(predictor.input_checks)
    ids = [column for column in predictor.id_columns if column in schema.names]
    needed = {*ids, *predictor.contract.names}
    columns = [column for column in schema.names if column in needed]
    total, rows, failed = source.metadata.num_rows, 0, 0
    result_schema = _result_schema(predictor, schema, ids, spec.explain)
    batch_rows = EXPLAINED_BATCH_ROWS if spec.explain else BATCH_ROWS
    with ResultWriter(context, "predictions", result_schema, spec.lake) as writer:
        for batch in source.iter_batches(batch_rows, columns=columns):
            result, batch_failed = _score_batch(predictor, batch, ids, spec.explain, counter)
            writer.write(result.cast(result_schema))
            rows, failed = rows + batch.num_rows, failed + batch_failed
            context.report_progress(0.05 + 0.9 * rows / total, f"Scored {rows:,} of {total:,} rows")
    return replace(writer.finish(failed, counter.warnings()), positive_class=predictor.positive_label)


def check_schema(schema: pa.Schema, contract: Contract, boolean_texts: Mapping[str, tuple[str, str]]) -> None:
    """Check that a dataset can fit the predictor, before any row is read.

    Args:
        schema: the columns of the dataset.
        contract: the features of the predictor.
        boolean_texts: how text features spell false and true, for those that do.

    Raises:
        InvalidFields: `missing_feature`: columns are missing and have no default.
        Invalid: `schema_mismatch`: columns have a type that no value of the feature can have.
    """
    stored = dict(zip(schema.names, schema.types, strict=True))
    missing = [c.name for c in contract.columns if c.name not in stored and c.default is None]
    if missing:
        raise InvalidFields(
            [
                FieldError(("dataset", name), f"Feature '{name}' is not a column of the dataset.", "missing_feature")
                for name in missing
            ],
            code="missing_feature",
        )
    mismatches = [
        f"'{c.name}' is {stored[c.name]}, the predictor needs {c.data_type}"
        for c in contract.columns
        if c.name in stored and not _fits(stored[c.name], c, boolean_texts)
    ]
    if mismatches:
        raise Invalid("The dataset does not fit the predictor: " + "; ".join(mismatches) + ".", code="schema_mismatch")


def _fits(stored: pa.DataType, column: Column, boolean_texts: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether a contract can accept some value of this Arrow type."""
    if pa.types.is_boolean(stored):
        return column.data_type is DataType.BOOLEAN or column.name in boolean_texts
    example = next((value for is_type, value in _EXAMPLES if is_type(stored)), None)
    try:
        parse_value(example, column.data_type)
    except InvalidValue:
        return False
    return True


_EXAMPLES: list[tuple[Any, object]] = [
    (pa.types.is_integer, 1),
    (pa.types.is_floating, 1.0),
    (pa.types.is_date, date(2000, 1, 1)),
    (pa.types.is_timestamp, datetime(2000, 1, 1, tzinfo=UTC)),
]


def _score_batch(
    predictor: Predictor, batch: pa.RecordBatch, ids: list[str], explain: bool, counter: InputCounter
) -> tuple[pa.Table, int]:
    """Return the result of a batch, and how many of its rows failed."""
    parsed = predictor.contract.parse_batch(_spell_booleans(batch, predictor.boolean_texts))
    rows = pa.Table.from_batches([parsed.table])
    counter.add(rows)
    predicted = predictor.predict_table(rows)
    if explain:
        predicted = _append_explanation(predictor, rows, predicted)
    failed = batch.num_rows - parsed.table.num_rows
    error = pa.nulls(batch.num_rows, pa.string())
    if failed:
        predicted = predicted.take(_kept_positions(parsed))
        error = pa.array(_error_texts(parsed, batch.num_rows), pa.string())
    columns = {_id_name(predictor, name): batch.column(name) for name in ids}
    columns |= {name: predicted.column(name) for name in predicted.column_names}
    return pa.table(columns | {"error": error}), failed


def _spell_booleans(batch: pa.RecordBatch, boolean_texts: Mapping[str, tuple[str, str]]) -> pa.RecordBatch:
    """Return the batch with the booleans of text features as the texts that the training has seen."""
    for name, (false, true) in boolean_texts.items():
        position = batch.schema.get_field_index(name)
        if position >= 0 and pa.types.is_boolean(batch.schema.field(position).type):
            texts = pc.if_else(batch.column(position), pa.scalar(true), pa.scalar(false))
            batch = batch.set_column(position, pa.field(name, pa.string()), texts)
    return batch


def _append_explanation(predictor: Predictor, rows: pa.Table, predicted: pa.Table) -> pa.Table:
    """Return the predictions with the explanation columns."""
    outputs = np.zeros(len(rows), np.int64)
    if predictor.manifest.classes is not None:
        classes = pa.array(predictor.manifest.classes, predictor.manifest.target_type.arrow)
        outputs = pc.index_in(predicted["prediction"], value_set=classes).to_numpy()
    preprocessing = predictor.preprocessing
    matrix = preprocessing.transform(rows)
    unit = predictor.scaling.scale
    positions, effects = top_effects(predictor.members, preprocessing, matrix, outputs, EXPLAINED_FEATURES, unit)
    names = pa.array(preprocessing.features, pa.string())
    for n in range(EXPLAINED_FEATURES):
        has_rank = n < positions.shape[1]
        feature = names.take(pa.array(positions[:, n])) if has_rank else pa.nulls(len(rows), pa.string())
        effect = pa.array(effects[:, n]) if has_rank else pa.nulls(len(rows), pa.float64())
        predicted = predicted.append_column(EXPLANATION_COLUMNS[2 * n], feature)
        predicted = predicted.append_column(EXPLANATION_COLUMNS[2 * n + 1], effect)
    return predicted


def _kept_positions(parsed: ParsedBatch) -> pa.Array:
    """Return, for every row of the batch, its position among the kept rows; null where it was not kept."""
    kept = iter(range(parsed.table.num_rows))
    return pa.array([next(kept) if keep else None for keep in parsed.kept.to_pylist()], pa.int64())


def _error_texts(parsed: ParsedBatch, rows: int) -> Iterator[str | None]:
    by_row: dict[int, list[str]] = {}
    for error in parsed.errors.to_pylist():
        by_row.setdefault(error["row"], []).append(f"{error['column']}: {error['reason']}")
    return ("; ".join(by_row[row]) if row in by_row else None for row in range(rows))


def _result_schema(predictor: Predictor, schema: pa.Schema, ids: list[str], explain: bool) -> pa.Schema:
    is_regression = predictor.manifest.classes is None
    prediction = pa.float64() if is_regression else predictor.manifest.target_type.arrow
    explanations = EXPLANATION_COLUMNS if explain else ()
    return pa.schema(
        [
            *((_id_name(predictor, name), schema.field(name).type) for name in ids),
            ("prediction", prediction),
            *((name, pa.float64()) for name in predictor.probability_columns),
            *((name, pa.string() if name.endswith("feature") else pa.float64()) for name in explanations),
            ("error", pa.string()),
        ]
    )


def _id_name(predictor: Predictor, name: str) -> str:
    taken = (*RESULT_COLUMNS, *predictor.probability_columns)
    return f"input_{name}" if name in taken else name
