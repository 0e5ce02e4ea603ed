"""Preprocessing: typed values become the numbers that a tree model reads, the same for a table and for one row.

It is fitted once and recorded. A missing value is NaN everywhere. Numbers stay numbers, less a recorded offset where
float32 would merge them, booleans become 0 and 1, text becomes a code into a recorded vocabulary (a native category of
the tree libraries), and dates and timestamps become calendar numbers.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.encoding import EncodedColumn, Encoder, Encoding

MAX_CATEGORIES = 255
"""How many codes a text column can have.

Beyond it the rarest values share the last code, so that what the model learned of rare values also speaks for those it
never met; below it a value outside the vocabulary is missing.
"""

IDENTIFIER_SHARE = 0.95
"""A text column with this share of different values names its rows and says nothing about the next one."""

IDENTIFIER_REASON = "nearly every text is different, as in an identifier"
"""Why such a column is dropped."""

_CALENDAR = (Encoding.EPOCH_DAYS, Encoding.YEAR, Encoding.MONTH, Encoding.DAY, Encoding.WEEKDAY)
_ENCODINGS: dict[DataType, tuple[Encoding, ...]] = {
    DataType.INTEGER: (Encoding.NUMBER,),
    DataType.FLOAT: (Encoding.NUMBER,),
    DataType.BOOLEAN: (Encoding.BOOLEAN,),
    DataType.STRING: (Encoding.CATEGORY,),
    DataType.DATE: _CALENDAR,
    DataType.TIMESTAMP: (*_CALENDAR, Encoding.HOUR),
}


class ColumnSource(Protocol):
    """An Arrow table, or a file that is not all in memory, as it is read by column."""

    @property
    def num_rows(self) -> int:
        """How many rows every column has."""
        ...

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Return the values of one column."""
        ...


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing that was fitted on the training rows.

    `layout` has the columns of the matrix in order, `dropped` the features that are in none of them, each with the
    reason. Single calendar numbers that never change are left out and not listed.
    """

    layout: tuple[EncodedColumn, ...]
    dropped: dict[str, str] = field(default_factory=dict)
    _row_encoders: tuple[tuple[str, Encoder], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        encoders = tuple((column.source, column.value_encoder()) for column in self.layout)
        object.__setattr__(self, "_row_encoders", encoders)

    @classmethod
    def fit(
        cls, contract: Contract, features: Sequence[str], table: ColumnSource, categories: Sequence[str] = ()
    ) -> Self:
        """Learn vocabularies, the shifts of numbers, and the columns worth keeping.

        Args:
            contract: the types of the columns.
            features: the names of the columns to read.
            table: the training rows, in the contract's Arrow types.
            categories: features whose whole numbers are names of something; they become codes like text.

        Raises:
            Invalid: no feature can tell two rows apart (`no_features`).
        """
        kept: list[EncodedColumn] = []
        dropped: dict[str, str] = {}
        for name in features:
            values = table.column(name)
            data_type, time_zone = contract.column(name).data_type, contract.column(name).time_zone
            is_category = name in categories and data_type is DataType.INTEGER
            candidates = (
                [_category_column(name, values, data_type)]
                if is_category
                else _candidate_columns(name, data_type, values, time_zone)
            )
            candidates = [candidate.fit_shift(values) for candidate in candidates]
            reasons = [_drop_reason(candidate, values) for candidate in candidates]
            useful = [candidate for candidate, reason in zip(candidates, reasons, strict=True) if reason is None]
            if not useful:
                dropped[name] = reasons[0] or ""
            kept += useful
        if not kept:
            raise Invalid(
                "No feature can tell two rows apart: " + "; ".join(f"'{n}': {why}" for n, why in dropped.items()),
                code="no_features",
            )
        return cls(tuple(kept), dropped)

    @property
    def width(self) -> int:
        """How many columns the matrix has."""
        return len(self.layout)

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature it was fitted on, each once: those in the matrix, in order, then the dropped ones."""
        return tuple(dict.fromkeys((*(column.source for column in self.layout), *self.dropped)))

    @property
    def categorical(self) -> tuple[int, ...]:
        """The positions of native categories in the matrix."""
        return tuple(i for i, column in enumerate(self.layout) if column.is_categorical)

    def transform(self, table: ColumnSource, into: np.ndarray | None = None) -> np.ndarray:
        """Encode a table.

        Args:
            table: the features, in the contract's Arrow types.
            into: a matrix to fill instead of a new one.

        Returns:
            float32 (rows, width), NaN where missing.
        """
        matrix = np.empty((table.num_rows, self.width), dtype=np.float32) if into is None else into
        for i, column in enumerate(self.layout):
            matrix[:, i] = column.encode(table.column(column.source))
        return matrix

    def transform_row(self, values: Mapping[str, object]) -> list[float]:
        """Encode one row of typed Python values, None where missing.

        As float32 it is equal to the row of `transform` to the bit.
        """
        return [encode(values[name]) for name, encode in self._row_encoders]

    def to_json(self) -> dict[str, Any]:
        """Return the content of `preprocess.json`."""
        return {"columns": [column.to_json() for column in self.layout], "dropped": self.dropped}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote."""
        return cls(tuple(EncodedColumn.from_json(column) for column in record["columns"]), dict(record["dropped"]))


def _candidate_columns(
    name: str, data_type: DataType, values: pa.ChunkedArray, time_zone: str | None
) -> list[EncodedColumn]:
    encodings = _ENCODINGS[data_type]
    if encodings == (Encoding.CATEGORY,):
        return [_category_column(name, values, data_type)]
    if len(encodings) == 1:
        return [EncodedColumn(name, name, data_type, encodings[0])]
    columns = [EncodedColumn(f"{name}.{encoding.value}", name, data_type, encoding) for encoding in encodings]
    # Days since 1970 are a moment, the same on every clock.
    return [
        column if column.encoding is Encoding.EPOCH_DAYS else replace(column, time_zone=time_zone) for column in columns
    ]


def _category_column(name: str, values: pa.ChunkedArray, data_type: DataType) -> EncodedColumn:
    counts = pc.value_counts(pc.drop_null(values.cast(pa.string()))).to_pylist()
    # Equal counts are ordered by text, so that the codes do not depend on the order of the rows.
    ordered = [entry["values"] for entry in sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))]
    has_other = len(ordered) > MAX_CATEGORIES
    vocabulary = tuple(ordered[: MAX_CATEGORIES - 1] if has_other else ordered)
    return EncodedColumn(name, name, data_type, Encoding.CATEGORY, vocabulary, has_other)


def _drop_reason(column: EncodedColumn, values: pa.ChunkedArray) -> str | None:
    """Return why `column` cannot tell two of the rows apart, or None when it can."""
    present = len(values) - values.null_count
    if present == 0:
        return "every value is missing"
    if column.is_categorical and present > 1 and column.data_type is DataType.STRING:
        distinct = pc.count_distinct(values).as_py()
        if distinct >= IDENTIFIER_SHARE * present:
            return IDENTIFIER_REASON
    encoded = column.encode(values)
    missing = np.isnan(encoded)
    if missing.all():
        return "every value is missing"
    if not missing.any() and (encoded == encoded[0]).all():
        return "every value is the same"
    return None
