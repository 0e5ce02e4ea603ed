"""Preprocessing: typed values become the numbers that a tree model reads, the same for a table and for one row.

It is fitted once and recorded. A missing value is NaN everywhere. Numbers stay numbers, booleans become 0 and 1, text
becomes a code into a recorded vocabulary (a native category of the tree libraries), and dates and timestamps become
calendar numbers.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid

MAX_CATEGORIES = 255
"""How many codes a text column can have.

Beyond it the rarest values share the last code, so that what the model learned of rare values also speaks for those it
never met; below it a value outside the vocabulary is missing.
"""

IDENTIFIER_SHARE = 0.95
"""A text column with this share of different values names its rows and says nothing about the next one."""

_NAN = math.nan
_LIMIT = float(np.finfo(np.float32).max)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US_PER_DAY = 86_400_000_000

Encoder = Callable[[Any], float]


class ColumnSource(Protocol):
    """An Arrow table, or a file that is not all in memory, as it is read by column."""

    @property
    def num_rows(self) -> int:
        """How many rows every column has."""
        ...

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Return the values of one column."""
        ...


class Encoding(StrEnum):
    """How the values of a feature become one column of the matrix."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    EPOCH_DAYS = "epoch_days"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR = "hour"


_CALENDAR = (Encoding.EPOCH_DAYS, Encoding.YEAR, Encoding.MONTH, Encoding.DAY, Encoding.WEEKDAY)
_ENCODINGS: dict[DataType, tuple[Encoding, ...]] = {
    DataType.INTEGER: (Encoding.NUMBER,),
    DataType.FLOAT: (Encoding.NUMBER,),
    DataType.BOOLEAN: (Encoding.BOOLEAN,),
    DataType.STRING: (Encoding.CATEGORY,),
    DataType.DATE: _CALENDAR,
    DataType.TIMESTAMP: (*_CALENDAR, Encoding.HOUR),
}


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the matrix: feature `source` after `encoding`.

    `vocabulary` lists the texts of a category by code, most frequent first; with `has_other` one more code stands for
    every text that is not listed.
    """

    name: str
    source: str
    data_type: DataType
    encoding: Encoding
    vocabulary: tuple[str, ...] = ()
    has_other: bool = False

    @property
    def is_categorical(self) -> bool:
        """Whether the column has codes of a vocabulary."""
        return self.encoding is Encoding.CATEGORY

    def to_json(self) -> dict[str, Any]:
        """Return the column's entry in `preprocess.json`."""
        record: dict[str, Any] = {
            "name": self.name,
            "source": self.source,
            "data_type": self.data_type.value,
            "encoding": self.encoding.value,
        }
        if self.is_categorical:
            record |= {"vocabulary": list(self.vocabulary), "has_other": self.has_other}
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the column that `to_json` wrote."""
        return cls(
            name=record["name"],
            source=record["source"],
            data_type=DataType(record["data_type"]),
            encoding=Encoding(record["encoding"]),
            vocabulary=tuple(record.get("vocabulary", ())),
            has_other=record.get("has_other", False),
        )


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
        encoders = tuple((column.source, _row_encoder(column)) for column in self.layout)
        object.__setattr__(self, "_row_encoders", encoders)

    @classmethod
    def fit(
        cls, contract: Contract, features: Sequence[str], table: ColumnSource, categories: Sequence[str] = ()
    ) -> Self:
        """Learn vocabularies and the columns worth keeping.

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
            data_type = contract.column(name).data_type
            is_category = name in categories and data_type is DataType.INTEGER
            candidates = (
                [_category_column(name, values, data_type)]
                if is_category
                else _candidate_columns(name, data_type, values)
            )
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

    def matrix(self, table: ColumnSource, into: np.ndarray | None = None) -> np.ndarray:
        """Encode a table.

        Args:
            table: the features, in the contract's Arrow types.
            into: a matrix to fill instead of a new one.

        Returns:
            float32 (rows, width), NaN where missing.
        """
        matrix = np.empty((table.num_rows, self.width), dtype=np.float32) if into is None else into
        for i, column in enumerate(self.layout):
            matrix[:, i] = _encode(column, table.column(column.source))
        return matrix

    def row(self, values: Mapping[str, object]) -> list[float]:
        """Encode one row of typed Python values, None where missing.

        As float32 it is equal to the row of `matrix` to the bit.
        """
        return [encode(values[name]) for name, encode in self._row_encoders]

    def to_json(self) -> dict[str, Any]:
        """Return the content of `preprocess.json`."""
        return {"columns": [column.to_json() for column in self.layout], "dropped": self.dropped}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote."""
        return cls(tuple(EncodedColumn.from_json(column) for column in record["columns"]), dict(record["dropped"]))


def _candidate_columns(name: str, data_type: DataType, values: pa.ChunkedArray) -> list[EncodedColumn]:
    encodings = _ENCODINGS[data_type]
    if encodings == (Encoding.CATEGORY,):
        return [_category_column(name, values, data_type)]
    if len(encodings) == 1:
        return [EncodedColumn(name, name, data_type, encodings[0])]
    return [EncodedColumn(f"{name}.{encoding.value}", name, data_type, encoding) for encoding in encodings]


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
            return "nearly every text is different, as in an identifier"
    encoded = _encode(column, values)
    missing = np.isnan(encoded)
    if missing.all():
        return "every value is missing"
    if not missing.any() and (encoded == encoded[0]).all():
        return "every value is the same"
    return None


def _encode(column: EncodedColumn, values: pa.ChunkedArray) -> np.ndarray:
    """Return the encoded values as float32 (rows,)."""
    match column.encoding:
        case Encoding.NUMBER:
            # Through float64, as the row goes: int64 straight to float32 would round once where the row rounds twice.
            numbers = values.cast(pa.float64(), safe=False).to_numpy()
            return np.clip(numbers, -_LIMIT, _LIMIT).astype(np.float32)
        case Encoding.BOOLEAN:
            return values.cast(pa.float32()).to_numpy()
        case Encoding.CATEGORY:
            return _encode_category(column, values)
        case _:
            return _encode_calendar(column.encoding, values)


def _encode_category(column: EncodedColumn, values: pa.ChunkedArray) -> np.ndarray:
    codes = pc.index_in(values.cast(pa.string()), value_set=pa.array(column.vocabulary, pa.string()))
    if column.has_other:
        other = pa.scalar(len(column.vocabulary), pa.int32())
        codes = pc.if_else(pc.is_null(values), pa.scalar(None, pa.int32()), pc.fill_null(codes, other))
    return codes.cast(pa.float32()).to_numpy()


def _encode_calendar(encoding: Encoding, values: pa.ChunkedArray) -> np.ndarray:
    missing = values.is_null().to_numpy()
    moments = values.cast(pa.timestamp("us")).fill_null(0).to_numpy().astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    match encoding:
        case Encoding.EPOCH_DAYS:
            numbers = moments.astype(np.int64).astype(np.float64) / _US_PER_DAY
        case Encoding.YEAR:
            numbers = moments.astype("datetime64[Y]").astype(np.int64) + 1970
        case Encoding.MONTH:
            numbers = moments.astype("datetime64[M]").astype(np.int64) % 12 + 1
        case Encoding.DAY:
            numbers = (days - moments.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
        case Encoding.WEEKDAY:  # Monday is 0; 1970-01-01 was a Thursday
            numbers = (days.astype(np.int64) + 3) % 7
        case _:
            numbers = (moments.astype(np.int64) // 3_600_000_000) % 24
    encoded = numbers.astype(np.float32)
    encoded[missing] = np.nan
    return encoded


def _row_encoder(column: EncodedColumn) -> Encoder:
    """Return the function that encodes one Python value as `_encode` does a column."""
    match column.encoding:
        case Encoding.NUMBER:
            return _number
        case Encoding.BOOLEAN:
            return {True: 1.0, False: 0.0, None: _NAN}.__getitem__
        case Encoding.CATEGORY:
            codes: dict[str | None, float] = {text: float(code) for code, text in enumerate(column.vocabulary)}
            codes[None] = _NAN
            unseen = float(len(column.vocabulary)) if column.has_other else _NAN
            get = codes.get
            if column.data_type is DataType.STRING:
                return lambda text: get(text, unseen)
            return lambda number: get(None if number is None else str(number), unseen)
        case _:
            parts = _DATE_PARTS if column.data_type is DataType.DATE else _TIMESTAMP_PARTS
            read = parts[column.encoding]
            return lambda moment: _NAN if moment is None else float(read(moment))


def _number(value: float | None) -> float:
    if value is None:
        return _NAN
    number = float(value)
    # float32 holds less than float64, and XGBoost refuses infinities.
    return max(-_LIMIT, min(_LIMIT, number)) if abs(number) > _LIMIT else number


def _epoch_days(moment: datetime) -> float:
    age = _utc(moment) - _EPOCH
    return float((age.days * 86_400 + age.seconds) * 1_000_000 + age.microseconds) / _US_PER_DAY


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


_DATE_PARTS: dict[Encoding, Callable[[Any], float]] = {
    Encoding.EPOCH_DAYS: lambda day: day.toordinal() - _EPOCH_DAY,
    Encoding.YEAR: lambda day: day.year,
    Encoding.MONTH: lambda day: day.month,
    Encoding.DAY: lambda day: day.day,
    Encoding.WEEKDAY: lambda day: day.weekday(),
}
_TIMESTAMP_PARTS: dict[Encoding, Callable[[Any], float]] = {
    Encoding.EPOCH_DAYS: _epoch_days,
    Encoding.YEAR: lambda moment: _utc(moment).year,
    Encoding.MONTH: lambda moment: _utc(moment).month,
    Encoding.DAY: lambda moment: _utc(moment).day,
    Encoding.WEEKDAY: lambda moment: _utc(moment).weekday(),
    Encoding.HOUR: lambda moment: _utc(moment).hour,
}
