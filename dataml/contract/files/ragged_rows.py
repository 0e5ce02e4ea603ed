"""Rows of a CSV file that have another number of fields than the header, and what to say about them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dataml.contract.files.borders import Positions
from dataml.contract.files.layout import CsvLayout

_MAX_LISTED: Final = 5

NAMES_OF_ROWS_HINT: Final = (
    "If the first field is the name of its row, put a name for it into the header; if numbers have decimal commas, "
    "quote them or write another delimiter."
)
"""What to do if all rows have one field more than the header."""


@dataclass
class RaggedRows:
    """The rows that have another number of fields than the header; `problem` is about the first of them.

    Of these, `one_more` have one field more.
    """

    problem: str = ""
    is_unnamed: bool = False
    count: int = 0
    one_more: int = 0
    lines: list[int] = field(default_factory=list[int])

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.problem}."
        listed = ", ".join(f"{line:,}" for line in self.lines) + (", ..." if self.count > len(self.lines) else "")
        return f"{self.problem}; {self.count:,} lines do not fit the header: {listed}."

    def add(self, layout: CsvLayout, rows: Positions, fields: Positions, find_line: Callable[[int], int]) -> None:
        """Take such rows of a block into account.

        Args:
            layout: the layout of the file.
            rows: which rows of the block they are.
            fields: the number of fields of each row of the block.
            find_line: returns the number of the line that a row of the block begins in.
        """
        for row in rows[: max(_MAX_LISTED - self.count, 0)].tolist():
            line = find_line(row)
            if not self.lines:
                self.is_unnamed = int(fields[row]) == layout.fields
                self.problem = f"Line {line:,}: {_describe(int(fields[row]), layout)}"
            self.lines.append(line)
        self.count += len(rows)
        self.one_more += int((fields[rows] == layout.fields + 1).sum())


def _describe(fields: int, layout: CsvLayout) -> str:
    if fields == layout.fields:
        return "a field has a value, and its column has no name in the header"
    noun = "field" if fields == 1 else "fields"
    is_wider = layout.padding or layout.lacks_first_name
    expected = f"the first row has {layout.fields}" if is_wider else f"the header has {layout.fields}"
    return f"{fields} {noun}, where {expected}"
