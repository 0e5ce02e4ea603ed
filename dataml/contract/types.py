"""The data types of columns."""

from enum import StrEnum
from typing import Final

import pyarrow as pa

from dataml.errors import Invalid
from dataml.suggestions import describe_unknown


class DataType(StrEnum):
    """The types a column can have."""

    STRING = "String"
    INTEGER = "Integer"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    DATE = "Date"
    TIMESTAMP = "Timestamp"

    @classmethod
    def parse(cls, text: str) -> "DataType":
        """Return the type with this name or alias, in any case.

        Raises:
            Invalid: `unknown_data_type`.
        """
        data_type = _ALIASES.get(text.strip().lower())
        if data_type is None:
            raise Invalid(describe_unknown("data type", text, cls, is_listed=True), code="unknown_data_type")
        return data_type

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of parsed values."""
        return _ARROW[self]

    @property
    def is_temporal(self) -> bool:
        """Whether values are dates or timestamps."""
        return self in (DataType.DATE, DataType.TIMESTAMP)


_NAMES: Final[dict[DataType, str]] = {
    DataType.STRING: "string str text varchar char character object category categorical utf8",
    DataType.INTEGER: "integer int int8 int16 int32 int64 smallint bigint long short",
    DataType.FLOAT: "float double number numeric decimal real float32 float64",
    DataType.BOOLEAN: "boolean bool logical",
    DataType.DATE: "date date32",
    DataType.TIMESTAMP: "timestamp datetime datetime64 timestamptz",
}
_ALIASES: Final = {alias: kind for kind, aliases in _NAMES.items() for alias in aliases.split()}
_ARROW: Final[dict[DataType, pa.DataType]] = {
    DataType.STRING: pa.string(),
    DataType.INTEGER: pa.int64(),
    DataType.FLOAT: pa.float64(),
    DataType.BOOLEAN: pa.bool_(),
    DataType.DATE: pa.date32(),
    DataType.TIMESTAMP: pa.timestamp("us", "UTC"),
}
