"""Types and date orders that all values of a column allow."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from dataml.contract.type_inference import TypeInference
from dataml.contract.types import DataType


@pytest.mark.parametrize(
    ("cells", "data_type"),
    [
        (["1", "-2", ""], DataType.INTEGER),
        (["0", "1"], DataType.INTEGER),
        (["1", " 2 "], DataType.INTEGER),
        (["1", "2.5"], DataType.FLOAT),
        (["12.0", "1e3"], DataType.FLOAT),
        (["007", "1"], DataType.STRING),
        (["+49", "1"], DataType.STRING),
        (["12345678901234567890", "1"], DataType.STRING),
        (["1", "inf"], DataType.STRING),
        (["1", "NA"], DataType.INTEGER),
        (["NA", "yes", "?"], DataType.BOOLEAN),
        (["2024-01-01", "-"], DataType.DATE),
        (["NA", "n/a"], DataType.STRING),
        (["Yes", "no", ""], DataType.BOOLEAN),
        (["TRUE", "false"], DataType.BOOLEAN),
        (["y", "n"], DataType.STRING),
        (["2024-01-01", "08-Aug-24"], DataType.DATE),
        (["2024-01-01", "2024-01-01 10:00"], DataType.TIMESTAMP),
        (["2024-01-01 00:00:00"], DataType.TIMESTAMP),
        (["13/01/2024", "01/02/2024"], DataType.DATE),
        (["01/02/2024"], DataType.STRING),
        (["2024-01-01", "soon"], DataType.STRING),
        (["", ""], DataType.STRING),
    ],
)
def test_type_is_inferred_from_all_values(cells: list[str], data_type: DataType) -> None:
    one_by_one, together = TypeInference(), TypeInference()
    for cell in cells:
        one_by_one.add(pa.array([cell]))
    together.add(pa.array(cells))
    assert one_by_one.data_type is data_type
    assert together.data_type is data_type


@pytest.mark.parametrize(
    ("batches", "data_type"),
    [
        ([pa.array([1])], DataType.INTEGER),
        ([pa.array([1]), pa.array([1.5])], DataType.FLOAT),
        ([pa.array([True])], DataType.BOOLEAN),
        ([pa.array([date(2024, 1, 1)])], DataType.DATE),
        ([pa.array([0], pa.timestamp("ns"))], DataType.TIMESTAMP),
        ([pa.array([1]).dictionary_encode()], DataType.INTEGER),
        ([pa.nulls(1)], DataType.STRING),
        ([pa.nulls(1), pa.array([1])], DataType.INTEGER),
        ([pa.array([1]), pa.array([True])], DataType.STRING),
        ([pa.array([1]), pa.array(["1"])], DataType.STRING),
    ],
)
def test_declared_types_are_kept(batches: list[pa.Array], data_type: DataType) -> None:
    inference = TypeInference()
    for batch in batches:
        inference.add(batch)
    assert inference.data_type is data_type


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["13/01/2024", "01/02/2024"], "dmy"),
        (["01/13/2024", "01/02/2024"], "mdy"),
        (["01/02/2024"], None),
        (["13/01/2024", "01/13/2024"], None),
        (["soon", "13/01/2024", None], "dmy"),
        ([], None),
    ],
)
def test_date_order_is_the_one_that_all_values_agree_on(cells: list[str | None], order: str | None) -> None:
    inference = TypeInference()
    inference.add_date_orders(pa.array(cells, pa.string()))
    assert inference.date_order == order


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([["0.5"], ["1"]], DataType.FLOAT),
        ([["1"], ["0.5"]], DataType.FLOAT),
        ([["1"], ["9223372036854775808"]], DataType.STRING),
        ([["9223372036854775807", None], ["-9223372036854775808"]], DataType.INTEGER),
        ([["9223372036854775808"], ["0.5"]], DataType.FLOAT),
    ],
)
def test_decimals_are_typed_by_all_values(batches: list[list[str | None]], expected: DataType) -> None:
    inference = TypeInference()
    for texts in batches:
        inference.add(pa.array([text and Decimal(text) for text in texts], pa.decimal128(38, 2)))
    assert inference.data_type is expected


def test_decimals_without_a_whole_part_are_typed() -> None:
    inference = TypeInference()
    inference.add(pa.array([Decimal("0.1234567890123456789")]))
    assert inference.data_type is DataType.FLOAT


def test_numbers_of_which_the_first_reads_as_a_month_are_numbers() -> None:
    inference = TypeInference()
    inference.add(pa.array(["1.2015", *(f"{number}.{number}" for number in range(50))]))
    assert inference.data_type is DataType.FLOAT
