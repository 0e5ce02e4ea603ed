"""Writes HDF5 copies of stored files, on their first download.

    /columns/<column>   one dataset per column, in file order: int64, float64, boolean, or text (dates as ISO 8601)
    /missing/<column>   boolean, only for columns with a missing value

Each column has the narrowest type that holds all its values in the file. A `/` in a column's name, which HDF5 would
take for a group, becomes `_`; the attribute `column` has the original name.
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pyarrow as pa

from dataml.contract.columns import parse_column
from dataml.contract.contract import Column
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.layout import CsvOptions
from dataml.contract.files.reading import open_batches
from dataml.contract.inference import infer_contract
from dataml.contract.types import DataType
from dataml.storage import disk

_CHUNK_ROWS: Final = 8192
_TEXT: Final = h5py.string_dtype()
_HDF_TYPES: Final[dict[DataType, Any]] = {
    DataType.INTEGER: np.int64,
    DataType.FLOAT: np.float64,
    DataType.BOOLEAN: np.bool_,
}


def ensure_copy(source: Path, file_format: FileFormat, options: CsvOptions, target: Path) -> None:
    """Write the copy to `target` unless it exists; it appears completely or not at all.

    Blocking: the file is read twice.
    """
    if target.exists():
        return
    unfinished = target.with_name(f".{uuid.uuid4().hex}.hdf")
    try:
        _write(source, file_format, options, unfinished)
        disk.sync(unfinished)  # else a loss of power could leave a damaged copy under the name
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(source: Path, file_format: FileFormat, options: CsvOptions, target: Path) -> None:
    def read(columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return open_batches(source, file_format, columns, options=options)

    columns = infer_contract(read).contract.columns
    with h5py.File(target, "w") as file:
        stored = _HdfColumns(file, columns)
        for batch in read():
            stored.append(batch)


class _HdfColumns:
    """The columns of an HDF5 file, appended to batch by batch."""

    def __init__(self, file: h5py.File, columns: tuple[Column, ...]) -> None:
        self._rows = 0
        self._columns = columns
        self._names = _link_names([column.name for column in columns])
        group = file.create_group("columns", track_order=True)
        self._values = {column.name: self._create(group, column) for column in columns}
        self._missing_group = file.create_group("missing", track_order=True)
        self._missing: dict[str, h5py.Dataset] = {}

    def append(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch after those that are there."""
        start, self._rows = self._rows, self._rows + batch.num_rows
        for missing in self._missing.values():
            missing.resize((self._rows,))
        for column in self._columns:
            cells = batch.column(batch.schema.get_field_index(column.name))
            values = parse_column(cells, column.data_type, column.value_format).values
            stored = self._values[column.name]
            stored.resize((self._rows,))
            stored[start:] = _to_numpy(values, column.data_type)
            if values.null_count:
                self._missing_values(column.name)[start:] = values.is_null().to_numpy(zero_copy_only=False)

    def _create(self, group: h5py.Group, column: Column) -> h5py.Dataset:
        dtype = _HDF_TYPES.get(column.data_type, _TEXT)
        stored = group.create_dataset(
            self._names[column.name], shape=(0,), maxshape=(None,), dtype=dtype, chunks=(_CHUNK_ROWS,)
        )
        stored.attrs["column"] = column.name
        stored.attrs["data_type"] = column.data_type.value
        return stored

    def _missing_values(self, name: str) -> h5py.Dataset:
        if name not in self._missing:
            # Created at the first missing value: the rows before it have the fill value, False.
            self._missing[name] = self._missing_group.create_dataset(
                self._names[name], shape=(self._rows,), maxshape=(None,), dtype=np.bool_, chunks=(_CHUNK_ROWS,)
            )
        return self._missing[name]


def _to_numpy(values: pa.Array, data_type: DataType) -> np.ndarray[Any, Any]:
    match data_type:
        case DataType.FLOAT:
            return values.to_numpy(zero_copy_only=False)
        case DataType.INTEGER | DataType.BOOLEAN:
            return values.fill_null(pa.scalar(0).cast(values.type)).to_numpy(zero_copy_only=False)
        case DataType.TIMESTAMP:
            texts = [value.isoformat().replace("+00:00", "Z") if value else "" for value in values.to_pylist()]
            return np.array(texts, dtype=object)
        case DataType.DATE | DataType.STRING:
            return values.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)


def _link_names(columns: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        name = column.replace("/", "_")
        name = "_" if name == "." else name
        while name in taken:
            name += "_"
        taken.add(name)
        names[column] = name
    return names
