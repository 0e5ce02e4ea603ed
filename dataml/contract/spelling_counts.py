"""The values of a text column that are of a kind, such as numbers, and the others: when they are only exceptions."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import drop_missing, select_texts
from dataml.contract.files.parquet_types import is_text
from dataml.contract.value_format import ANY_FORMAT, ValueFormat
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning

NEARLY_SHARE: Final = 0.8
"""Share of numbers or dates in a text column from which on a warning names the others."""

_MARKED_SHARE: Final = 0.5
"""As NEARLY_SHARE, where the others are a few texts that come again, as marks of missing values do."""
_MIN_DISTINCT: Final = 20
"""Different numbers or dates that a column with such marks has; one with fewer may be one of codes."""

MAX_SAMPLES: Final = 1_000


class SpellingCounts:
    """The values of a text column, and those that no spelling reads."""

    def __init__(self, name: str, value_format: ValueFormat = ANY_FORMAT) -> None:
        self.name = name
        self._format = value_format
        self._total = 0
        self._others: dict[str, None] = {}
        self._has_many_others = False
        self._distinct: set[str] = set()

    def _select(self, cells: pa.Array) -> pa.Array:
        """Return the cells that have a value, without blanks around them; none of a typed column."""
        if not is_text(cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type):
            return pa.array([], pa.string())
        cells = drop_missing(select_texts(cells), self._format)
        self._total += len(cells)
        return cells

    def _add_others(self, cells: pa.Array) -> None:
        for text in pc.unique(cells.slice(0, MAX_SAMPLES)).to_pylist():
            if len(self._others) < MAX_EXAMPLES:
                self._others[text] = None
            self._has_many_others |= text not in self._others

    def _add_distinct(self, cells: pa.Array) -> None:
        if len(self._distinct) < _MIN_DISTINCT:
            self._distinct.update(pc.unique(cells.slice(0, MAX_SAMPLES)).to_pylist())

    def _is_nearly(self, count: int) -> bool:
        """Return whether `count` values are so many that the others are exceptions."""
        has_marks = not self._has_many_others and len(self._distinct) >= _MIN_DISTINCT
        return (_MARKED_SHARE if has_marks else NEARLY_SHARE) * self._total <= count < self._total

    def _warn_nearly(self, code: str, kind: str, data_type: str, count: int) -> DataWarning | None:
        """Return the warning about a column of which `count` values are of this kind, or None if they are too few."""
        if not self._total or not self._is_nearly(count):
            return None
        others = self._total - count
        examples = tuple(self._others)
        listed = ", ".join(repr(text[:40]) for text in examples) + (", ..." if others > len(examples) else "")
        share = min(100 * count / self._total, 99.9)
        if examples == (self.name,):
            listed += ", the name of the column: the header seems to be repeated among the rows"
        are_not = "1 value is not" if others == 1 else f"{others:,} values are not"
        message = (
            f"{share:.1f}% of `{self.name}` are {kind}; {are_not}: {listed}. The column is read as text. To set these "
            f"rows aside, upload with a template in which it is {data_type}; to keep the text, with one in which it is "
            "String; or list texts that mean nothing as its missing_values."
        )
        return DataWarning(code, message, self.name, others, examples)
