"""Data files: Parquet whose columns have the field ids of the table."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.iceberg import data_files
from dataml.iceberg.data_files import file_schema, iceberg_schema, write_file

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def test_columns_get_fresh_ids_in_order() -> None:
    schema = iceberg_schema(pa.schema([("a", pa.int64()), ("b", pa.string())]))
    assert [(field.field_id, field.name) for field in schema.fields] == [(1, "a"), (2, "b")]


def test_names_in_files_are_those_that_avro_allows() -> None:
    schema = iceberg_schema(pa.schema([('a"b', pa.int64()), ("c", pa.int64())]))
    assert [field.name for field in file_schema(schema).fields] == ["a_x22b", "c"]
    assert [field.field_id for field in file_schema(schema).fields] == [1, 2]


def test_names_stay_when_two_would_become_equal() -> None:
    schema = iceberg_schema(pa.schema([('a"b', pa.int64()), ("a_x22b", pa.int64())]))
    assert [field.name for field in file_schema(schema).fields] == ['a"b', "a_x22b"]


@pytest.mark.parametrize(("max_bytes", "files"), [(1 << 20, 1), (1, 3)])
def test_file_ends_when_it_is_large(
    catalog: "Catalog", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_bytes: int, files: int
) -> None:
    monkeypatch.setattr(data_files, "_MAX_FILE_BYTES", max_bytes)
    schema = iceberg_schema(pa.schema([("n", pa.int64())]))
    catalog.create_namespace("n")
    table = catalog.create_table(("n", "t"), schema)
    batches = iter([pa.record_batch({"n": pa.array([number, number + 1])}) for number in range(3)])
    written = []
    while (first := next(batches, None)) is not None:
        written.append(write_file(table, table.schema(), f"{tmp_path}/{len(written)}.parquet", first, batches))
    assert len(written) == files
    assert sum(file.record_count for file in written) == 6
    assert written[0].lower_bounds == {1: (0).to_bytes(8, "little")}
    for number, file in enumerate(written):
        path = tmp_path / f"{number}.parquet"
        assert file.file_size_in_bytes == path.stat().st_size
        assert pq.read_schema(path).field("n").metadata == {b"PARQUET:field_id": b"1"}
