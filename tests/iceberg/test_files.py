"""Which files lie below a location, and which a table refers to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from dataml.iceberg.catalog import load_table
from dataml.iceberg.files import is_below, list_files, list_referenced_files, normalize, remove_file
from tests.conftest import needs_builtin_lake
from tests.iceberg.test_writing import TABLE, rows, target, write

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/a/b.parquet", "/a/b.parquet"),
        ("file:///a/b.parquet", "/a/b.parquet"),
        ("file:/a/b.parquet", "/a/b.parquet"),
        ("/a//x/../b:c", "/a/b:c"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3a://bucket//a/./b", "s3://bucket/a/b"),
        ("gcs://bucket/a#b?c", "gs://bucket/a#b?c"),
        ("abfss://container@account/a", "abfss://container@account/a"),
    ],
)
def test_spellings_of_a_location_are_one(location: str, expected: str) -> None:
    assert normalize(location) == expected


def test_files_are_listed_by_their_real_path_and_removed(tmp_path: Path) -> None:
    home, link, elsewhere = tmp_path / "home", tmp_path / "link", tmp_path / "elsewhere"
    (home / "data" / "deep").mkdir(parents=True)
    elsewhere.write_bytes(b"x")
    link.symlink_to(home)
    file = home / "data" / "deep" / "a#1.parquet"
    file.write_bytes(b"x")
    os.utime(file, (1_000, 1_000))
    (home / "data" / "b").symlink_to(elsewhere)
    io = PyArrowFileIO()
    assert list_files(io, str(link)) == {str(file): 1_000}, "what a link leads to is not of the folder"
    assert list_files(io, f"{link}/none") == {}
    remove_file(io, str(file))
    remove_file(io, str(file))
    assert list_files(io, str(home)) == {}
    assert elsewhere.exists()


def test_other_access_cannot_list(tmp_path: Path) -> None:
    assert list_files(FsspecFileIO({}), str(tmp_path)) is None
    assert list_files(PyArrowFileIO(), "abfss://container@account/a") is None


def test_a_folder_is_no_prefix_of_a_name() -> None:
    assert is_below("/a/b/c", "/a/b")
    assert not is_below("/a/bc", "/a/b")


@needs_builtin_lake
def test_a_table_refers_to_all_files_of_its_history(catalog: "Catalog") -> None:
    write(catalog, target(), 1, rows(1))
    write(catalog, target(), 2, rows(2))
    write(catalog, target("dataset-2", mode="replace"), 3, rows(3))
    table = load_table(catalog, TABLE)
    files = list_files(table.io, table.location())
    assert files is not None
    assert list_referenced_files(table) == files.keys()
    kinds = {Path(file).name.rpartition(".")[2] for file in files}
    assert kinds == {"parquet", "avro", "json"}
