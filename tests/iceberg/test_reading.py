"""Rows of a lake table: selected columns in their order, of any snapshot, whatever the age of the files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.errors import Invalid, NotFound
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog
from dataml.iceberg.names import TableName
from dataml.iceberg.reading import check_snapshot, plain_schema, read_batches, snapshot_schema
from dataml.iceberg.writing import LakeTarget, WriteAttempt, write_rows
from dataml.settings import load_settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

TABLE = TableName("n", "t")


def write(catalog: "Catalog", job_id: int, **columns: Any) -> int:
    """One more file of the table, which gets the columns that it lacks."""
    target = LakeTarget(TABLE, f"dataset-{job_id}", "jane", widens=True)
    return write_rows(catalog, target, WriteAttempt(job_id, 1), lambda: iter([pa.record_batch(columns)]))


def read(table: "Table", *args: Any, **options: Any) -> list[dict[str, Any]]:
    return [row for batch in read_batches(table, *args, **options) for row in batch.to_pylist()]


def by_number(row: dict[str, Any]) -> int:
    return row["n"]


def test_column_added_later_is_null_in_older_files(catalog: "Catalog") -> None:
    write(catalog, 1, n=pa.array([1, 2]))
    write(catalog, 2, n=pa.array([3]), text=pa.array(["c"]))
    rows = sorted(read(load_table(catalog, TABLE)), key=by_number)
    assert rows == [{"n": 1, "text": None}, {"n": 2, "text": None}, {"n": 3, "text": "c"}]


def test_columns_come_in_the_order_of_the_request(catalog: "Catalog") -> None:
    write(catalog, 1, a=pa.array([1]), b=pa.array([2]), c=pa.array([3]))
    (batch,) = read_batches(load_table(catalog, TABLE), ["c", "a"])
    assert batch.to_pydict() == {"c": [3], "a": [1]}


def test_batches_have_at_most_the_requested_rows(catalog: "Catalog") -> None:
    write(catalog, 1, n=pa.array(range(1_000)))
    batches = list(read_batches(load_table(catalog, TABLE), batch_rows=300))
    assert max(batch.num_rows for batch in batches) <= 300
    assert sum(batch.num_rows for batch in batches) == 1_000


def test_snapshot_has_the_rows_and_columns_of_its_time(catalog: "Catalog") -> None:
    first = write(catalog, 1, n=pa.array([1]))
    write(catalog, 2, n=pa.array([2]), text=pa.array(["b"]))
    table = load_table(catalog, TABLE)
    assert read(table, snapshot_id=first) == [{"n": 1}]
    assert snapshot_schema(table, first).column_names == ["n"]
    assert snapshot_schema(table, None).column_names == ["n", "text"]


def test_unknown_snapshot_is_not_found(catalog: "Catalog") -> None:
    write(catalog, 1, n=pa.array([1]))
    table = load_table(catalog, TABLE)
    check_snapshot(table, None)
    with pytest.raises(NotFound) as caught:
        list(read_batches(table, snapshot_id=1))
    assert caught.value.code == "snapshot_not_found"


def test_rows_come_in_the_same_order_at_each_reading(catalog: "Catalog") -> None:
    for job_id in range(1, 6):
        write(catalog, job_id, n=pa.array([job_id * 10, job_id * 10 + 1]))
    table = load_table(catalog, TABLE)
    first = read(table)
    assert len(first) == 10
    assert all(read(table) == first for _ in range(3))


def test_deleted_rows_are_not_read(catalog: "Catalog") -> None:
    """PyIceberg applies deletes, here those of another writer."""
    write(catalog, 1, n=pa.array([1, 2, 3]))
    load_table(catalog, TABLE).delete("n = 2")
    assert sorted(read(load_table(catalog, TABLE)), key=by_number) == [{"n": 1}, {"n": 3}]


def test_nested_column_is_refused(catalog: "Catalog") -> None:
    catalog.create_namespace_if_not_exists("n")
    table = catalog.create_table(("n", "t"), pa.schema([("n", pa.int64()), ("list", pa.list_(pa.int64()))]))
    with pytest.raises(Invalid, match="'list'") as caught:
        plain_schema(table.schema())
    assert caught.value.code == "unsupported_column_type"


def test_plain_schema_has_plain_strings(catalog: "Catalog") -> None:
    write(catalog, 1, n=pa.array([1]), text=pa.array(["a"]))
    schema = plain_schema(load_table(catalog, TABLE).schema())
    assert schema == pa.schema([("n", pa.int64()), ("text", pa.string())])


class Revived(pa.ExtensionType):
    """An Arrow extension type that tells when it is revived."""

    revived = 0

    def __init__(self) -> None:
        super().__init__(pa.int64(), "dataml.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Revived":
        cls.revived += 1
        return cls()


def test_file_with_extension_types_is_refused_before_arrow_reads_them(tmp_path: Path) -> None:
    """Others than the platform may write to a company's lake."""
    config = LakeConfig.from_settings(load_settings(home=tmp_path))
    catalog, name = open_catalog(config), TableName("n", "t")
    batch = pa.record_batch({"n": pa.array([1, 2])})
    target = LakeTarget(name, "dataset-1", "jane")
    write_rows(catalog, target, WriteAttempt(1, 1), lambda: iter([batch]))
    file = next(iter(load_table(catalog, name).scan().plan_files())).file.file_path
    pa.register_extension_type(Revived())  # type: ignore[arg-type]
    try:
        values = pa.ExtensionArray.from_storage(Revived(), pa.array([1, 2]))
        pq.write_table(pa.table({"n": values}), file)
        Revived.revived = 0
        with pytest.raises(Invalid) as caught:
            list(read_batches(load_table(catalog, name)))
    finally:
        pa.unregister_extension_type("dataml.test")
    assert caught.value.code == "unsupported_parquet_type"
    assert Revived.revived == 0
