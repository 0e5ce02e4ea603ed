"""Names of the columns of a CSV file, where the first one may have none: an index of pandas, or row names of R."""

from collections.abc import Collection
from typing import Final

from dataml.contract.files.column_names import trim_names
from dataml.contract.files.layout import CsvLayout, CsvOptions

FIRST_COLUMN: Final = "column_1"
"""Name of a first column that has none in the header."""


def has_unnamed_first(layout: CsvLayout) -> bool:
    """Return whether the first of several columns has no name in the header."""
    return len(layout.header) > 1 and not layout.header[0].strip()


def name_columns(layout: CsvLayout) -> tuple[str, ...]:
    """Return the names of all columns, trimmed; that of an unnamed first one is empty if another column has it."""
    names = trim_names(layout.header)
    if not has_unnamed_first(layout) or FIRST_COLUMN in names:
        return names
    return (FIRST_COLUMN, *names[1:])


def select_columns(layout: CsvLayout, options: CsvOptions, wanted: Collection[str] = ()) -> dict[int, str]:
    """Return the names of the columns by their position.

    Args:
        layout: the layout of the file.
        options: what is known about the file.
        wanted: names that a contract has: a first column that numbers the rows is left out, if it is not among them.
    """
    names = name_columns(layout)
    is_left_out = options.has_row_numbers and has_unnamed_first(layout) and (not names[0] or names[0] not in wanted)
    return {position: name for position, name in enumerate(names) if position or not is_left_out}
