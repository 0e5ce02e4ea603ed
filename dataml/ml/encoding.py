"""Encoding of a feature's values: one column of the matrix, the same for an Arrow column and for one Python value."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.local_times import to_local_times
from dataml.contract.time_zones import find_time_zone, to_local
from dataml.contract.types import DataType
from dataml.ml.number_shift import IDENTITY, LIMIT, NumberShift, choose_shift

_NAN = math.nan
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US_PER_DAY = 86_400_000_000

Encoder = Callable[[Any], float]


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


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the matrix: feature `source` after `encoding`.

    `vocabulary` lists the texts of a category by code, most frequent first; with `has_other` one more code stands for
    every text that is not listed. `shift` is taken off numbers and days before they become float32. Years to hours of a
    timestamp are those of the clock of `time_zone`, None for UTC.
    """

    name: str
    source: str
    data_type: DataType
    encoding: Encoding
    vocabulary: tuple[str, ...] = ()
    has_other: bool = False
    shift: NumberShift = IDENTITY
    time_zone: str | None = None

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
        if self.time_zone is not None:
            record["time_zone"] = self.time_zone
        return record | self.shift.to_json()

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
            shift=NumberShift.from_json(record),
            time_zone=record.get("time_zone"),
        )

    def fit_shift(self, values: pa.ChunkedArray) -> Self:
        """Return the column with the shift that float32 needs to hold `values`; most columns need none."""
        present = values.drop_null()
        if self.encoding is Encoding.NUMBER:
            return replace(self, shift=choose_shift(present.to_numpy()))
        if self.encoding is Encoding.EPOCH_DAYS and self.data_type is DataType.TIMESTAMP:
            return replace(self, shift=choose_shift(_epoch_days_of(_to_moments(present))))
        return self

    def encode(self, values: pa.ChunkedArray) -> np.ndarray:
        """Return encoded values of the feature as float32 (rows,)."""
        match self.encoding:
            case Encoding.NUMBER:
                return _encode_numbers(self.shift, values)
            case Encoding.BOOLEAN:
                return values.cast(pa.float32()).to_numpy()
            case Encoding.CATEGORY:
                return _encode_category(self, values)
            case _:
                return _encode_calendar(self, values)

    def value_encoder(self) -> Encoder:
        """Return the function that encodes one Python value as `encode` does a column."""
        match self.encoding:
            case Encoding.NUMBER:
                return _encode_number if self.shift.is_identity else self.shift.value_encoder()
            case Encoding.BOOLEAN:
                return {True: 1.0, False: 0.0, None: _NAN}.__getitem__
            case Encoding.CATEGORY:
                return _category_encoder(self)
            case _:
                parts = _DATE_PARTS if self.data_type is DataType.DATE else _TIMESTAMP_PARTS
                read = parts[self.encoding]
                if self.time_zone is not None:
                    return _local_encoder(read, self.time_zone)
                if not self.shift.is_identity:
                    return _shifted_encoder(read, self.shift)
                return lambda moment: _NAN if moment is None else float(read(moment))


def _encode_category(column: EncodedColumn, values: pa.ChunkedArray) -> np.ndarray:
    codes = pc.index_in(values.cast(pa.string()), value_set=pa.array(column.vocabulary, pa.string()))
    if column.has_other:
        other = pa.scalar(len(column.vocabulary), pa.int32())
        codes = pc.if_else(pc.is_null(values), pa.scalar(None, pa.int32()), pc.fill_null(codes, other))
    return codes.cast(pa.float32()).to_numpy()


def _encode_numbers(shift: NumberShift, values: pa.ChunkedArray) -> np.ndarray:
    if shift.is_identity or not pa.types.is_integer(values.type):
        # Through float64, as a row goes: int64 straight to float32 would round once where a row rounds twice.
        return shift.apply(values.cast(pa.float64(), safe=False).to_numpy()).astype(np.float32)
    encoded = shift.apply(values.cast(pa.int64()).fill_null(0).to_numpy()).astype(np.float32)
    encoded[values.is_null().to_numpy()] = np.nan
    return encoded


def _shifted_encoder(read: Encoder, shift: NumberShift) -> Encoder:
    encode = shift.value_encoder()
    return lambda value: encode(None if value is None else read(value))


def _local_encoder(read: Encoder, time_zone: str) -> Encoder:
    zone = find_time_zone(time_zone)
    return lambda moment: _NAN if moment is None else float(read(to_local(moment, zone).replace(tzinfo=UTC)))


def _to_moments(values: pa.ChunkedArray) -> np.ndarray:
    return values.cast(pa.timestamp("us")).fill_null(0).to_numpy().astype("datetime64[us]")


def _epoch_days_of(moments: np.ndarray) -> np.ndarray:
    return moments.astype(np.int64).astype(np.float64) / _US_PER_DAY


def _encode_calendar(column: EncodedColumn, values: pa.ChunkedArray) -> np.ndarray:
    missing = values.is_null().to_numpy()
    moments = _to_moments(values)
    if column.time_zone is not None:
        moments = to_local_times(moments.astype(np.int64), column.time_zone).astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    match column.encoding:
        case Encoding.EPOCH_DAYS:
            numbers = column.shift.apply(_epoch_days_of(moments))
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


def _category_encoder(column: EncodedColumn) -> Encoder:
    codes: dict[str | None, float] = {text: float(code) for code, text in enumerate(column.vocabulary)}
    codes[None] = _NAN
    unseen = float(len(column.vocabulary)) if column.has_other else _NAN
    get = codes.get
    if column.data_type is DataType.STRING:
        return lambda text: get(text, unseen)
    return lambda number: get(None if number is None else str(number), unseen)


def _encode_number(value: float | None) -> float:
    if value is None:
        return _NAN
    number = float(value)
    # float32 holds less than float64, and XGBoost refuses infinities.
    return max(-LIMIT, min(LIMIT, number)) if abs(number) > LIMIT else number


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
