"""Trino's names for the types of Iceberg columns, which both lakes report.

Source: Trino's documentation of its Iceberg connector, "Type mapping".
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType


def trino_type(kind: "IcebergType") -> str:
    """Return Trino's name for a type."""
    from pyiceberg import types

    match kind:
        case types.DecimalType():
            return f"decimal({kind.precision},{kind.scale})"
        case types.ListType():
            return f"array({trino_type(kind.element_type)})"
        case types.MapType():
            return f"map({trino_type(kind.key_type)}, {trino_type(kind.value_type)})"
        case types.StructType():
            parts = (f'"{part.name}" {trino_type(part.field_type)}' for part in kind.fields)
            return f"row({', '.join(parts)})"
        case _:
            names = {
                types.BooleanType: "boolean",
                types.IntegerType: "integer",
                types.LongType: "bigint",
                types.FloatType: "real",
                types.DoubleType: "double",
                types.DateType: "date",
                types.TimeType: "time(6)",
                types.TimestampType: "timestamp(6)",
                types.TimestamptzType: "timestamp(6) with time zone",
                types.StringType: "varchar",
                types.UUIDType: "uuid",
                types.BinaryType: "varbinary",
                types.FixedType: "varbinary",
            }
            return names.get(type(kind), str(kind))
