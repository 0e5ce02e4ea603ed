"""Names of columns that are rather values."""

import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.header import find_header_like_values
from dataml.contract.types import DataType

Types = dict[str, DataType]
INTEGER, FLOAT, DATE, STRING = DataType.INTEGER, DataType.FLOAT, DataType.DATE, DataType.STRING


def build(types: Types) -> Contract:
    return Contract.build(Column(name, data_type) for name, data_type in types.items())


@pytest.mark.parametrize(
    ("types", "examples"),
    [
        ({"17": INTEGER, "2024-01-15": DATE, "12.50": FLOAT, "Ann": STRING}, ("17", "2024-01-15", "12.50")),
        ({"5": INTEGER}, ("5",)),
        ({"7": INTEGER, "3": INTEGER}, ("7", "3")),
    ],
)
def test_first_row_that_is_taken_for_a_header_is_named(types: Types, examples: tuple[str, ...]) -> None:
    warning = find_header_like_values(build(types))
    assert warning is not None
    assert (warning.code, warning.column, warning.examples) == ("header_like_values", None, examples)


@pytest.mark.parametrize(
    "types",
    [
        {"id": INTEGER, "12.50": FLOAT},
        {"Ann": STRING, "Bob": STRING},
        {"country": STRING, "2019": FLOAT, "2020": FLOAT},
        {"2020": FLOAT},
        {"0": INTEGER},
        {"0": INTEGER, "1": FLOAT, "2": FLOAT},
        {"2024-01-01": INTEGER, "2024-01-02": INTEGER},
    ],
)
def test_ordinary_names_raise_no_warning(types: Types) -> None:
    assert find_header_like_values(build(types)) is None


def test_name_is_read_in_the_spelling_of_its_column() -> None:
    column = Column("1.234,50", FLOAT, number_format="1.234,5")
    assert find_header_like_values(Contract.build([column])) is not None
