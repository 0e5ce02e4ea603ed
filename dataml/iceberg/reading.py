"""Reading of a lake table as Arrow batches: selected columns only, a few batches in memory at a time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa

from dataml.contract.files.parquet import reject_extension_types
from dataml.errors import Invalid, NotFound
from dataml.iceberg.catalog import translate_lake_errors

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table

_BATCH_ROWS: Final = 131_072
_READ_AHEAD: Final = 4
_FIELD_ID: Final = b"PARQUET:field_id"


def check_snapshot(table: "Table", snapshot_id: int | None) -> None:
    """Check that the table has a snapshot; None stands for the current one.

    Raises:
        NotFound: `snapshot_not_found`.
    """
    if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
        raise NotFound("The table has no snapshot with this id, or no longer has it.", code="snapshot_not_found")


def snapshot_schema(table: "Table", snapshot_id: int | None) -> "Schema":
    """Return the columns of the table now, or at a snapshot."""
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    if snapshot is None or snapshot.schema_id is None:
        return table.schema()
    return table.schemas().get(snapshot.schema_id, table.schema())


def plain_schema(schema: "Schema") -> pa.Schema:
    """Return names and Arrow types of columns that can be read into a dataset.

    Raises:
        Invalid: `unsupported_column_type`: a column is nested, binary, or a time of day.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    arrow = schema_to_pyarrow(schema, include_field_ids=False)
    for field in arrow:
        if not _is_plain(field.type):
            detail = f"Column {field.name!r} has a type that datasets do not support; remove it from the table."
            raise Invalid(detail, code="unsupported_column_type")
    return pa.schema([(field.name, _unify_text(field.type)) for field in arrow])


def plain_names(schema: "Schema") -> list[str]:
    """Return the names of the columns that can be read into a dataset, without the others."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return [field.name for field in schema_to_pyarrow(schema, include_field_ids=False) if _is_plain(field.type)]


def read_batches(
    table: "Table", columns: Sequence[str] | None = None, snapshot_id: int | None = None, batch_rows: int = _BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a snapshot (None: the current one), at most `batch_rows` at once, with these columns in order.

    The order of rows is the same at each reading of a snapshot. Files with Arrow extension types are refused before
    Arrow reads their schema.

    Raises:
        NotFound: `snapshot_not_found`.
        Invalid: `unsupported_parquet_type`.
        Unavailable: the codes of `translate_lake_errors`.
    """
    check_snapshot(table, snapshot_id)
    selected = tuple(columns) if columns is not None else ("*",)
    with translate_lake_errors():
        scan = table.scan(selected_fields=selected, snapshot_id=snapshot_id)
        schema = snapshot_schema(table, snapshot_id)
        schema = schema.select(*selected) if columns is not None else schema
        # PyIceberg plans the files in threads, in no fixed order.
        for task in sorted(scan.plan_files(), key=lambda task: task.file.file_path):
            for batch in _file_batches(table, cast("FileScanTask", task), schema, batch_rows):
                yield batch.select(list(columns)) if columns is not None else batch


def _file_batches(table: "Table", task: "FileScanTask", schema: "Schema", batch_rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds  # imports pandas
    from pyiceberg.manifest import FileFormat

    if task.file.file_format != FileFormat.PARQUET:
        yield from _iceberg_batches(table, task, schema)
        return
    with table.io.new_input(task.file.file_path).open() as stream:
        # The size of the file, not the one in its manifest: Arrow reads the footer at its end.
        size_bytes = stream.seek(0, 2)
        stream.seek(0)
        reject_extension_types(cast(Any, stream), size_bytes)
        stream.seek(0)
        fragment = ds.ParquetFileFormat().make_fragment(stream)
        names = _names_in_file(fragment.physical_schema, schema)
        if task.delete_files or names is None:
            yield from _iceberg_batches(table, task, schema)
            return
        types = _arrow_types(schema)
        present = [name for name in names if name is not None]
        scanner = ds.Scanner.from_fragment(
            fragment, columns=present, batch_size=batch_rows, batch_readahead=_READ_AHEAD, use_threads=True
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                columns = iter(batch.columns)
                arrays = [
                    next(columns).cast(field.type) if name is not None else pa.nulls(batch.num_rows, field.type)
                    for name, field in zip(names, types, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=types)


def _names_in_file(physical: pa.Schema, schema: "Schema") -> list[str | None] | None:
    """Return the names of these columns in the file, found by their ids; None for one added later than the file.

    None for all when Iceberg's rules are needed to read them: a column is nested or has a default, or the file has no
    ids.
    """
    by_id = {int(field.metadata[_FIELD_ID]): field for field in physical if _FIELD_ID in (field.metadata or {})}
    in_file = [by_id.get(field.field_id) for field in schema.fields]
    if not by_id or any(field is not None and pa.types.is_nested(field.type) for field in in_file):
        return None
    if any(
        stored is None and field.initial_default is not None
        for stored, field in zip(in_file, schema.fields, strict=True)
    ):
        return None
    return [field.name if field is not None else None for field in in_file]


def _iceberg_batches(table: "Table", task: "FileScanTask", schema: "Schema") -> Iterator[pa.RecordBatch]:
    """Read by PyIceberg, which applies deletes and the evolution of columns, and holds all of a file in memory."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    types = _arrow_types(schema)
    for batch in ArrowScan(table.metadata, table.io, schema, AlwaysTrue()).to_record_batches([task]):
        columns = [batch.column(field.name).cast(field.type) for field in types]
        yield pa.RecordBatch.from_arrays(columns, schema=types)


def _arrow_types(schema: "Schema") -> pa.Schema:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return pa.schema([(f.name, _unify_text(f.type)) for f in schema_to_pyarrow(schema, include_field_ids=False)])


def _unify_text(kind: pa.DataType) -> pa.DataType:
    """Return the type with plain instead of large strings, as the rest of the platform has them."""
    return pa.string() if pa.types.is_large_string(kind) else kind


def _is_plain(kind: pa.DataType) -> bool:
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    temporal = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    return numeric or temporal or pa.types.is_boolean(kind) or pa.types.is_string(_unify_text(kind))
