"""Warnings about the structure of files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.files.layout import CsvOptions
from dataml.contract.files.reading import scan_file
from dataml.contract.files.structure_warnings import find_structure_warnings, join_structure_warnings
from dataml.contract.warnings import DataWarning
from tests.contract.files.uploads import WriteFile


@pytest.mark.parametrize(
    ("content", "options", "codes"),
    [
        ("a,b\n1,2\n", CsvOptions(), []),
        ("a;b\n1;2\n", CsvOptions(delimiter=","), [("single_column", "a;b")]),
        ("a\n1\n", CsvOptions(delimiter=","), []),
        (",b\n0,2\n", CsvOptions(), [("unnamed_index_left_out", None)]),
        (",b\nx,2\n", CsvOptions(), [("unnamed_column", "column_1")]),
        ("a\tb\nx\t1\t2\n", CsvOptions(), [("unnamed_column", "column_1")]),
        ("a,b\n1,2\na,b\na,b\n", CsvOptions(), [("repeated_header", None)]),
        (",b\nx,2\n,b\n", CsvOptions(), [("repeated_header", None), ("unnamed_column", "column_1")]),
    ],
)
def test_warnings_are_found(
    write: WriteFile, content: str, options: CsvOptions, codes: list[tuple[str, str | None]]
) -> None:
    path = write(content)
    known = scan_file(path, "csv", options=options).csv
    found = find_structure_warnings(path, "csv", known, has_template=False)
    assert [(warning.code, warning.column) for warning in found] == codes
    found = find_structure_warnings(path, "csv", known, has_template=True)
    assert [warning.code for warning in found] == [code for code, _ in codes if code == "repeated_header"]


def test_index_of_pandas_without_a_name_is_warned_about(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0]}, index=pd.to_datetime(["2024-01-01"]))
    frame.to_parquet(tmp_path / "a.parquet")
    (warning,) = find_structure_warnings(tmp_path / "a.parquet", "parquet", CsvOptions(), has_template=False)
    assert (warning.code, warning.examples) == ("unnamed_index_left_out", ("__index_level_0__",))
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    assert find_structure_warnings(tmp_path / "b.parquet", "parquet", CsvOptions(), has_template=False) == ()


def test_warnings_of_several_files_are_joined() -> None:
    repeats, index = DataWarning("repeated_header", "left out.", None, 2), DataWarning("unnamed_index_left_out", "x")
    assert join_structure_warnings([("a.csv", [repeats])]) == (repeats,)
    joined = join_structure_warnings([("a.csv", [repeats, index]), ("b.csv", [repeats])])
    assert [(each.code, each.count, each.message) for each in joined] == [
        ("repeated_header", 4, "a.csv: left out."),
        ("unnamed_index_left_out", None, "a.csv: x"),
    ]
