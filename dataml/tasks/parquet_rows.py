"""The rows of a typed Parquet file, read some columns at a time: a training needs no whole table beside its matrix."""

from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.memory import release_memory

_MAX_CELLS: Final = 2_000_000
"""Rows times columns that are read at a time: all columns of a small table, one of a large one."""


class ParquetRows:
    """Selected rows of a file, in any order: `places` are their row numbers in the file, out of `total`.

    Columns have the Arrow types of `contract`, which has all columns that may be read.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._columns = _Columns(path, contract)
        self.total = self._columns.num_rows
        self.places = np.arange(self.total)

    @property
    def num_rows(self) -> int:
        """The number of selected rows."""
        return len(self.places)

    def take(self, rows: np.ndarray) -> Self:
        """Return these rows of the selection, by number, in this order."""
        taken = object.__new__(type(self))
        taken._columns, taken.total, taken.places = self._columns, self.total, self.places[rows]
        return taken

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Return a column; adjacent columns may be read with it and kept until `release`."""
        whole = self._columns.column(name)
        if len(self.places) == self.total and (np.diff(self.places) == 1).all():
            return whole
        return whole.take(pa.array(self.places))

    def release(self) -> None:
        """Return the memory of the columns that were read to the operating system."""
        self._columns.held = {}
        release_memory()


class _Columns:
    def __init__(self, path: Path, contract: Contract) -> None:
        self._path = path
        self._metadata = pq.read_metadata(path)
        self._contract = contract
        self.num_rows = self._metadata.num_rows
        self.held: dict[str, pa.ChunkedArray] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        if name in self.held:
            return self.held[name]
        self.held = {}  # frees them before the next ones are read
        names = self._contract.names
        first = names.index(name)
        group = names[first : first + max(1, _MAX_CELLS // max(1, self.num_rows))]
        # A reader keeps bytes of the file for as long as it lives.
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            table = file.read(columns=group)
        # The reader also returns what looks like a field of a column: "a.b" is one of "a".
        read = table.select(group).cast(self._contract.select(group).schema)
        self.held = dict(zip(group, read.columns, strict=True))
        return self.held[name]


def take_rows(path: Path, contract: Contract, places: np.ndarray) -> pa.Table:
    """Return these rows of a file, by row number and in this order, with the columns and types of `contract`.

    One row group is in memory at a time.
    """
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        starts = np.cumsum([0, *groups])
        order = np.argsort(places, kind="stable")
        borders = np.searchsorted(places[order], starts)
        taken = [contract.schema.empty_table()]
        for number in np.flatnonzero(np.diff(borders)):
            rows = places[order[borders[number] : borders[number + 1]]] - starts[number]
            group = file.read_row_group(int(number), columns=list(contract.names)).select(contract.names)
            taken.append(group.take(pa.array(rows)).cast(contract.schema))
    positions = np.empty(len(places), np.int64)
    positions[order] = np.arange(len(places))
    return pa.concat_tables(taken).take(pa.array(positions))
