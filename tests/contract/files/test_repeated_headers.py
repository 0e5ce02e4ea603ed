"""Rows that repeat the header are no rows, wherever they stand and however they are quoted."""

from dataclasses import replace

import pytest

from dataml.contract.files import csv as csv_files
from dataml.contract.files.layout import CsvOptions
from dataml.contract.files.reading import open_batches, scan_file, scan_file_section, split_file
from tests.contract.files.uploads import WriteFile, read_rows


@pytest.mark.parametrize(
    ("content", "repeats", "rows"),
    [
        ("a,b\n1,2\na,b\n3,4\n", 1, [("1", "2"), ("3", "4")]),
        ("a,b\r\na,b\r\n1,2\r\n\r\na,b", 2, [("1", "2")]),
        ('"a","b"\n1,2\na,b\n"a",b\n', 2, [("1", "2")]),
        ('a,b\n1,2\n"a","b"\n', 1, [("1", "2")]),
        ("a,b\n1,2\n\ufeffa,b\n3,4\n", 1, [("1", "2"), ("3", "4")]),
        ('"a","b"\n1,2\n\ufeff"a","b"\n3,4\n', 1, [("1", "2"), ("3", "4")]),
        ("a,b\n1,2,\na,b\n3,4,\n", 1, [("1", "2"), ("3", "4")]),
        ("a,b,\n1,2,\na,b,\n3,4,\n", 1, [("1", "2"), ("3", "4")]),
        ('"a\nb",c\n1,2\n"a\nb",c\n', 1, [("1", "2")]),
        ("a,b\na,c\nA,B\n a,b\n", 0, [("a", "c"), ("A", "B"), (" a", "b")]),
        ("word\nx\nword\n", 0, [("x",), ("word",)]),
        ("2019,2020\n1,2\n2019,2020\n", 0, [("1", "2"), ("2019", "2020")]),
        ('a,b\n1,"x\na,b\n"\n', 0, [("1", "x\na,b\n")]),
        ("a\tb\nr1\t1\t2\na\tb\nr2\t3\t4\n", 1, [("r1", "1", "2"), ("r2", "3", "4")]),
        (",b\nx,2\n,b\ny,4\n", 1, [("x", "2"), ("y", "4")]),
    ],
)
def test_row_with_the_fields_of_the_header_is_left_out(
    write: WriteFile, content: str, repeats: int, rows: list[tuple[str, ...]]
) -> None:
    path = write(content)
    summary = scan_file(path, "csv")
    assert (summary.csv.repeated_headers, summary.total_records) == (repeats, len(rows))
    assert read_rows(path, summary.csv) == rows


def test_rows_are_the_same_in_sections_and_for_some_columns(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 60)
    lines = [f"{number},x{number}" if number % 7 else "id,name" for number in range(1, 200)]
    path = write("id,name\n" + "\n".join(lines) + "\n")
    options = scan_file(path, "csv").csv
    sections = split_file(path, "csv", 300, options)
    assert len(sections) > 3
    rows: list[str] = []
    for section in sections:
        scan_file_section(path, "csv", section, options)
        for batch in open_batches(path, "csv", ["name"], section, options=options):
            rows += batch.column(0).to_pylist()
    assert rows == [line.partition(",")[2] for line in lines if line != "id,name"]


def test_file_is_read_as_before_where_no_check_has_counted_headers(write: WriteFile) -> None:
    path = write("a,b\n1,2\na,b\n")
    assert read_rows(path, CsvOptions()) == [("1", "2"), ("a", "b")]
    assert read_rows(path, replace(scan_file(path, "csv").csv, repeated_headers=0)) == [("1", "2"), ("a", "b")]
