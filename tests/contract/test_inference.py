"""Inference of whole contracts: spellings that all values of a column settle, and warnings about the others."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.dates import DateOrder
from dataml.contract.inference import (
    InferredContract,
    ReadBatches,
    infer_contract,
    settle_formats,
    settle_number_formats,
)
from dataml.contract.types import DataType
from dataml.errors import DatamlError, Invalid


def reader(*batches: pa.RecordBatch) -> ReadBatches:
    def read(columns: Sequence[str] | None) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            names = batch.schema.names if columns is None else [name for name in batch.schema.names if name in columns]
            yield batch.select(names)

    return read


def infer(cells: Sequence[str | None]) -> InferredContract:
    """Infer the column `x`, in batches of three cells."""
    parts = [cells[start : start + 3] for start in range(0, len(cells), 3)]
    return infer_contract(reader(*(pa.record_batch({"x": pa.array(part, pa.string())}) for part in parts)))


def values_of(inferred: InferredContract, cells: Sequence[str | None]) -> list[Any]:
    return inferred.contract.parse_batch(pa.record_batch({"x": pa.array(cells, pa.string())})).table["x"].to_pylist()


@pytest.mark.parametrize(
    ("cells", "data_type", "number_format", "values"),
    [
        (["1,234.5", "12", "-3"], DataType.FLOAT, "1,234.5", [1234.5, 12, -3]),
        (["1,234,567", "1,000", "5"], DataType.INTEGER, "1,234.5", [1234567, 1000, 5]),
        (["1.234,5", "12,25", "3"], DataType.FLOAT, "1.234,5", [1234.5, 12.25, 3]),
        (["12,5", "1,234", "3"], DataType.FLOAT, "1234,5", [12.5, 1.234, 3]),
        (["1 234,5", "12,25", "3"], DataType.FLOAT, "1 234,5", [1234.5, 12.25, 3]),
        (["1\u202f234,5", "12,25", "3"], DataType.FLOAT, "1 234,5", [1234.5, 12.25, 3]),
        (["1'234.5", "12.25", "3"], DataType.FLOAT, "1'234.5", [1234.5, 12.25, 3]),
        (["1 234", "56 789", "3"], DataType.INTEGER, "1 234.5", [1234, 56789, 3]),
        (["$1,234.50", "$5", "-$3.25"], DataType.FLOAT, "$1,234.5", [1234.5, 5, -3.25]),
        (["1.234,50 €", "5,00 €", "-3,25 €"], DataType.FLOAT, "€1.234,5", [1234.5, 5, -3.25]),
        (["12.5%", "50%", "0%"], DataType.FLOAT, "1234.5%", [0.125, 0.5, 0]),
        (["12,5 %", "50 %", "0"], DataType.FLOAT, "1234,5%", [0.125, 0.5, 0]),
        (["(12.5)", "3", "4.5"], DataType.FLOAT, None, [-12.5, 3, 4.5]),
        (["12.5-", "3", "4.5"], DataType.FLOAT, None, [-12.5, 3, 4.5]),
        (["+12.5", "-3", "4.5"], DataType.FLOAT, None, [12.5, -3, 4.5]),
        (["+1", "-2", "+3"], DataType.INTEGER, None, [1, -2, 3]),
        (["\u22123", "4", "5"], DataType.INTEGER, None, [-3, 4, 5]),
        (["NA", "3", "?", "4", "-", None], DataType.INTEGER, None, [None, 3, None, 4, None, None]),
        (["N/A", "1,234.5", "12"], DataType.FLOAT, "1,234.5", [None, 1234.5, 12]),
    ],
)
def test_spelling_of_numbers_is_settled_by_all_values(
    cells: list[str | None], data_type: DataType, number_format: str | None, values: list[Any]
) -> None:
    inferred = infer(cells)
    column = inferred.contract.column("x")
    assert (column.data_type, column.number_format) == (data_type, number_format)
    assert inferred.warnings == ()
    assert values_of(inferred, cells) == values


@pytest.mark.parametrize(
    "cells",
    [
        ["12345678901234567890", "1"],
        ["1", "1e309"],
        ["+49", "+1", "+44"],
        ["007", "010", "099"],
        ["12-34", "56-78", "9-10"],
        ["1.2.3.4", "10.0.0.1", "8.8.8.8"],
    ],
)
def test_codes_stay_text(cells: list[str]) -> None:
    inferred = infer(cells)
    assert inferred.contract.column("x").data_type is DataType.STRING
    assert inferred.warnings == ()


def test_numbers_that_read_in_two_ways_are_text_and_both_readings_are_named() -> None:
    inferred = infer(["1,234", "2,500", "999"])
    assert inferred.contract.column("x").data_type is DataType.STRING
    (warning,) = inferred.warnings
    assert (warning.code, warning.column) == ("ambiguous_number_format", "x")
    assert "1234 or 1.234" in warning.message


def test_different_currencies_are_not_added_up() -> None:
    inferred = infer(["$5", "€7", "$9"])
    assert inferred.contract.column("x").data_type is DataType.STRING
    assert [(warning.code, warning.examples) for warning in inferred.warnings] == [("mixed_units", ("$", "€"))]


def test_percentages_and_numbers_in_one_column_are_named() -> None:
    assert [warning.code for warning in infer(["5%", "7", "9%"]).warnings] == ["mixed_units"]


def test_column_that_is_nearly_all_numbers_is_never_text_in_silence() -> None:
    inferred = infer([*map(str, range(97)), "abc", "x7", "abc"])
    assert inferred.contract.column("x").data_type is DataType.STRING
    (warning,) = inferred.warnings
    assert (warning.code, warning.column, warning.count) == ("nearly_numeric", "x", 3)
    assert warning.message.startswith("97.0% of `x` are numbers; 3 values are not: 'abc', 'x7'")
    assert warning.examples == ("abc", "x7")


def test_column_that_is_nearly_all_dates_is_never_text_in_silence() -> None:
    inferred = infer([*(f"2024-01-{day:02}" for day in range(1, 31)), "soon"])
    assert [(warning.code, warning.count) for warning in inferred.warnings] == [("nearly_dates", 1)]


def test_dates_that_read_in_two_ways_are_text_with_a_warning() -> None:
    inferred = infer(["01/02/2024", "03/04/2024"])
    assert inferred.contract.column("x").data_type is DataType.STRING
    assert [warning.code for warning in inferred.warnings] == ["ambiguous_date_order"]


def infer_table(**columns: list[str]) -> InferredContract:
    return infer_contract(reader(pa.record_batch({name: pa.array(cells) for name, cells in columns.items()})))


def describe(inferred: InferredContract) -> list[tuple[DataType, str | None]]:
    return [(column.data_type, column.number_format or column.date_order) for column in inferred.contract.columns]


@pytest.mark.parametrize(
    ("open_cells", "other_cells", "number_format"),
    [
        (["1,204", "950"], ["$12,400.50", "$880.00"], "1,234.5"),
        (["1,204", "950"], ["12.5", "7"], "1,234.5"),
        (["1,204", "950"], ["0,35", "1,75"], "1234,5"),
        (["12.500", "950"], ["0,35", "1,75"], "1.234,5"),
        (["984 748", "950"], ["0,35", "1,75"], "1 234,5"),
        (["984 748", "950"], ["0.35", "1.75"], "1 234.5"),
    ],
)
def test_open_spelling_is_that_of_the_other_columns(
    open_cells: list[str], other_cells: list[str], number_format: str
) -> None:
    inferred = infer_table(x=open_cells, other=other_cells)
    assert inferred.contract.column("x").number_format == number_format
    warned = [(warning.code, warning.column) for warning in inferred.warnings]
    # A blank leaves no other meaning, so that there is nothing to warn of.
    assert warned == ([] if " " in open_cells[0] else [("number_format_of_others", "x")])


@pytest.mark.parametrize(
    ("open_cells", "others", "data_type"),
    [
        (["1,204", "950"], {"a": ["0,35", "1,75"], "b": ["0.35", "1.75"]}, DataType.STRING),
        (["1,204", "950"], {"a": ["7", "8"]}, DataType.STRING),
        (["12.500", "950"], {"a": ["0,35", "1,75"], "b": ["0.35", "1.75"]}, DataType.FLOAT),
        (["12.500", "950"], {"a": ["0.35", "1.75"]}, DataType.FLOAT),
        (["12.500", "0.950"], {"a": ["0,35", "1,75"]}, DataType.FLOAT),
    ],
)
def test_other_columns_that_disagree_or_show_nothing_settle_nothing(
    open_cells: list[str], others: dict[str, list[str]], data_type: DataType
) -> None:
    inferred = infer_table(x=open_cells, **others)
    column = inferred.contract.column("x")
    assert (column.data_type, column.number_format) == (data_type, None)
    assert "number_format_of_others" not in [warning.code for warning in inferred.warnings]


def test_open_order_of_dates_is_that_of_the_other_columns() -> None:
    inferred = infer_table(booked=["15/01/2024", "31/01/2024"], valued=["01/02/2024", "05/02/2024 10:00"])
    assert describe(inferred) == [(DataType.DATE, "dmy"), (DataType.TIMESTAMP, "dmy")]
    assert [(warning.code, warning.column) for warning in inferred.warnings] == [("date_order_of_others", "valued")]


def test_dates_of_both_orders_show_no_order_to_others() -> None:
    inferred = infer_table(
        a=["15/01/2024", "31/01/2024"], b=["01/15/2024", "01/31/2024"], c=["01/02/2024", "03/04/2024"]
    )
    assert describe(inferred)[2] == (DataType.STRING, None)
    assert [warning.code for warning in inferred.warnings] == ["ambiguous_date_order"]


def test_both_orders_in_one_column_are_named() -> None:
    inferred = infer(["02/03/2024", "25/03/2024", "03/25/2024", "13/01/2024"])
    assert inferred.contract.column("x").data_type is DataType.STRING
    (warning,) = inferred.warnings
    assert (warning.code, warning.count, warning.examples) == (
        "contradictory_date_order",
        1,
        ("03/25/2024", "25/03/2024", "13/01/2024"),
    )


def test_null_of_a_database_is_missing_in_a_string() -> None:
    inferred = infer(["Ann", "\\N", "a \\N b", "NULL"])
    assert inferred.contract.column("x").missing_values == ("\\N",)
    assert values_of(inferred, ["Ann", "\\N", " \\N ", "a \\N b", "NULL"]) == ["Ann", None, None, "a \\N b", "NULL"]
    assert infer(["1", "\\N", "2"]).contract.column("x").missing_values is None


def test_spelling_of_a_template_is_that_of_its_other_columns() -> None:
    batch = pa.record_batch({"x": ["12.500", "950"], "y": ["0,35", "1,75"], "z": [1.234, 12.5]})
    contract = Contract.build([Column(name, DataType.FLOAT) for name in "xyz"])
    settled = settle_number_formats(contract, reader(batch))
    assert [column.number_format for column in settled.contract.columns] == ["1.234,5", "1234,5", None]
    assert [(warning.code, warning.column) for warning in settled.warnings] == [("number_format_of_others", "x")]


@pytest.mark.parametrize("cells", [["a", "b", "12"], ["12", "x", "y", "z"], ["red", "green"], ["NA", "n/a", "?"]])
def test_ordinary_text_raises_no_warning(cells: list[str]) -> None:
    inferred = infer(cells)
    assert inferred.contract.column("x").data_type is DataType.STRING
    assert inferred.warnings == ()


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2019-01", "2019-02"], date(2019, 1, 1)),
        (["Jan 2015", "Feb 2015"], date(2015, 1, 1)),
        (["Jan-15", "Feb-15"], date(2015, 1, 1)),
        (["01/2015", "02/2015"], date(2015, 1, 1)),
        (["2015Q1", "2015Q2"], date(2015, 1, 1)),
        (["2015-Q1", "2015-Q2"], date(2015, 1, 1)),
        (["20150101", "20150201"], date(2015, 1, 1)),
        (["2024-W01", "2024-W02"], date(2024, 1, 1)),
        (["2. Januar 2024", "3. März 2024"], date(2024, 1, 2)),
        (["2 janv. 2024", "3 août 2024"], date(2024, 1, 2)),
    ],
)
def test_periods_and_names_of_months_are_dates(cells: list[str], first: date) -> None:
    inferred = infer(cells)
    assert inferred.contract.column("x").data_type is DataType.DATE
    assert values_of(inferred, cells)[0] == first


@pytest.mark.parametrize("cells", [["2015", "2016"], ["201501", "201502"], ["1700000000"], ["20159999", "20150101"]])
def test_other_digits_stay_numbers(cells: list[str]) -> None:
    assert infer(cells).contract.column("x").data_type is DataType.INTEGER


@pytest.mark.parametrize(
    ("cells", "date_format", "first"),
    [
        (["2015", "2016"], "year", "2015-01-01T00:00:00+00:00"),
        (["201503", "201504"], "year_month", "2015-03-01T00:00:00+00:00"),
        (["1700000000", "1700003600"], "epoch_s", "2023-11-14T22:13:20+00:00"),
        (["1700000000123", "1700003600000"], "epoch_ms", "2023-11-14T22:13:20.123000+00:00"),
        (["45292.5", "45293"], "excel", "2024-01-01T12:00:00+00:00"),
    ],
)
def test_meaning_of_digits_is_settled_when_a_template_says_timestamp(
    cells: list[str], date_format: str, first: str
) -> None:
    batch = pa.record_batch({"x": pa.array(cells)})
    contract = settle_formats(Contract.build([Column("x", DataType.TIMESTAMP)]), reader(batch)).contract
    assert contract.column("x").date_format == date_format
    assert contract.parse_batch(batch).table["x"][0].as_py().isoformat() == first
    assert contract.parse_row({"x": cells[0]})["x"].isoformat() == first  # type: ignore[union-attr]


def test_digits_of_several_kinds_are_no_dates() -> None:
    batch = pa.record_batch({"x": pa.array(["2015", "1700000000"])})
    contract = settle_formats(Contract.build([Column("x", DataType.TIMESTAMP)]), reader(batch)).contract
    assert contract.column("x").date_format is None
    assert contract.parse_batch(batch).table.num_rows == 0


@pytest.mark.parametrize(
    ("cells", "number_format"),
    [
        (["1,234.5", "x", "7"], "1,234.5"),
        (["1.234,5", "7"], "1.234,5"),
        (["12.5%", "7%"], "1234.5%"),
        (["1,234", "2,345"], None),
        (["1.5", "x"], None),
    ],
)
def test_spelling_is_settled_for_a_template(cells: list[str], number_format: str | None) -> None:
    batch = pa.record_batch({"x": pa.array(cells)})
    contract = settle_number_formats(Contract.build([Column("x", DataType.FLOAT)]), reader(batch)).contract
    assert contract.column("x").number_format == number_format


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["08/09/2024", "13/09/2024"], "dmy"),
        (["08/09/2024", "09/13/2024 10:00"], "mdy"),
        (["08/09/2024"], None),
        (["13/09/2024", "09/13/2024"], None),
        (["2024-01-01", None], None),
    ],
)
def test_date_order_is_settled_by_all_values(cells: list[str | None], order: str | None) -> None:
    batches = [pa.record_batch({"x": pa.array([cell], pa.string())}) for cell in cells]
    contract = settle_formats(Contract.build([Column("x", DataType.TIMESTAMP)]), reader(*batches)).contract
    assert contract.column("x").date_order == order


def test_known_formats_are_not_inferred() -> None:
    given = Contract.build([Column("x", DataType.DATE, date_order="mdy")])

    def untouched(columns: Sequence[str] | None) -> Iterable[pa.RecordBatch]:
        raise DatamlError("the batches were read")

    assert settle_formats(given, untouched).contract == given


def test_files_of_one_dataset_must_share_their_columns() -> None:
    batches = [pa.record_batch({"a": ["1"], "b": ["1"]}), pa.record_batch({"a": ["1"]})]
    with pytest.raises(Invalid) as caught:
        infer_contract(reader(*batches))
    assert caught.value.code == "missing_column"


def test_nothing_is_inferred_from_no_rows() -> None:
    with pytest.raises(Invalid) as caught:
        infer_contract(reader())
    assert caught.value.code == "no_rows"


@pytest.mark.parametrize(
    ("others", "stated", "order"),
    [
        (["13/09/2024"], None, "dmy"),
        (["09/13/2024"], None, "mdy"),
        (["08/10/2024"], "mdy", "mdy"),
        (["13/09/2024"], "mdy", None),
        (["08/10/2024"], None, None),
        (["13/09/2024", "09/13/2024"], None, None),
    ],
)
def test_template_takes_the_order_of_other_columns(
    others: list[str], stated: DateOrder | None, order: str | None
) -> None:
    cells = {"open": ["08/09/2024"] * len(others), "shown": others, "stated": ["2024-01-01"] * len(others)}
    columns = [Column("open", DataType.DATE), Column("shown", DataType.DATE)]
    columns += [Column("stated", DataType.DATE, date_order=stated)] if stated else []
    settled = settle_formats(Contract.build(columns), reader(pa.record_batch(cells)))
    assert settled.contract.column("open").date_order == order
    warned = [warning.column for warning in settled.warnings]
    assert ("open" in warned) is (order is not None)
    assert {warning.code for warning in settled.warnings} <= {"date_order_of_others"}


def test_order_with_a_short_year_that_may_come_first_is_not_taken_from_others() -> None:
    batch = pa.record_batch({"x": ["24-01-15", "24-01-16", "24-01-17"], "y": ["13/09/2024"] * 3})
    settled = settle_formats(Contract.build([Column(name, DataType.DATE) for name in "xy"]), reader(batch))
    assert (settled.contract.column("x").date_order, settled.warnings) == (None, ())
