"""A column and a single value are encoded alike, and a recorded encoding is the same again."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.time_zones import find_time_zone
from dataml.contract.types import DataType
from dataml.ml.encoding import EncodedColumn, Encoding
from dataml.ml.number_shift import NumberShift

DAYS = [date(1, 1, 1), date(1969, 12, 31), None, date(2024, 2, 29), date(9999, 12, 31)]
MOMENTS = [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), None, datetime(2024, 2, 29, 7, 30, tzinfo=UTC)]
CALENDAR = [Encoding.EPOCH_DAYS, Encoding.YEAR, Encoding.MONTH, Encoding.DAY, Encoding.WEEKDAY]
CASES: list[tuple[DataType, Encoding, list[Any]]] = [
    (DataType.FLOAT, Encoding.NUMBER, [0.1, 1e300, None, -1e300]),
    (DataType.INTEGER, Encoding.NUMBER, [1, 2**53 + 1, None, -(2**63)]),
    (DataType.BOOLEAN, Encoding.BOOLEAN, [True, False, None]),
    (DataType.STRING, Encoding.CATEGORY, ["a", "b", None, "unseen"]),
    (DataType.INTEGER, Encoding.CATEGORY, [1, 2, None, 99]),
    *((DataType.DATE, encoding, DAYS) for encoding in CALENDAR),
    *((DataType.TIMESTAMP, encoding, MOMENTS) for encoding in [*CALENDAR, Encoding.HOUR]),
]
VOCABULARIES = {DataType.STRING: ("a", "b"), DataType.INTEGER: ("2", "1")}


def make_column(data_type: DataType, encoding: Encoding, has_other: bool = False) -> EncodedColumn:
    vocabulary = VOCABULARIES[data_type] if encoding is Encoding.CATEGORY else ()
    return EncodedColumn("x", "x", data_type, encoding, vocabulary, has_other)


@pytest.mark.parametrize(("data_type", "encoding", "values"), CASES)
def test_a_value_is_encoded_as_its_column_to_the_bit(
    data_type: DataType, encoding: Encoding, values: list[Any]
) -> None:
    for has_other in (False, True):
        column = make_column(data_type, encoding, has_other)
        encode = column.value_encoder()
        together = column.encode(pa.chunked_array([pa.array(values, data_type.arrow)]))
        assert together.dtype == np.float32
        assert np.array([encode(value) for value in values], np.float32).tobytes() == together.tobytes()
        assert [value is None for value in values] == np.isnan(together).tolist() or encoding is Encoding.CATEGORY
        assert not np.isinf(together).any()


def test_an_unseen_category_is_missing_or_the_code_of_all_others() -> None:
    values = pa.chunked_array([pa.array(["b", "unseen", None])])
    without = make_column(DataType.STRING, Encoding.CATEGORY).encode(values)
    assert without[0] == 1
    assert np.isnan(without[1:]).all()
    with_other = make_column(DataType.STRING, Encoding.CATEGORY, has_other=True).encode(values)
    assert with_other[:2].tolist() == [1, 2]
    assert np.isnan(with_other[2])


def test_calendar_numbers_count_from_the_epoch_monday_and_one() -> None:
    values = pa.chunked_array([pa.array([date(1970, 1, 1), date(1969, 12, 29)], pa.date32())])
    expected = {"epoch_days": [0, -3], "year": [1970, 1969], "month": [1, 12], "day": [1, 29], "weekday": [3, 0]}
    for encoding in CALENDAR:
        assert make_column(DataType.DATE, encoding).encode(values).tolist() == expected[encoding]


@pytest.mark.parametrize(("data_type", "encoding", "values"), CASES)
def test_a_recorded_column_is_the_same_again(data_type: DataType, encoding: Encoding, values: list[Any]) -> None:
    column = make_column(data_type, encoding, has_other=encoding is Encoding.CATEGORY)
    record = json.loads(json.dumps(column.to_json()))
    assert EncodedColumn.from_json(record) == column
    assert ("vocabulary" in record) == column.is_categorical


@pytest.mark.parametrize(
    ("data_type", "encoding", "shift", "values"),
    [
        (DataType.INTEGER, Encoding.NUMBER, NumberShift(10**18), [10**18 + 1, None, -(2**63), 2**63 - 1, 2**53 + 1]),
        (DataType.FLOAT, Encoding.NUMBER, NumberShift(1.7e9), [1.7e9 + 0.125, None, -1e300, 0.1]),
        (DataType.FLOAT, Encoding.NUMBER, NumberShift(0, 2.0**990), [1e-300, None, 1e300]),
        (DataType.TIMESTAMP, Encoding.EPOCH_DAYS, NumberShift(19_782.3125), MOMENTS),
    ],
)
def test_a_shifted_value_is_encoded_as_its_column_to_the_bit(
    data_type: DataType, encoding: Encoding, shift: NumberShift, values: list[Any]
) -> None:
    column = EncodedColumn("x", "x", data_type, encoding, shift=shift)
    encode = column.value_encoder()
    together = column.encode(pa.chunked_array([pa.array(values, data_type.arrow)]))
    assert np.array([encode(value) for value in values], np.float32).tobytes() == together.tobytes()
    assert EncodedColumn.from_json(json.loads(json.dumps(column.to_json()))) == column


def test_days_of_moments_are_shifted_where_float32_would_lose_seconds() -> None:
    column = make_column(DataType.TIMESTAMP, Encoding.EPOCH_DAYS)
    seconds = [datetime(2024, 2, 29, 7, minute, second, tzinfo=UTC) for minute in range(5) for second in range(60)]
    for moments, count in [(seconds, len(seconds)), (seconds[:1], 1)]:
        values = pa.chunked_array([pa.array(moments, pa.timestamp("us", "UTC"))])
        assert len(set(column.fit_shift(values).encode(values).tolist())) == count
        assert column.fit_shift(values).shift.is_identity == (count == 1)


def test_only_numbers_and_days_are_shifted() -> None:
    values = pa.chunked_array([pa.array(["a", "b"])])
    column = make_column(DataType.STRING, Encoding.CATEGORY)
    assert column.fit_shift(values) == column
    assert "offset" not in column.to_json()


@pytest.mark.parametrize("encoding", [*CALENDAR[1:], Encoding.HOUR])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "-09:30"])
def test_calendar_numbers_of_a_column_with_a_zone_are_those_of_its_clock(zone: str, encoding: Encoding) -> None:
    column = EncodedColumn("x", "x", DataType.TIMESTAMP, encoding, time_zone=zone)
    hours = [datetime(2024, 3, 30, 12, tzinfo=UTC) + timedelta(hours=hour) for hour in range(48)]
    hours += [datetime(2023, 12, 31, 20, tzinfo=UTC) + timedelta(hours=hour) for hour in range(12)]
    values = [*hours, None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
    together = column.encode(pa.chunked_array([pa.array(values, DataType.TIMESTAMP.arrow)]))
    encode = column.value_encoder()
    assert np.array([encode(value) for value in values], np.float32).tobytes() == together.tobytes()
    local = [hour.astimezone(find_time_zone(zone)) for hour in hours]
    name = encoding.value
    expected = [each.weekday() if name == "weekday" else getattr(each, name) for each in local]
    assert together[: len(hours)].tolist() == expected
    assert EncodedColumn.from_json(json.loads(json.dumps(column.to_json()))) == column
