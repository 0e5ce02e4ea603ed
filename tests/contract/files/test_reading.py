"""Uploaded files: formats detected, structures checked, rows read whole or in sections, contracts inferred."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.files import csv as csv_files
from dataml.contract.files.column_names import check_columns
from dataml.contract.files.detection import detect_format
from dataml.contract.files.reading import open_batches, read_column_names, scan_file, scan_file_section, split_file
from dataml.contract.files.sections import WHOLE_FILE
from dataml.contract.files.text import open_text
from dataml.contract.types import DataType
from dataml.errors import Invalid, TooLarge
from tests.contract.files.uploads import WriteFile, read_rows, refused_code, write_parquet


@pytest.mark.parametrize(
    ("name", "first", "expected"),
    [
        ("a.csv", b"a,b\n", "csv"),
        ("a.txt", b"a\n", "csv"),
        ("A.PARQUET", b"PAR1..", "parquet"),
        ("a.csv", b"PAR1", "parquet"),
        ("a.csv", b"ORCID,name\n", "csv"),
        ("a.csv", b"ARROW1,ARROW2\n", "csv"),
        ("a.csv", b"<DATE>,<OPEN>\n", "csv"),
    ],
)
def test_format_is_detected_by_content(name: str, first: bytes, expected: str) -> None:
    assert detect_format(name, first) == expected


@pytest.mark.parametrize(
    ("name", "first", "code"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.parquet", b"a,b\n1,2\n", "not_a_parquet"),
        ("a.csv", b"PK\x03\x04..", "not_a_csv"),
        ("a.csv", b"\x7fELF..", "not_a_csv"),
        ("a.csv", b"\x80\x04\x95", "not_a_csv"),
        ("a.csv", b"  <!DOCTYPE html>", "not_a_csv"),
        ("a.csv", b'{"a": 1}', "not_a_csv"),
        ("a.csv", b'[{"a": 1}]', "not_a_csv"),
        ("a.csv", "a,b".encode("utf-16"), "not_utf8"),
    ],
)
def test_file_that_is_not_a_table_is_refused_by_its_first_bytes(name: str, first: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        detect_format(name, first)
    assert caught.value.code == code


def test_columns_are_compared_with_the_contract(write: WriteFile) -> None:
    contract = Contract.build(
        [Column("a", DataType.STRING), Column("b", DataType.STRING), Column("d", DataType.STRING, default="x")]
    )
    assert scan_file(write("a, b ,c\n1,2,3\n"), "csv", contract).ignored == ("c",)
    assert refused_code(write("a,c\n1,2\n"), "csv", contract) == "missing_column"


def test_only_selected_columns_are_read(write: WriteFile) -> None:
    path = write("a, b ,c\n1,2,3\n")
    (batch,) = open_batches(path, "csv", columns=["c", "b", "unknown"])
    assert batch.to_pylist() == [{"b": "2", "c": "3"}]


def test_plain_parquet_file_is_read_typed(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", **{" a.b ": pa.array([1, None]), "c": pa.array(["x", "y"])})
    summary = scan_file(path, "parquet")
    assert (summary.names, summary.total_records) == (("a.b", "c"), 2)
    (batch,) = open_batches(path, "parquet", columns=["a.b"])
    assert batch.to_pydict() == {"a.b": [1, None]}


def test_text_stored_once_for_many_parquet_rows_is_read_in_small_parts(tmp_path: Path) -> None:
    text = pa.array(["x" * 500_000, "y"])
    cells = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 1_000, pa.int32()), text)
    path = write_parquet(tmp_path / "a.parquet", a=cells, n=pa.array(range(2_000)))
    assert path.stat().st_size < 2_000_000
    parts = list(open_batches(path, "parquet"))
    assert max(part.nbytes for part in parts) < 70_000_000
    numbers = [number for part in parts for number in part.column("n").to_pylist()]
    assert numbers == list(range(2_000))
    assert [cell.as_py()[0] for part in parts for cell in part.column("a")] == ["x", "y"] * 1_000


def test_text_larger_than_a_field_is_refused_in_parquet_too(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array(["x", None, "y" * 2_000_000]))
    with pytest.raises(Invalid) as caught:
        list(open_batches(path, "parquet"))
    assert caught.value.code == "field_too_large"


def test_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert refused_code(write_parquet(tmp_path / "a.parquet", a=pa.array([], pa.int64())), "parquet") == "no_rows"


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_compressed_csv_is_read_like_a_plain_one(write: WriteFile, compress: Callable[[bytes], bytes]) -> None:
    path = write(compress(b"a,b\n1,2\n"))
    assert detect_format("a.csv.gz", path.read_bytes()[:512]) == "csv"
    summary = scan_file(path, "csv")
    assert (summary.names, summary.total_records, summary.text_bytes) == (("a", "b"), 1, 8)
    assert read_rows(path) == [("1", "2")]
    assert split_file(path, "csv", 1) == [WHOLE_FILE]


def test_damaged_archive_is_refused(write: WriteFile) -> None:
    path = write(gzip.compress(b"a,b\n1,2\n" * 1_000)[:-20])
    assert refused_code(path) == "damaged_archive"
    with pytest.raises(FileNotFoundError), open_text(path.with_name("absent.csv")):
        pass


def test_archive_larger_than_the_limit_is_refused(write: WriteFile) -> None:
    path = write(gzip.compress(b"a,b\n" + b"1,2\n" * 100_000))
    with pytest.raises(TooLarge):
        scan_file(path, "csv", max_bytes=100_000)
    assert scan_file(path, "csv", max_bytes=400_004).text_bytes == 400_004


def test_parquet_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array([1] * 1_000))
    with pytest.raises(TooLarge):
        scan_file(path, "parquet", max_bytes=999)
    assert scan_file(path, "parquet", max_bytes=1_000).text_bytes == 1_000


def test_sections_of_a_csv_are_all_of_it(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    path = write("a,b\n" + "".join(f'{number},"x\n{number}"\n' for number in range(300)))
    sections = split_file(path, "csv", 500)
    assert len(sections) > 3
    numbers = []
    for section in sections:
        scan_file_section(path, "csv", section)
        for batch in open_batches(path, "csv", columns=["a"], section=section):
            numbers += batch.column(0).to_pylist()
    assert numbers == [str(number) for number in range(300)]


def test_broken_section_is_refused(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    path = write("a,b\n" + "1,2\n" * 200 + "1,2,3\n")
    *sound, broken = split_file(path, "csv", 200)
    for section in sound:
        scan_file_section(path, "csv", section)
    with pytest.raises(Invalid) as caught:
        scan_file_section(path, "csv", broken)
    assert caught.value.code == "ragged_row"


def test_sections_of_a_parquet_file_are_its_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": list(range(100))}), path, row_group_size=10)
    sections = split_file(path, "parquet", 1)
    assert [(section.start, section.stop) for section in sections] == [*((n, n + 1) for n in range(9)), (9, None)]
    rows = [
        [row["n"] for batch in open_batches(path, "parquet", section=s) for row in batch.to_pylist()] for s in sections
    ]
    assert rows == [list(range(start, start + 10)) for start in range(0, 100, 10)]
    assert split_file(path, "parquet", 1 << 30) == [WHOLE_FILE]


def test_column_names_are_trimmed(write: WriteFile, tmp_path: Path) -> None:
    assert read_column_names(write(" a ,b\n1,2\n"), "csv") == ("a", "b")
    assert read_column_names(write_parquet(tmp_path / "a.parquet", **{" a ": pa.array([1])}), "parquet") == ("a",)


@pytest.mark.parametrize(
    ("names", "code"),
    [(["a", ""], "empty_column_name"), (["a", " a"], "duplicate_column"), (["a\u202e"], "bad_column_name")],
)
def test_bad_columns_of_a_lake_table_are_refused(names: list[str], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_columns(names)
    assert caught.value.code == code
