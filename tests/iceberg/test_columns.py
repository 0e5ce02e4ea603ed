"""Columns of rows and of the table that they are written to."""

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from dataml.errors import Conflict
from dataml.iceberg.catalog import load_table
from dataml.iceberg.reading import read_batches
from dataml.iceberg.writing import BatchSource
from tests.iceberg.conftest import DataFiles
from tests.iceberg.test_writing import TABLE, numbers, rows, target, write

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def test_other_columns_are_refused_and_the_table_stays(catalog: "Catalog", data_files: DataFiles) -> None:
    write(catalog, target("dataset-1"), 1, rows(1))
    with pytest.raises(Conflict) as caught:
        write(catalog, target("dataset-2"), 2, rows(2, name="m"))
    assert caught.value.code == "table_differs"
    assert "'m' is missing there, int64 here" in caught.value.detail
    assert numbers(catalog) == [1]
    assert len(data_files()) == 1


def test_table_that_widens_gets_new_columns_and_lacks_none(catalog: "Catalog") -> None:
    write(catalog, target("dataset-1", widens=True), 1, rows(1))
    write(catalog, target("dataset-2", widens=True), 2, rows(2, name="m"))
    table = load_table(catalog, TABLE)
    assert table.schema().column_names == ["n", 'a"b', "m"]
    assert sorted((r["n"] or 0, r["m"] or 0) for b in read_batches(table) for r in b.to_pylist()) == [(0, 2), (1, 0)]


def test_replace_removes_all_other_rows_and_sets_the_columns(catalog: "Catalog") -> None:
    before = write(catalog, target("dataset-1"), 1, rows(1))
    write(catalog, target("dataset-2", mode="replace"), 2, rows(7, name="m"))
    assert numbers(catalog, column="m") == [7]
    assert numbers(catalog, before) == [1]


def test_columns_that_differ_by_case_have_names_that_engines_tell_apart(catalog: "Catalog") -> None:
    def both(*names: str) -> BatchSource:
        batch = pa.record_batch({name: pa.array([place]) for place, name in enumerate(names)})
        return lambda: iter([batch])

    write(catalog, target("dataset-1", widens=True), 1, both("Id", "id", "x"))
    write(catalog, target("dataset-2", widens=True), 2, both("id", "Id", "X"))
    write(catalog, target("dataset-3", widens=True), 3, both("ID"))
    table = load_table(catalog, TABLE)
    assert table.schema().column_names == ["Id", "id_2", "x"]
    found = {tuple(row.values()) for batch in read_batches(table) for row in batch.to_pylist()}
    assert found == {(0, 1, 2), (1, 0, 2), (0, None, None)}


def test_columns_that_differ_by_case_in_an_older_table_stay_until_they_are_replaced(catalog: "Catalog") -> None:
    fields = [pa.field(name, pa.int64()) for name in ("n", "N")]
    catalog.create_namespace_if_not_exists(TABLE.namespace)
    catalog.create_table((TABLE.namespace, TABLE.table), pa.schema(fields))
    batch = pa.record_batch([pa.array([1]), pa.array([2])], schema=pa.schema(fields))
    write(catalog, target(), 1, lambda: iter([batch]))
    assert load_table(catalog, TABLE).schema().column_names == ["n", "N"]
    write(catalog, target(mode="replace"), 2, lambda: iter([batch]))
    assert load_table(catalog, TABLE).schema().column_names == ["n", "N_2"]
    assert numbers(catalog, column="N_2") == [2]
