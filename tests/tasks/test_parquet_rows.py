"""Rows of a file are those of its table, in whatever order and however few columns are read at a time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.tasks import parquet_rows
from dataml.tasks.parquet_rows import ParquetRows, take_rows
from tests.ml.samples import contract_of

TABLE = pa.table(
    {
        "a": pa.array([1, None, 3, 4, 5], pa.int64()),
        "a.b": pa.array(["x", "y", None, "x", ""]),
        "c": pa.array([0.5, 1.5, 2.5, None, 4.5]),
    }
)


@pytest.fixture(params=[1, 10, 1_000])
def rows(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetRows:
    monkeypatch.setattr(parquet_rows, "_MAX_CELLS", request.param)
    pq.write_table(TABLE, tmp_path / "rows.parquet", row_group_size=2)
    return ParquetRows(tmp_path / "rows.parquet", contract_of(TABLE))


def test_all_rows_equal_the_table(rows: ParquetRows) -> None:
    assert rows.num_rows == rows.total == 5
    for name in (*TABLE.column_names, *reversed(TABLE.column_names)):
        assert rows.column(name).to_pylist() == TABLE.column(name).to_pylist()


@pytest.mark.parametrize("chosen", [[], [2], [4, 0, 3], [4, 3, 2, 1, 0]])
def test_selected_rows_keep_their_order(rows: ParquetRows, chosen: list[int]) -> None:
    taken = rows.take(np.array(chosen, dtype=np.int64))
    assert (taken.num_rows, taken.total) == (len(chosen), 5)
    for name in TABLE.column_names:
        assert taken.column(name).to_pylist() == TABLE.column(name).take(pa.array(chosen, pa.int64())).to_pylist()


def test_a_selection_of_a_selection_has_places_in_the_file(rows: ParquetRows) -> None:
    taken = rows.take(np.array([4, 2, 0])).take(np.array([2, 1]))
    assert taken.places.tolist() == [0, 2]
    assert taken.column("c").to_pylist() == [0.5, 2.5]


def test_released_columns_are_read_again(rows: ParquetRows) -> None:
    first = rows.column("a.b").to_pylist()
    rows.release()
    assert rows.column("a.b").to_pylist() == first


@pytest.mark.parametrize("places", [[], [2], [4, 0, 3], [3, 0, 0, 4, 1], [0, 1, 2, 3, 4]])
def test_rows_are_taken_from_their_row_groups_in_the_order_of_the_places(tmp_path: Path, places: list[int]) -> None:
    pq.write_table(TABLE, tmp_path / "rows.parquet", row_group_size=2)
    contract = contract_of(TABLE).select(["c", "a.b"])
    taken = take_rows(tmp_path / "rows.parquet", contract, np.array(places, np.int64))
    assert taken.equals(TABLE.select(["c", "a.b"]).take(pa.array(places, pa.int64())))
