"""Search for rows that repeat the header, as joined exports and restarted loggers have them."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import codecs
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.files.borders import Flags, Positions, split_row
from dataml.contract.files.layout import NUMBER_PATTERN, CsvLayout

_BOM = codecs.BOM_UTF8


class HeaderLine:
    """The line of a header, to find rows with the same fields.

    Rows of a single column are no headers, nor are those of names that are all numbers: both may be values. A joined
    file may have a byte order mark before its header.
    """

    def __init__(self, layout: CsvLayout) -> None:
        self._delimiter = layout.delimiter
        self._line = layout.header_line
        self._names = split_row(self._line.decode(), layout.delimiter)
        is_sought = len(self._names) > 1 and not all(map(NUMBER_PATTERN.fullmatch, self._names))
        self._beginnings = self._list_beginnings() if is_sought else []

    def _list_beginnings(self) -> list[bytes]:
        """Return how a row may begin that has the first name."""
        begins = [text + self._delimiter for text in (self._names[0], _quote(self._names[0]))]
        return [mark + text.encode() for mark in (b"", _BOM) for text in begins]

    def is_repeated_by(self, row: bytes) -> bool:
        """Return whether a row has the fields of the header, quoted or not."""
        row = row.removeprefix(_BOM)
        if row == self._line:
            return bool(self._beginnings)
        if b'"' not in row and b'"' not in self._line:
            return False
        return bool(self._beginnings) and split_row(row.decode(errors="replace"), self._delimiter) == self._names

    def find_repeats(self, block: bytes, starts: Positions, ends: Positions) -> Flags:
        """Return which rows of a block repeat the header.

        Args:
            block: bytes of the file.
            starts: where each row begins, (rows,).
            ends: where each row ends, (rows,).
        """
        is_repeat = np.zeros(len(starts), bool)
        data = np.frombuffer(block, np.uint8)
        for beginning in self._beginnings:
            for row in _find_beginning(data, starts, beginning).tolist():
                is_repeat[row] = self.is_repeated_by(block[starts[row] : ends[row]])
        return is_repeat

    def drop_repeats(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows without those that repeat the header; `batch` has all columns of the file, as text."""
        name = self._names[0]
        is_repeat = _equals(batch.column(0), name)
        # Behind a byte order mark a quote is text.
        for text in (f"\ufeff{name}", f"\ufeff{_quote(name)}"):
            is_repeat = pc.or_(is_repeat, _equals(batch.column(0), text))
        for position, text in enumerate(self._names[1 : batch.num_columns], 1):
            if not pc.any(is_repeat).as_py():
                return batch
            is_repeat = pc.and_(is_repeat, _equals(batch.column(position), text))
        return batch.filter(pc.invert(is_repeat))


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _find_beginning(data: np.ndarray[Any, np.dtype[np.uint8]], starts: Positions, beginning: bytes) -> Positions:
    """Return which rows begin with these bytes."""
    rows = np.flatnonzero(starts + len(beginning) <= len(data))
    for position, byte in enumerate(beginning):
        if not len(rows):
            break
        rows = rows[data[starts[rows] + position] == byte]
    return rows


def _equals(cells: pa.Array, text: str) -> pa.Array:
    return pc.fill_null(pc.equal(cells, text), False) if text else pc.is_null(cells)
