"""Rows as a Parquet file, and the result of a batch as columns, by pyarrow."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dataml.client.errors import WrongRows
from dataml.client.frames import Frame


def write(frame: Frame, names: Sequence[str], types: Mapping[str, str]) -> bytes:
    """Return the columns as a Parquet file, without the types that only Arrow knows.

    Raises:
        WrongRows: A column mixes values of several types.
    """
    arrays = [_plain(_array(frame, name, types.get(name, "")), types.get(name, "")) for name in names]
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(arrays, names=list(names)), sink)
    return sink.getvalue()


def read_csv(path: Path, types: Mapping[str, str]) -> dict[str, Any]:
    """Return columns of a CSV file as arrays; an empty cell is null.

    Args:
        path: The file.
        types: The columns that are read, and their data types.
    """
    kinds = {"Boolean": pa.bool_(), "Integer": pa.int64(), "Float": pa.float64()}
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(types),
        column_types={name: kinds.get(kind, pa.string()) for name, kind in types.items()},
        null_values=[""],
        strings_can_be_null=True,
        true_values=["true"],
        false_values=["false"],
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    table = pyarrow.csv.read_csv(path, convert_options=convert, parse_options=parse)
    return {name: table[name].combine_chunks() for name in types}


def read_small(path: Path, names: Sequence[str], max_rows: int) -> pa.Table | None:
    """Return columns of a Parquet file; those that it does not have are left out.

    Returns:
        None where it has no rows or more than `max_rows`, or is no file of flat columns: the platform says what it is.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            found = [name for name in names if name in schema.names]
            is_flat = not any(pa.types.is_nested(schema.field(name).type) for name in found)
            is_small = 0 < file.metadata.num_rows <= max_rows
            return file.read(columns=found) if is_flat and is_small else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError):
        return None


def write_table(target: Path, ids: Sequence[tuple[str, Any]], table: pa.Table) -> None:
    """Write a table behind Id columns to a file, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    for name, values in reversed(ids):
        table = table.add_column(0, name, pa.array(values) if isinstance(values, list) else values)
    part = target.with_name(f"{target.name}.part")
    try:
        pyarrow.parquet.write_table(table, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _array(frame: Frame, name: str, data_type: str) -> Any:
    try:
        if frame.kind == "pandas":
            return pa.array(frame.source.iloc[:, frame.names.index(name)], from_pandas=True)
        if frame.kind == "polars":
            return frame.source[name].to_arrow()
        if frame.kind == "arrow":
            return frame.source[name].combine_chunks()
        return pa.array([row.get(name) for row in frame.source], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        if data_type == "String" or _is_text(frame, name):
            values = [record.get(name) for record in frame.records({name: "String"})]
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        detail = f"Column {name!r} mixes values of several types: {error}"
        raise WrongRows(detail.splitlines()[0], code="mixed_types") from error


def _is_text(frame: Frame, name: str) -> bool:
    """Return whether a column has texts among its values: a file would have it as text."""
    return any(isinstance(record.get(name), str) for record in frame.records({name: ""}))


def _plain(array: Any, data_type: str) -> Any:
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_string_view(array.type) or pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    if data_type == "String" and pa.types.is_integer(array.type):
        return array.cast(pa.string())
    if data_type == "Integer" and pa.types.is_floating(array.type):
        return _whole_numbers(array)
    # A column without a value has no type in Parquet that the platform reads.
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _whole_numbers(array: Any) -> Any:
    """Return floats as integers where all of them are whole: pandas has integers with missing values as floats."""
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array
