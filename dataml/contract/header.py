"""Search for a header that is rather the first row of the data, as of a file without a header."""

from itertools import pairwise
from typing import Final

from dataml.contract.contract import Column, Contract
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning

_YEARS: Final = range(1500, 2200)


def find_header_like_values(contract: Contract) -> DataWarning | None:
    """Return a warning if the name of every column but the Strings is a value of the column, as 12.50 of prices.

    Years, and whole numbers that ascend, are names that tables have.
    """
    typed = [column for column in contract.columns if column.data_type is not DataType.STRING]
    if not typed or not all(map(_is_value, typed)) or _are_labels([column.name for column in typed]):
        return None
    names = tuple(column.name for column in typed[:MAX_EXAMPLES])
    message = (
        f"Names of columns are like values: {', '.join(map(repr, names))}. If the file has no header, its first row "
        "was taken for one: put a line with names before it."
    )
    return DataWarning("header_like_values", message, None, len(typed), names)


def _is_value(column: Column) -> bool:
    try:
        return parse_value(column.name, column.data_type, column.value_format) is not None
    except InvalidValue:
        return False


def _are_labels(names: list[str]) -> bool:
    if not all(name.isascii() and name.isdigit() for name in names):
        return False
    numbers = [int(name) for name in names]
    if all(number in _YEARS for number in numbers):
        return True
    return numbers == [0] or (len(numbers) > 1 and all(first < second for first, second in pairwise(numbers)))
