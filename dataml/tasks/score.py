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

from dataml.contract.adaptation import refuse_missing
from dataml.contract.columns import parse_column
from dataml.contract.contract import CONSTRAINT_RULES, Column, Contract, ParsedBatch
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid
from dataml.jobs.spec import DatasetRows, JobContext, ScoreResult, ScoreSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import top_effects
from dataml.ml.input_checks import InputCounter
from dataml.tasks.model_rows import ModelRows
from dataml.tasks.result_writer import ResultWriter

BATCH_ROWS = 65_536
# Explained rows take a thousand times as long: with smaller batches, the progress is reported more often.
EXPLAINED_BATCH_ROWS = 4_096
EXPLAINED_FEATURES = 5
MIN_TEXTS = 20
_NUMBERS = range(1, EXPLAINED_FEATURES + 1)
EXPLANATION_COLUMNS = tuple(f"explanation_{n}_{of}" for n in _NUMBERS for of in ("feature", "effect"))
RESULT_COLUMNS = ("prediction", *EXPLANATION_COLUMNS, "error")


def run(spec: ScoreSpec, context: JobContext) -> ScoreResult:
    """Predict every row, in order.

    The rows are those of the uploaded files, read by the predictor's own contract: what a value means does not depend
    on the other rows of its file. Their spelling is that of the dataset; see `contract.adaptation`.

    The columns of the result are the Id columns, `prediction`, `probability_<class>`..., `error` (empty when there is
    none). With `explain`, ten more columns come before `error`: `explanation_1_feature`, `explanation_1_effect`, ... to
    5, the features with the largest SHAP values of this prediction, largest first, empty when the model has fewer. An
    effect is what the feature adds to the number, to the log-odds of the second of two classes, or to the score of the
    predicted one of several; see `ml.explanation.shap_values` for blends.

    A row whose values the predictor's contract refuses has the reason instead of a prediction. Id columns have the
    types of the dataset and are written unchanged: a text that starts with = + - or @ stays as it is, since the file is
    data for programs and changing an id would break their joins; import it as text into a spreadsheet. An Id column
    with the name of a result column becomes `input_<name>`.

    Raises:
        BundleDamaged: the bundle cannot be loaded.
        InvalidFields: `missing_feature`.
        Invalid: `schema_mismatch`.
        DatamlError: what `tasks.lake.write` raises, with a lake table.
    """
    context.report_progress(0.02, "Loading the model")
    predictor = Predictor.load(context.fetch(spec.bundle), threads=len(os.sched_getaffinity(0)))
    rows = ModelRows(spec.rows, spec.parquet, predictor.contract, context)
    refuse_missing(rows.missing())
    ids = _id_contract(predictor, rows, spec.rows)
    scorer = _Scorer(predictor, rows.contract, ids, spec.explain)
    schema, total, done, failed = scorer.schema, max(rows.total, 1), 0, 0
    batch_rows = EXPLAINED_BATCH_ROWS if spec.explain else BATCH_ROWS
    with ResultWriter(context, "predictions", schema, spec.lake) as writer:
        for batch in rows.batches({*ids.names, *rows.contract.names}, batch_rows):
            result, batch_failed = scorer.score(batch, is_first=not done)
            writer.write(result.cast(schema))
            done, failed = done + batch.num_rows, failed + batch_failed
            context.report_progress(min(0.05 + 0.9 * done / total, 0.95), f"Scored {done:,} of {total:,} rows")
    return replace(writer.finish(failed, scorer.warnings()), positive_class=predictor.positive_label)


def _id_contract(predictor: Predictor, rows: ModelRows, dataset: DatasetRows | None) -> Contract:
    """Return the Id columns that the rows have, in the types of the dataset; none of their values is refused."""
    names = [name for name in predictor.id_columns if name in rows.names]
    if dataset is None:
        types = {name: rows.copied_type(name) for name in names}
        return Contract(tuple(Column(name, data_type) for name, data_type in types.items()))
    known = [name for name in names if name in dataset.contract.names]
    return Contract(tuple(replace(dataset.contract.column(name), nullable=True) for name in known))


class _Scorer:
    """Scores batches of rows.

    Attributes:
        schema: the columns of the result.
    """

    def __init__(self, predictor: Predictor, contract: Contract, ids: Contract, explain: bool) -> None:
        self._predictor = predictor
        self._contract = contract
        self._ids = ids
        self._explain = explain
        self._counter = InputCounter(predictor.input_checks)
        self.schema = self._build_schema()

    def warnings(self) -> tuple[DataWarning, ...]:
        """Return the warnings about the values of all rows."""
        return self._counter.warnings()

    def score(self, batch: pa.RecordBatch, *, is_first: bool) -> tuple[pa.Table, int]:
        """Return the result of a batch, and how many of its rows failed.

        Raises:
            Invalid: `schema_mismatch`: this is the first batch, and a feature has no value in it that fits.
        """
        predictor = self._predictor
        parsed = self._contract.parse_batch(_spell_booleans(batch, predictor.boolean_texts))
        if is_first:
            check_types(parsed, batch, self._contract, predictor.boolean_texts)
        rows = pa.Table.from_batches([parsed.table])
        self._counter.add(rows)
        predicted = predictor.predict_table(rows)
        if self._explain:
            predicted = _append_explanation(predictor, rows, predicted)
        failed = batch.num_rows - parsed.table.num_rows
        error = pa.nulls(batch.num_rows, pa.string())
        if failed:
            predicted = predicted.take(_kept_positions(parsed))
            error = pa.array(_error_texts(parsed, batch.num_rows), pa.string())
        columns = {_id_name(predictor, column.name): _read_ids(batch, column) for column in self._ids.columns}
        columns |= {name: predicted.column(name) for name in predicted.column_names}
        return pa.table(columns | {"error": error}), failed

    def _build_schema(self) -> pa.Schema:
        predictor = self._predictor
        is_regression = predictor.manifest.classes is None
        prediction = pa.float64() if is_regression else predictor.manifest.target_type.arrow
        explanations = EXPLANATION_COLUMNS if self._explain else ()
        return pa.schema(
            [
                *((_id_name(predictor, column.name), column.data_type.arrow) for column in self._ids.columns),
                ("prediction", prediction),
                *((name, pa.float64()) for name in predictor.probability_columns),
                *((name, pa.string() if name.endswith("feature") else pa.float64()) for name in explanations),
                ("error", pa.string()),
            ]
        )


def _read_ids(batch: pa.RecordBatch, column: Column) -> pa.Array:
    """Return the values of an Id column; one that the dataset's own validation refuses is null."""
    return parse_column(batch.column(column.name), column.data_type, column.value_format).values


def check_types(
    parsed: ParsedBatch, batch: pa.RecordBatch, contract: Contract, boolean_texts: Mapping[str, tuple[str, str]]
) -> None:
    """Refuse rows whose features are of other types than the predictor's, as their first batch shows.

    A typed column is refused where no value of its type fits, and text where none of at least `MIN_TEXTS` cells does.

    Args:
        parsed: the batch as the contract reads it.
        batch: the rows as they were uploaded.
        contract: the features of the predictor.
        boolean_texts: how text features spell false and true, for those that do.

    Raises:
        Invalid: `schema_mismatch`.
    """
    stored = dict(zip(batch.schema.names, batch.schema.types, strict=True))
    mismatches = [
        f"'{column.name}' is {stored[column.name]}, the predictor needs {column.data_type}"
        for column in contract.columns
        if column.name in stored and not _fits(stored[column.name], column, boolean_texts)
    ]
    mismatches += _list_wrong_texts(parsed, batch, contract)
    if mismatches:
        raise Invalid("The dataset does not fit the predictor: " + "; ".join(mismatches) + ".", code="schema_mismatch")


def _fits(stored: pa.DataType, column: Column, boolean_texts: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether a contract can accept some value of this Arrow type."""
    if pa.types.is_boolean(stored):
        return column.data_type is DataType.BOOLEAN or column.name in boolean_texts
    example = next((value for is_type, value in _EXAMPLES if is_type(stored)), None)
    try:
        parse_value(example, column.data_type, column.value_format)
    except InvalidValue:
        return False
    return True


_EXAMPLES: list[tuple[Any, object]] = [
    (pa.types.is_integer, 1),
    (pa.types.is_floating, 1.0),
    (pa.types.is_date, date(2000, 1, 1)),
    (pa.types.is_timestamp, datetime(2000, 1, 1, tzinfo=UTC)),
]


def _list_wrong_texts(parsed: ParsedBatch, batch: pa.RecordBatch, contract: Contract) -> list[str]:
    errors = parsed.errors.to_pylist()
    by_column: dict[str, list[dict[str, Any]]] = {}
    for error in errors:
        if error["rule"] not in CONSTRAINT_RULES:
            by_column.setdefault(error["column"], []).append(error)
    return [
        f"'{name}' is no {contract.column(name).data_type} in any of the first {len(wrong):,} rows with a value, such "
        f"as {wrong[0]['value']!r}: {wrong[0]['reason']}"
        for name, wrong in by_column.items()
        if len(wrong) >= MIN_TEXTS and len(wrong) == batch.num_rows - batch.column(name).null_count
    ]


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


def _id_name(predictor: Predictor, name: str) -> str:
    taken = (*RESULT_COLUMNS, *predictor.probability_columns)
    return f"input_{name}" if name in taken else name
