"""Previews of rows and lines, error reports and HDF5 copies have the content of their files."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.dataset.hdf import ensure_copy
from dataml.dataset.previews import MAX_CELL_CHARACTERS, error_lines, first_lines, read_rows
from dataml.db.scope import Page


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Write a file with ten row groups of 100 rows."""
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"n": range(1000), "n.x": ["x"] * 1000}), path, row_group_size=100)
    return path


@pytest.mark.parametrize(
    ("limit", "offset"), [(1, 0), (100, 0), (100, 100), (150, 250), (50, 199), (100, 950), (5, 1000)]
)
def test_a_page_does_not_depend_on_row_groups(parquet: Path, limit: int, offset: int) -> None:
    rows = read_rows(parquet, ["n"], Page(limit, offset))
    assert rows == [{"n": number} for number in range(1000)[offset : offset + limit]]


def test_values_can_be_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    moment = datetime(2024, 2, 29, 1, 2, 3, 4000, UTC)
    table = pa.table({"i": [2**60], "d": [date(1, 1, 1)], "t": [moment], "s": ["x" * 10_000], "f": [None]})
    pq.write_table(table, path)
    (row,) = read_rows(path, None, Page())
    assert (row["i"], row["d"], row["t"], row["f"]) == (2**60, "0001-01-01", "2024-02-29T01:02:03.004000Z", None)
    assert len(row["s"]) == MAX_CELL_CHARACTERS


def test_lines_of_text_are_limited_in_number_and_length(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfname\r\n" + b"x" * 3_000_000 + b"\n" + b"y\n" * 100)
    lines = first_lines(path, "csv")
    assert lines[0] == "name"
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 4096


def test_rows_of_parquet_are_shown_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, None], "b": ['x,"y"', "z"]}), path)
    assert first_lines(path, "parquet") == ["a,b", '1,"x,""y"""', ",z"]


def test_dates_and_time_zones_that_python_lacks_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    days = pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32())
    moments = pa.array([2**62, 0]).cast(pa.timestamp("us"))
    nowhere = pa.array([0, 1_000_000], pa.timestamp("us", "Nowhere/At_all"))
    pq.write_table(pa.table({"d": days, "t": moments, "z": nowhere}), path)
    header, beyond, epoch = first_lines(path, "parquet")
    assert header == "d,t,z"
    assert beyond.endswith(",1970-01-01 00:00:00.000000Z")
    assert epoch == "1970-01-01,1970-01-01 00:00:00.000000Z,1970-01-01 00:00:01.000000Z"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_formulas_in_an_error_report_are_escaped(tmp_path: Path, start: str) -> None:
    """Values, file names and column names are escaped."""
    formula, path = start + "cmd|' /C calc'!A0", tmp_path / "errors.parquet"
    names = ("file", "row", "column", "value", "rule", "reason")
    cells = (formula, 1, formula, formula, "not_an_integer", "why")
    pq.write_table(pa.table({name: [cell] for name, cell in zip(names, cells, strict=True)}), path)
    text = b"".join(error_lines(path)).decode()
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert (header, row) == ([*names], ["'" + formula, "1", "'" + formula, "'" + formula, "not_an_integer", "why"])


def test_line_ends_in_values_of_an_error_report_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "errors.parquet"
    values = ["x\r=1+1", "x\n=1+1", 'x"\r\n=1+1']
    names = ("file", "row", "column", "value", "rule", "reason")
    pq.write_table(pa.table(dict.fromkeys(names, values)), path)
    rows = list(csv.reader(io.StringIO(b"".join(error_lines(path)).decode(), newline="")))
    assert rows[1:] == [[value] * 6 for value in values]


def test_an_hdf_copy_holds_every_row_and_every_type(tmp_path: Path) -> None:
    source, target = tmp_path / "a.parquet", tmp_path / "a.hdf"
    table = pa.table(
        {
            "a/b": [1, None, 2**60],
            "a_b": [0.5, None, 1.5],
            ".": ["x", None, "nul \0 inside"],
            "t": [datetime(2024, 1, 1, tzinfo=UTC), None, datetime(2024, 1, 2, 3, tzinfo=UTC)],
        }
    )
    pq.write_table(table, source)
    ensure_copy(source, "parquet", ",", target)
    with h5py.File(target) as file:
        columns, missing = file["columns"], file["missing"]
        assert [columns[name].attrs["column"] for name in columns] == ["a/b", "a_b", ".", "t"]
        assert columns["a_b"][:].tolist() == [1, 0, 2**60]
        assert missing["a_b"][:].tolist() == [False, True, False]
        assert columns["_"].asstr()[:].tolist() == ["x", "", ""]
        assert columns["t"].asstr()[:].tolist() == ["2024-01-01T00:00:00Z", "", "2024-01-02T03:00:00Z"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hdf", "a.parquet"]
