"""The batch prediction job: a dataset's Parquet file in, a CSV file with one line a row out, in Arrow batches."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from dataml.contract.contract import Contract, ParsedBatch
from dataml.contract.dates import InvalidValue
from dataml.contract.files.parquet import open_parquet
from dataml.contract.types import DataType, parse_value
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.jobs.spec import JobContext, ScoreResult, ScoreSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import top_effects
from dataml.tasks.lake import write_parquet

BATCH_ROWS = 65_536
# Explained rows take a thousand times as long: smaller batches show the progress.
EXPLAINED_BATCH_ROWS = 4_096
EXPLAINED_FEATURES = 5
_NUMBERS = range(1, EXPLAINED_FEATURES + 1)
EXPLANATION_COLUMNS = tuple(f"explanation_{n}_{of}" for n in _NUMBERS for of in ("feature", "effect"))
RESULT_COLUMNS = ("prediction", *EXPLANATION_COLUMNS, "error")


def run(spec: ScoreSpec, context: JobContext) -> ScoreResult:
    """Predict every row, in order: Id columns, `prediction`, `probability_<class>`..., `error` (empty when there is
    none).

    With `explain`, ten more columns stand before `error`: `explanation_1_feature`, `explanation_1_effect`, ... to 5,
    the features with the largest SHAP values of this prediction, largest first, empty when the model has fewer. An
    effect is what the feature adds to the number, to the log-odds of the second of two classes, or to the score of the
    predicted one of several; see `ml.explanation.shap_values` for blends.

    A row whose values the predictor's contract refuses carries the reason instead of a prediction. Id columns are
    written as they are: a text that starts with = + - or @ stays so, since the file is data for programs and changing
    an id would break their joins; import it as text into a spreadsheet. An Id column whose name a result column has
    becomes `input_<name>`. Raises BundleDamaged, InvalidFields (`missing_feature`) or Invalid (`schema_mismatch`);
    what `write_rows` raises, with a lake table.
    """
    context.report_progress(0.02, "Loading the model")
    predictor = Predictor.load(context.fetch(spec.bundle), threads=len(os.sched_getaffinity(0)))
    name, path = context.output("predictions.csv")
    source = open_parquet(context.fetch(spec.parquet))
    schema = source.schema_arrow
    check_schema(schema, predictor.contract)
    ids = [column for column in predictor.id_columns if column in schema.names]
    total, failed, rows = source.metadata.num_rows, 0, 0
    result_schema = _result_schema(predictor, schema, ids, spec.explain)
    batch_rows = EXPLAINED_BATCH_ROWS if spec.explain else BATCH_ROWS
    unfinished = path.with_name(path.name + ".part")
    parquet, for_lake = context.output("predictions.parquet", only_here=True)
    needed = [column for column in schema.names if column in (*ids, *predictor.contract.names)]
    with ExitStack() as stack:
        writer = stack.enter_context(pacsv.CSVWriter(unfinished, result_schema))
        copy = stack.enter_context(pq.ParquetWriter(for_lake, result_schema)) if spec.lake is not None else None
        for batch in source.iter_batches(batch_rows, columns=needed):
            result, errors = _score(predictor, batch, ids, spec.explain)
            writer.write_table(result.cast(result_schema))
            if copy is not None:
                copy.write_table(result.cast(result_schema))
            rows, failed = rows + batch.num_rows, failed + errors
            context.report_progress(0.05 + 0.9 * rows / total, f"Scored {rows:,} of {total:,} rows")
    unfinished.replace(path)
    snapshot_id = None
    if spec.lake is not None:
        snapshot_id = write_parquet(spec.lake, context, parquet)
        for_lake.unlink()
    return ScoreResult(
        name,
        total_fields=len(result_schema),
        total_records=total,
        failed_records=failed,
        size_bytes=path.stat().st_size,
        snapshot_id=snapshot_id,
    )


def check_schema(schema: pa.Schema, contract: Contract) -> None:
    """Refuse a dataset that cannot fit before any row is read.

    Raises InvalidFields (`missing_feature`) for columns that are absent and have no default, Invalid
    (`schema_mismatch`) for columns of a type that no value of the feature can have.
    """
    absent = [c.name for c in contract.columns if c.name not in schema.names and c.default is None]
    if absent:
        raise InvalidFields(
            [
                FieldError(("dataset", name), f"Feature '{name}' is not a column of the dataset.", "missing_feature")
                for name in absent
            ],
            code="missing_feature",
        )
    wrong = [
        f"'{c.name}' is {schema.field(c.name).type}, the predictor wants {c.data_type}"
        for c in contract.columns
        if c.name in schema.names and not _fits(schema.field(c.name).type, c.data_type)
    ]
    if wrong:
        raise Invalid("The dataset does not fit the predictor: " + "; ".join(wrong) + ".", code="schema_mismatch")


def _fits(stored: pa.DataType, wanted: DataType) -> bool:
    """Whether the contract could accept some value of an Arrow type."""
    if pa.types.is_boolean(stored):
        # As text it would be "true", which is not what was written in the file the predictor learned from.
        return wanted is DataType.BOOLEAN
    witness = next((value for check, value in _WITNESSES if check(stored)), None)
    try:
        parse_value(witness, wanted)
    except InvalidValue:
        return False
    return True


_WITNESSES: list[tuple[Any, object]] = [
    (pa.types.is_integer, 1),
    (pa.types.is_floating, 1.0),
    (pa.types.is_date, date(2000, 1, 1)),
    (pa.types.is_timestamp, datetime(2000, 1, 1, tzinfo=UTC)),
]


def _score(predictor: Predictor, batch: pa.RecordBatch, ids: list[str], explain: bool) -> tuple[pa.Table, int]:
    """The result of a batch and how many of its rows failed."""
    parsed = predictor.contract.parse_batch(batch)
    rows = pa.Table.from_batches([parsed.table])
    predicted = predictor.predict_table(rows)
    if explain:
        predicted = _explained(predictor, rows, predicted)
    failed = batch.num_rows - parsed.table.num_rows
    error = pa.nulls(batch.num_rows, pa.string())
    if failed:
        predicted = predicted.take(_places(parsed))
        error = pa.array(_reasons(parsed, batch.num_rows), pa.string())
    columns = {_id_name(predictor, name): batch.column(name) for name in ids}
    columns |= {name: predicted.column(name) for name in predicted.column_names}
    return pa.table(columns | {"error": error}), failed


def _explained(predictor: Predictor, rows: pa.Table, predicted: pa.Table) -> pa.Table:
    """The predictions with the explanation columns."""
    outputs = np.zeros(len(rows), np.int64)
    if predictor.manifest.classes is not None:
        classes = pa.array(predictor.manifest.classes, predictor.manifest.target_type.arrow)
        outputs = pc.index_in(predicted["prediction"], value_set=classes).to_numpy()
    preprocessing = predictor.preprocessing
    matrix = preprocessing.matrix(rows)
    positions, effects = top_effects(predictor.members, preprocessing, matrix, outputs, EXPLAINED_FEATURES)
    names = pa.array(preprocessing.features, pa.string())
    for n in range(EXPLAINED_FEATURES):
        there = n < positions.shape[1]
        feature = names.take(pa.array(positions[:, n])) if there else pa.nulls(len(rows), pa.string())
        effect = pa.array(effects[:, n]) if there else pa.nulls(len(rows), pa.float64())
        predicted = predicted.append_column(EXPLANATION_COLUMNS[2 * n], feature)
        predicted = predicted.append_column(EXPLANATION_COLUMNS[2 * n + 1], effect)
    return predicted


def _places(parsed: ParsedBatch) -> pa.Array:
    """For every row of the batch its place among the kept ones, null where it was not kept."""
    kept = iter(range(parsed.table.num_rows))
    return pa.array([next(kept) if keep else None for keep in parsed.kept.to_pylist()], pa.int64())


def _reasons(parsed: ParsedBatch, rows: int) -> Iterator[str | None]:
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
