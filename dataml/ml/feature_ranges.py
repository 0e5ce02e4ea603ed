"""The ranges of the numbers that a model was trained on, recorded while they are encoded."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.types import DataType
from dataml.ml.encoding import EncodedColumn, Encoding
from dataml.ml.preprocessing import ColumnSource

Range = tuple[float, float]
_NUMERIC = (DataType.INTEGER, DataType.FLOAT)


class RangeRecorder:
    """A source of columns that records the least and the largest value of those that are read as numbers."""

    def __init__(self, rows: ColumnSource, layout: Iterable[EncodedColumn]) -> None:
        self._rows = rows
        self._names = {
            column.source for column in layout if column.encoding is Encoding.NUMBER and column.data_type in _NUMERIC
        }
        self.ranges: dict[str, Range] = {}

    @property
    def num_rows(self) -> int:
        """How many rows every column has."""
        return self._rows.num_rows

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Return a column of the source."""
        values = self._rows.column(name)
        if name in self._names and name not in self.ranges:
            extremes = pc.min_max(values).as_py()
            if extremes["min"] is not None:
                self.ranges[name] = (extremes["min"], extremes["max"])
        return values


def merge_ranges(before: Mapping[str, Range], new: Mapping[str, Range]) -> dict[str, Range]:
    """Return the ranges of both datasets together."""
    names = before.keys() | new.keys()
    both = {name: [ranges[name] for ranges in (before, new) if name in ranges] for name in sorted(names)}
    return {name: (min(low for low, _ in each), max(high for _, high in each)) for name, each in both.items()}
