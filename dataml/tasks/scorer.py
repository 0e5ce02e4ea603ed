"""Scoring of batches: rows as they were uploaded in, a row of the result for each of them out."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import parse_column
from dataml.contract.contract import CONSTRAINT_RULES, Column, Contract, ParsedBatch
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.errors import Invalid
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import top_effects
from dataml.ml.input_checks import InputCounter

EXPLAINED_FEATURES: Final = 5
MIN_TEXTS: Final = 20
_NUMBERS: Final = range(1, EXPLAINED_FEATURES + 1)
EXPLANATION_COLUMNS: Final = tuple(f"explanation_{n}_{of}" for n in _NUMBERS for of in ("feature", "effect"))
RESULT_COLUMNS: Final = ("prediction", *EXPLANATION_COLUMNS, "error")


class Scorer:
    """Scores batches of rows; a row's result does not depend on the other rows of its batch.

    Attributes:
        schema: the columns of the result.
    """

    def __init__(
        self, predictor: Predictor, contract: Contract, ids: Contract, explain: bool, threshold: float | None = None
    ) -> None:
        """Keep what is needed.

        Args:
            predictor: predicts.
            contract: reads the predictor's features in the spelling of the rows.
            ids: reads the Id columns.
            explain: whether the result has the features with the largest effects.
            threshold: the decision threshold of two classes; None for the more probable class.
        """
        self._predictor = predictor
        self._contract = contract
        self._ids = ids
        self._explain = explain
        self._threshold = threshold
        self.schema = self._build_schema()

    def check_types(self, batch: pa.RecordBatch) -> None:
        """Refuse rows whose features are of other types than the predictor's, as their first batch shows.

        Raises:
            Invalid: `schema_mismatch`.
        """
        check_types(self._parse(batch), batch, self._contract, self._predictor.boolean_texts)

    def score(self, batch: pa.RecordBatch, counter: InputCounter) -> tuple[pa.Table, int]:
        """Return the result of a batch, and how many of its rows failed.

        `counter` counts the values that the training has not seen.
        """
        predictor = self._predictor
        parsed = self._parse(batch)
        rows = pa.Table.from_batches([parsed.table])
        counter.add(rows)
        predicted = predictor.predict_table(rows, self._threshold)
        if self._explain:
            predicted = _append_explanation(predictor, rows, predicted)
        failed = batch.num_rows - parsed.table.num_rows
        error = pa.nulls(batch.num_rows, pa.string())
        if failed:
            predicted = predicted.take(_kept_positions(parsed))
            error = pa.array(_error_texts(parsed, batch.num_rows), pa.string())
        columns = {_id_name(predictor, column.name): _read_ids(batch, column) for column in self._ids.columns}
        columns |= {name: predicted.column(name) for name in predicted.column_names}
        return pa.table(columns | {"error": error}).cast(self.schema), failed

    def _parse(self, batch: pa.RecordBatch) -> ParsedBatch:
        return self._contract.parse_batch(_spell_booleans(batch, self._predictor.boolean_texts))

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
