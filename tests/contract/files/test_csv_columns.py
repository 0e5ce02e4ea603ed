"""Names of the columns of a CSV whose first column has none."""

import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.files.csv_columns import name_columns, select_columns
from dataml.contract.files.layout import CsvLayout, CsvOptions
from dataml.contract.files.reading import open_batches, read_column_names, scan_file
from dataml.contract.types import DataType
from tests.contract.files.uploads import WriteFile


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (("a", " b "), ("a", "b")),
        (("", "a"), ("column_1", "a")),
        ((" ", "column_1"), ("", "column_1")),
        (("",), ("",)),
    ],
)
def test_unnamed_first_of_several_columns_has_a_stated_name(header: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert name_columns(CsvLayout(header, ",")) == names


def test_row_numbers_are_a_column_only_where_they_are_wanted() -> None:
    numbered, other = CsvOptions(has_row_numbers=True), CsvOptions()
    layout = CsvLayout(("", "a"), ",")
    assert select_columns(layout, numbered) == {1: "a"}
    assert select_columns(layout, numbered, ["column_1"]) == {0: "column_1", 1: "a"}
    assert select_columns(layout, other) == {0: "column_1", 1: "a"}
    taken = CsvLayout(("", "column_1"), ",")
    assert select_columns(taken, numbered, ["column_1"]) == {1: "column_1"}


@pytest.mark.parametrize("with_column", [False, True])
def test_template_decides_on_row_numbers(write: WriteFile, with_column: bool) -> None:
    path = write(",a\n0,x\n1,y\n")
    names = ["column_1", "a"] if with_column else ["a"]
    contract = Contract.build(Column(name, DataType.STRING) for name in names)
    summary = scan_file(path, "csv", contract)
    assert (summary.names, summary.ignored) == (tuple(names), ())
    (batch,) = open_batches(path, "csv", contract.names, options=summary.csv)
    assert batch.schema.names == names
    assert read_column_names(path, "csv", summary.csv) == ("a",)


def test_other_unnamed_column_is_ignored_by_a_template_without_it(write: WriteFile) -> None:
    path = write(",a\nx,1\ny,2\n")
    summary = scan_file(path, "csv", Contract.build([Column("a", DataType.INTEGER)]))
    assert (summary.names, summary.ignored) == (("column_1", "a"), ("column_1",))
