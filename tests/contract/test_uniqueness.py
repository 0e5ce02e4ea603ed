"""Which rows repeat a value."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.contract import Column
from dataml.contract.types import DataType
from dataml.contract.uniqueness import find_duplicate_rows


def duplicates(data_type: DataType, *batches: list[Any]) -> list[int]:
    columns = [Column("x", data_type, unique=True), Column("y", DataType.INTEGER)]
    tables = [pa.record_batch({"x": pa.array(values)}) for values in batches]
    found = find_duplicate_rows(columns, tables)
    return np.flatnonzero(found["x"]).tolist() if found else []


@pytest.mark.parametrize(
    ("data_type", "batches", "rows"),
    [
        (DataType.INTEGER, [["1", "2", "01"], ["3", "1"]], [2, 4]),
        (DataType.STRING, [["a", "A", "a "], ["a", None, None]], [3]),
        (DataType.FLOAT, [["1", "1.0", "1e0", "x", "x"]], [1, 2]),
        (DataType.DATE, [["2024-01-31", "31 Jan 2024"]], [1]),
        (DataType.TIMESTAMP, [["2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00"]], [1]),
        (DataType.BOOLEAN, [["yes", "no", "true"]], [2]),
        (DataType.INTEGER, [[1, 2], [2, 1]], [2, 3]),
        (DataType.INTEGER, [["1", "2"]], []),
        (DataType.INTEGER, [], []),
    ],
)
def test_later_row_with_an_equal_value_is_a_duplicate(
    data_type: DataType, batches: list[list[Any]], rows: list[int]
) -> None:
    assert duplicates(data_type, *batches) == rows


def test_duplicates_are_found_in_many_rows() -> None:
    values = np.random.default_rng(0).integers(0, 50_000, 100_000)
    _, first = np.unique(values, return_index=True)
    expected = sorted(set(range(len(values))) - set(first.tolist()))
    assert duplicates(DataType.INTEGER, values[:60_000].tolist(), values[60_000:].tolist()) == expected
