"""Which rows repeat a value of a column that may have each only once."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from pandas.util import hash_array

from dataml.contract.columns import parse_column
from dataml.contract.contract import Column

# Two independent 64-bit hashes: a value is taken for another one once in 2^128 pairs.
_KEYS = ("0123456789123456", "6543219876543210")


class DuplicateDetector:
    """Collects the values of one column, batch by batch, in 16 bytes a row."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._hashes: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows: list[np.ndarray] = []
        self._seen = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Values that are missing or wrong repeat nothing."""
        place = batch.schema.get_field_index(self.column.name)
        if place >= 0:
            values = parse_column(batch.column(place), self.column.data_type, self.column.date_order).values
            there = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
            plain = _hashable(values.drop_null())
            first, second = (hash_array(plain, hash_key=key) for key in _KEYS)  # type: ignore[operator]
            self._hashes.append((np.asarray(first), np.asarray(second)))
            self._rows.append(there + self._seen)
        self._seen += batch.num_rows

    def rows(self) -> np.ndarray:
        """A boolean for each row that was added: whether an earlier row has the same value."""
        duplicates = np.zeros(self._seen, bool)
        if self._hashes:
            first, second = (np.concatenate(parts) for parts in zip(*self._hashes, strict=True))
            order = np.argsort(first, kind="stable")
            first, second = first[order], second[order]
            same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
            duplicates[np.concatenate(self._rows)[order[1:][same]]] = True
        return duplicates


def find_duplicate_rows(columns: Iterable[Column], batches: Iterable[pa.RecordBatch]) -> dict[str, np.ndarray]:
    """For each of the columns with `unique`, which rows of all the batches repeat a value; columns without a repetition
    are left out."""
    found = [DuplicateDetector(column) for column in columns if column.unique]
    for batch in batches if found else ():
        for repeats in found:
            repeats.add(batch)
    by_name = {repeats.column.name: repeats.rows() for repeats in found}
    return {name: rows for name, rows in by_name.items() if rows.any()}


def _hashable(values: pa.Array) -> np.ndarray:
    if pa.types.is_string(values.type):
        return np.asarray(values.to_pylist(), object)
    if pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.to_numpy(zero_copy_only=False)
