"""The data types and their aliases."""

import pytest

from dataml.contract.types import DataType
from dataml.errors import Invalid


@pytest.mark.parametrize(
    ("alias", "data_type"),
    [
        ("String", DataType.STRING),
        ("TEXT", DataType.STRING),
        ("int", DataType.INTEGER),
        (" BigInt ", DataType.INTEGER),
        ("double", DataType.FLOAT),
        ("Number", DataType.FLOAT),
        ("bool", DataType.BOOLEAN),
        ("DATE", DataType.DATE),
        ("datetime", DataType.TIMESTAMP),
    ],
)
def test_types_have_aliases_in_any_case(alias: str, data_type: DataType) -> None:
    assert DataType.parse(alias) is data_type


def test_unknown_type_is_refused() -> None:
    with pytest.raises(Invalid, match="blob") as caught:
        DataType.parse("blob")
    assert caught.value.code == "unknown_data_type"
