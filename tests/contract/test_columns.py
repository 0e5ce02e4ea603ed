"""Whole Arrow columns, parsed with the results of the scalar parser."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.columns import MAX_DISPLAY_CHARACTERS, parse_column, to_floats, to_text
from dataml.contract.types import DataType
from dataml.contract.value_format import ValueFormat


@pytest.mark.parametrize(
    ("cells", "data_type", "expected"),
    [
        (pa.array([1, None], pa.int16()), DataType.INTEGER, [1, None]),
        (pa.array([2.0, None]), DataType.INTEGER, [2, None]),
        (pa.array([1], pa.uint64()), DataType.FLOAT, [1.0]),
        (pa.array([2**53 + 1]), DataType.FLOAT, [float(2**53 + 1)]),
        (pa.array([1.5], pa.float16()), DataType.FLOAT, [1.5]),
        (pa.array([Decimal("1.50")]), DataType.FLOAT, [1.5]),
        (pa.array([Decimal("5.00"), None]), DataType.INTEGER, [5, None]),
        (pa.array([Decimal("1.50"), Decimal("2.00")]), DataType.STRING, ["1.50", "2"]),
        (pa.array([Decimal("0.0000000150"), None]), DataType.STRING, ["0.0000000150", None]),
        (pa.array([Decimal("12345678901234567890.123456789")]), DataType.STRING, ["12345678901234567890.123456789"]),
        (pa.array([Decimal("1.00"), Decimal("0.00")]), DataType.BOOLEAN, [True, False]),
        (pa.array([5, None]), DataType.STRING, ["5", None]),
        (pa.array([1.0, 0.1]), DataType.STRING, ["1", "0.1"]),
        (pa.array([True]), DataType.STRING, ["true"]),
        (pa.array(["a", ""], pa.large_string()), DataType.STRING, ["a", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), DataType.STRING, ["a", "b", "a"]),
        (pa.array(["1", "x"]).dictionary_encode(), DataType.INTEGER, [1]),
        (pa.array([0, 1]), DataType.BOOLEAN, [False, True]),
        (pa.array([date(2024, 1, 2)]), DataType.TIMESTAMP, [datetime(2024, 1, 2, tzinfo=UTC)]),
        (pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2, 5)]), DataType.DATE, [date(2024, 1, 2)]),
        (pa.array([1999], pa.timestamp("ns")), DataType.TIMESTAMP, [datetime(1970, 1, 1, 0, 0, 0, 1, UTC)]),
        (pa.array([0], pa.timestamp("s", "Europe/Berlin")), DataType.TIMESTAMP, [datetime(1970, 1, 1, tzinfo=UTC)]),
        (pa.nulls(2), DataType.FLOAT, [None, None]),
        (pa.array([1.5, float("nan")]), DataType.FLOAT, [1.5, None]),
        (pa.array([7.0, float("nan")]), DataType.INTEGER, [7, None]),
        (pa.array([1.0, 0.0]), DataType.BOOLEAN, [True, False]),
    ],
)
def test_plain_parquet_types_are_parsed(cells: pa.Array, data_type: DataType, expected: list[object]) -> None:
    parsed = parse_column(cells, data_type)
    assert parsed.values.type == data_type.arrow
    valid = parsed.values.filter(pa.array(~np.isin(np.arange(len(cells)), parsed.invalid_rows)))
    assert valid.to_pylist() == expected


@pytest.mark.parametrize(
    ("cells", "data_type", "rule"),
    [
        (pa.array([1.5]), DataType.INTEGER, "not_an_integer"),
        (pa.array([float("inf")]), DataType.INTEGER, "not_finite"),
        (pa.array([2**63], pa.uint64()), DataType.INTEGER, "out_of_range"),
        (pa.array([Decimal("1.50")]), DataType.INTEGER, "not_an_integer"),
        (pa.array([Decimal(2**63)]), DataType.INTEGER, "out_of_range"),
        (pa.array([Decimal("20240101")]), DataType.DATE, "wrong_type"),
        (pa.array([True]), DataType.INTEGER, "wrong_type"),
        (pa.array([2]), DataType.BOOLEAN, "not_a_boolean"),
        (pa.array([20240101]), DataType.DATE, "wrong_type"),
        (pa.array([datetime(2024, 1, 2, 5)]), DataType.DATE, "not_a_date"),
        (pa.array([10**18], pa.timestamp("us")), DataType.TIMESTAMP, "not_a_date"),
        (pa.array([2**62 + 5]).cast(pa.timestamp("ms")), DataType.TIMESTAMP, "not_a_date"),
        (pa.array([-(2**60)]).cast(pa.timestamp("s", "UTC")), DataType.DATE, "not_a_date"),
        (pa.array(["a\0"]), DataType.STRING, "nul_character"),
    ],
)
def test_parquet_values_that_do_not_fit_are_invalid(cells: pa.Array, data_type: DataType, rule: str) -> None:
    parsed = parse_column(cells, data_type)
    assert [parsed.violations[index].rule for index in parsed.violation_indices] == [rule]
    assert parsed.values.null_count == len(cells)


def test_long_invalid_value_is_shown_in_part() -> None:
    (violation,) = parse_column(pa.array(["x" * 5_000]), DataType.INTEGER).violations
    assert len(violation.value) == MAX_DISPLAY_CHARACTERS
    assert violation.value.endswith("…")


def test_slice_is_parsed_like_a_whole_column() -> None:
    parsed = parse_column(pa.array(["x", "1", "", "0x1", "3"]).slice(1), DataType.INTEGER)
    assert parsed.values.to_pylist() == [1, None, None, 3]
    assert parsed.invalid_rows.tolist() == [2]
    assert parsed.violations[0].value == "0x1"


def test_equal_invalid_values_share_a_violation() -> None:
    parsed = parse_column(pa.array(["x", "1", "y", "x", None, "x"]), DataType.INTEGER)
    assert parsed.invalid_rows.tolist() == [0, 2, 3, 5]
    assert [parsed.violations[index].value for index in parsed.violation_indices] == ["x", "y", "x", "x"]
    assert len(parsed.violations) == 2


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pa.array([1, None]), ["1", None]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array([Decimal("1.50")]), ["1.50"]),
        (pa.array([date(2024, 1, 2)]), ["2024-01-02"]),
        (pa.array([0], pa.timestamp("s")), ["1970-01-01 00:00:00.000000Z"]),
    ],
    ids=str,
)
def test_cells_of_any_plain_type_become_text(cells: pa.Array, expected: list[str | None]) -> None:
    assert to_text(cells).to_pylist() == expected


def test_numbers_and_dates_become_floats() -> None:
    assert to_floats(pa.array([1, 2])).tolist() == [1.0, 2.0]
    assert np.isnan(to_floats(pa.array([1.5, None]))).tolist() == [False, True]
    assert to_floats(pa.array([date(1970, 1, 3)])).tolist() == [2.0]
    assert to_floats(pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)])).tolist() == [1e6]


def test_decimals_are_the_nearest_floats_in_any_spelling_of_the_column() -> None:
    chance = random.Random(3)
    values = [Decimal(chance.randint(-(10**24), 10**24)).scaleb(-chance.randint(0, 10)) for _ in range(2_000)]
    cells = pa.array(values, pa.decimal128(38, 10))
    for value_format in (ValueFormat(), ValueFormat(number_format="1.234,5")):
        assert parse_column(cells, DataType.FLOAT, value_format).values.to_pylist() == [float(v) for v in values]
