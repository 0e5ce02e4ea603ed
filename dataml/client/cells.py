"""One value of a table as JSON, in the form that the platform reads it in."""

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from dataml.client.errors import WrongRows

_MISSING_TYPES = frozenset({"NoneType", "NAType", "NaTType"})


def to_json(value: Any, data_type: str, column: str) -> Any:
    """Return a value for JSON: missing values as None, times as ISO 8601, numbers of NumPy as Python's.

    Args:
        value: A cell of a DataFrame, of an Arrow table or of a dict.
        data_type: What the platform reads the column as: `Integer`, `Date`, ...; empty where that is not known.
        column: Name of the column, for errors.

    Raises:
        WrongRows: The value has no form in JSON.
    """
    if isinstance(value, bool | str):
        return value
    if type(value).__name__ in _MISSING_TYPES:
        return None
    if isinstance(value, int):
        return str(value) if data_type == "String" else value
    if isinstance(value, float):
        return _number(value, data_type, column)
    if isinstance(value, datetime):
        is_day = data_type == "Date" and value.time() == time.min
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(float(value), data_type, column)
    if hasattr(value, "item"):
        return to_json(value.item(), data_type, column)
    raise WrongRows(f"Column {column!r} has a value that cannot be sent: {type(value).__name__}.", code="wrong_value")


def _number(value: float, data_type: str, column: str) -> int | float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise WrongRows(f"Column {column!r} has an infinite number.", code="infinite_number")
    # pandas has integers with missing values as floats.
    return int(value) if data_type == "Integer" and value.is_integer() else value
