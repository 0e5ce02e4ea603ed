"""Trino's names for the types of Iceberg columns."""

import pytest
from pyiceberg import types

from dataml.iceberg.trino_types import trino_type


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (types.BooleanType(), "boolean"),
        (types.IntegerType(), "integer"),
        (types.LongType(), "bigint"),
        (types.FloatType(), "real"),
        (types.DoubleType(), "double"),
        (types.DecimalType(21, 2), "decimal(21,2)"),
        (types.DateType(), "date"),
        (types.TimeType(), "time(6)"),
        (types.TimestampType(), "timestamp(6)"),
        (types.TimestamptzType(), "timestamp(6) with time zone"),
        (types.StringType(), "varchar"),
        (types.UUIDType(), "uuid"),
        (types.BinaryType(), "varbinary"),
        (types.FixedType(4), "varbinary"),
        (types.ListType(2, types.LongType(), False), "array(bigint)"),
        (types.MapType(2, types.StringType(), 3, types.ListType(4, types.DateType())), "map(varchar, array(date))"),
    ],
    ids=str,
)
def test_type_has_trinos_name(kind: types.IcebergType, expected: str) -> None:
    assert trino_type(kind) == expected


def test_parts_of_a_structure_have_quoted_names() -> None:
    parts = [types.NestedField(2, "a b", types.UUIDType()), types.NestedField(3, "c", types.LongType())]
    assert trino_type(types.StructType(*parts)) == 'row("a b" uuid, "c" bigint)'
