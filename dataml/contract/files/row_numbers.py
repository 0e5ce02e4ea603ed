"""Search for row numbers in the first fields of the rows of a CSV file, block by block.

pandas writes the index of a data frame as a first column without a name, and R its row names: mostly 0, 1, 2, ... or
1, 2, 3, ... A column of nothing else says nothing about the rows.
"""

from typing import Any, Final

import numpy as np

from dataml.contract.files.borders import QUOTE, Flags, Positions

_MAX_DIGITS: Final = 18
_ZERO: Final = ord("0")


class RowNumbers:
    """Whether the first fields of all rows count up from 0 or 1, to the end or from each repeated header on."""

    def __init__(self) -> None:
        self._continuous = _Count()
        self._restarting = _Count()

    @property
    def are_all(self) -> bool:
        """Whether the fields of all rows seen are such numbers."""
        return self._continuous.holds or self._restarting.holds

    def add(self, data: np.ndarray[Any, np.dtype[np.uint8]], starts: Positions, ends: Positions, kept: Flags) -> None:
        """Take the first fields of the next rows into account.

        Args:
            data: the bytes of a block.
            starts: where each field begins, (rows,).
            ends: where each field ends, (rows,).
            kept: which rows are no repeated header, (rows,).
        """
        if not self.are_all or not len(starts):
            return
        numbers = _parse_numbers(data, starts[kept], ends[kept])
        self._continuous.add(numbers, np.zeros(0, np.int64))
        # Where the rows behind each repeated header stand among those that are kept.
        self._restarting.add(numbers, np.cumsum(kept, dtype=np.int64)[~kept])


class _Count:
    """A count from 0 or 1, which may begin again."""

    def __init__(self) -> None:
        self.holds = True
        self._first: int | None = None
        self._passed = 0

    def add(self, numbers: Positions, restarts: Positions) -> None:
        """Compare the next numbers with the count; `restarts` are positions in them where it begins again."""
        if not self.holds:
            return
        if self._first is None and len(numbers):
            self._first = int(numbers[0])
            self.holds = self._first in (0, 1)
        # The last element stands for the number behind these.
        begin = np.full(len(numbers) + 1, -self._passed)
        begin[restarts] = restarts
        begin = np.maximum.accumulate(begin)
        self.holds = self.holds and bool(np.all(numbers == np.arange(len(numbers)) - begin[:-1] + (self._first or 0)))
        self._passed = len(numbers) - int(begin[-1])


def _parse_numbers(
    data: np.ndarray[Any, np.dtype[np.uint8]], starts: Positions, ends: Positions
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the whole numbers that the fields are, quoted or not, and -1 for other fields."""
    is_quoted = (ends - starts >= 2) & (data[starts] == QUOTE)
    starts, ends = starts + is_quoted, ends - is_quoted
    lengths = ends - starts
    is_number = (lengths > 0) & (lengths <= _MAX_DIGITS) & ((lengths == 1) | (data[starts] != _ZERO))
    numbers = np.zeros(len(starts), np.int64)
    for position in range(int(lengths.max(initial=0, where=is_number))):
        is_inside = is_number & (position < lengths)
        digits = data[np.where(is_inside, starts + position, 0)].astype(np.int64) - _ZERO
        is_number &= ~is_inside | ((digits >= 0) & (digits <= 9))
        numbers = np.where(is_inside, numbers * 10 + digits, numbers)
    return np.where(is_number, numbers, -1)
