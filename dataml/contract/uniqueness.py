"""Detection of rows that repeat a value of a column whose values must be unique."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from dataml.contract.columns import parse_column
from dataml.contract.contract import Column

# Two independent 64-bit hashes: two different values are taken for equal once in 2^128 pairs.
_KEYS = ("0123456789123456", "6543219876543210")


class DuplicateDetector:
    """The hashed values of one column, batch by batch, in 16 bytes a row."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._hashes: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows: list[np.ndarray] = []
        self._row_count = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch into account; values that are missing or invalid are no duplicates."""
        index = batch.schema.get_field_index(self.column.name)
        if index >= 0:
            values = parse_column(batch.column(index), self.column.data_type, self.column.value_format).values
            valid_rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
            hashable = _to_hashable(values.drop_null())
            # Only contracts with a unique column need pandas, whose import takes half a second.
            from pandas.util import hash_array

            first, second = (hash_array(hashable, hash_key=key) for key in _KEYS)  # type: ignore[operator]
            self._hashes.append((np.asarray(first), np.asarray(second)))
            self._rows.append(valid_rows + self._row_count)
        self._row_count += batch.num_rows

    def duplicate_rows(self) -> np.ndarray:
        """Return a boolean for each row that was added: whether an earlier row has the same value."""
        is_duplicate = np.zeros(self._row_count, bool)
        if self._hashes:
            first, second = (np.concatenate(parts) for parts in zip(*self._hashes, strict=True))
            order = np.argsort(first, kind="stable")
            first, second = first[order], second[order]
            is_same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
            is_duplicate[np.concatenate(self._rows)[order[1:][is_same]]] = True
        return is_duplicate


def find_duplicate_rows(columns: Iterable[Column], batches: Iterable[pa.RecordBatch]) -> dict[str, np.ndarray]:
    """Return for each column with `unique` a boolean a row of all batches: whether it repeats an earlier value.

    Columns without duplicates are left out. The batches are read only when there is a column with `unique`.
    """
    detectors = [DuplicateDetector(column) for column in columns if column.unique]
    for batch in batches if detectors else ():
        for detector in detectors:
            detector.add(batch)
    by_name = {detector.column.name: detector.duplicate_rows() for detector in detectors}
    return {name: rows for name, rows in by_name.items() if rows.any()}


def _to_hashable(values: pa.Array) -> np.ndarray:
    if pa.types.is_string(values.type):
        return np.asarray(values.to_pylist(), object)
    if pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.to_numpy(zero_copy_only=False)
