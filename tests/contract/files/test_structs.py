"""Structs of Parquet files are flat columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.files.layout import CsvOptions
from dataml.contract.files.reading import open_batches, read_column_names, scan_file
from dataml.contract.files.structs import MAX_LEVELS, flatten_structs
from dataml.contract.files.structure_warnings import find_structure_warnings
from dataml.contract.types import DataType
from dataml.errors import Invalid
from tests.contract.files.uploads import refused_code

GEO = pa.struct({"lat": pa.float64(), "lon": pa.float64()})
ADDRESS = pa.struct({"city": pa.string(), "geo": GEO})
ROWS = [
    {"id": 1, "address": {"city": "Bonn", "geo": {"lat": 50.7, "lon": 7.1}}},
    {"id": 2, "address": {"city": "Köln", "geo": None}},
    {"id": 3, "address": None},
    {"id": 4, "address": {"city": None, "geo": {"lat": None, "lon": 1.0}}},
]
FLAT = [
    {"id": 1, "address.city": "Bonn", "address.geo.lat": 50.7, "address.geo.lon": 7.1},
    {"id": 2, "address.city": "Köln", "address.geo.lat": None, "address.geo.lon": None},
    {"id": 3, "address.city": None, "address.geo.lat": None, "address.geo.lon": None},
    {"id": 4, "address.city": None, "address.geo.lat": None, "address.geo.lon": 1.0},
]


def write(path: Path, rows: list[dict[str, object]], **types: pa.DataType) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(types)), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.parquet", ROWS, id=pa.int64(), address=ADDRESS)


def read(path: Path, columns: list[str] | None = None) -> list[dict[str, object]]:
    return [row for batch in open_batches(path, "parquet", columns) for row in batch.to_pylist()]


def test_fields_are_columns_and_those_of_a_null_struct_are_null(path: Path) -> None:
    summary = scan_file(path, "parquet")
    assert (summary.names, summary.total_fields) == (tuple(FLAT[0]), 4)
    assert read_column_names(path, "parquet") == tuple(FLAT[0])
    assert read(path) == FLAT


@pytest.mark.parametrize("names", [["address.geo.lon"], ["id", "address.city"], ["address.geo.lat", "address.geo.lon"]])
def test_some_fields_are_read_without_the_others(path: Path, names: list[str]) -> None:
    assert read(path, names) == [{name: row[name] for name in FLAT[0] if name in names} for row in FLAT]


def test_template_names_the_fields(path: Path) -> None:
    contract = Contract.build([Column("address.city", DataType.STRING), Column("address.geo.lat", DataType.FLOAT)])
    assert scan_file(path, "parquet", contract).ignored == ("id", "address.geo.lon")
    missing = Contract.build([Column("address", DataType.STRING)])
    assert refused_code(path, "parquet", missing) == "missing_column"


def test_structs_are_warned_about(path: Path) -> None:
    (warning,) = find_structure_warnings(path, "parquet", CsvOptions(), has_template=False)
    assert (warning.code, warning.count, warning.examples) == ("flattened_struct", 1, ("address",))
    assert "`address.city`, `address.geo.lat`, `address.geo.lon`" in warning.message


@pytest.mark.parametrize(
    ("types", "code", "words"),
    [
        ({"a": pa.struct({"b": pa.int64()}), "a.b": pa.int64()}, "duplicate_column", "'a.b'"),
        ({"a": pa.struct({"b.c": pa.int64(), "b": pa.struct({"c": pa.int64()})})}, "duplicate_column", "'a.b.c'"),
        ({"a": pa.struct({"b": pa.list_(pa.int64())})}, "unsupported_parquet_type", "'a.b'"),
        ({"a": pa.struct({"b": pa.map_(pa.string(), pa.int64())})}, "unsupported_parquet_type", "'a.b'"),
        ({"a": pa.struct({"b": pa.binary()})}, "unsupported_parquet_type", "'a.b'"),
        ({"a": pa.list_(pa.struct({"b": pa.int64()}))}, "unsupported_parquet_type", "'a'"),
        ({"a": pa.struct({" ": pa.int64(), "b\x07": pa.int64()})}, "bad_column_name", "control"),
        ({" a": pa.struct({"b": pa.int64()}), "a": pa.struct({"b": pa.int64()})}, "duplicate_column", "'a.b'"),
    ],
)
def test_other_nested_columns_are_refused(tmp_path: Path, types: dict[str, pa.DataType], code: str, words: str) -> None:
    file = write(tmp_path / "a.parquet", [dict.fromkeys(types)], **types)
    with pytest.raises(Invalid) as caught:
        scan_file(file, "parquet")
    assert caught.value.code == code
    assert words in caught.value.detail


def test_structs_of_many_levels_are_refused(tmp_path: Path) -> None:
    kind = pa.int64()
    for _ in range(MAX_LEVELS):
        kind = pa.struct({"a": kind})
    assert scan_file(write(tmp_path / "a.parquet", [{"a": None}], a=kind), "parquet").total_fields == 1
    deeper = write(tmp_path / "b.parquet", [{"a": None}], a=pa.struct({"a": kind}))
    assert refused_code(deeper, "parquet") == "unsupported_parquet_type"


def test_text_in_a_struct_that_few_bytes_stand_for_is_read_in_parts(tmp_path: Path) -> None:
    texts = pa.array(["x" * 500_000] * 300)
    column = pa.StructArray.from_arrays([texts], ["t"])
    pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
    sizes = [batch.num_rows for batch in open_batches(tmp_path / "a.parquet", "parquet")]
    assert (sum(sizes), len(sizes) > 1) == (300, True)


def test_slice_of_a_batch_is_flattened() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS, pa.schema({"id": pa.int64(), "address": ADDRESS}))
    assert flatten_structs(batch.slice(1, 2)).to_pylist() == FLAT[1:3]
