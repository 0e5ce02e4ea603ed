"""Data files of lake tables: Parquet files whose columns have the field ids of the table."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

_MAX_FILE_BYTES: Final = 512 << 20


def write_file(
    table: "Table", schema: "Schema", path: str, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]
) -> "DataFile":
    """Write a Parquet file of as many batches as fit into _MAX_FILE_BYTES, and return its entry for the table.

    Args:
        table: the table, for its file access and properties.
        schema: the columns as `file_schema` gives them.
        path: where the file is written.
        first: the first batch.
        rest: the batches behind it; those that do not fit stay in the iterator.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    arrow = pa.schema(
        [field.with_type(kind) for field, kind in zip(schema_to_pyarrow(schema), first.schema.types, strict=True)]
    )
    output = table.io.new_output(path)
    batch: pa.RecordBatch | None = first
    with (
        output.create(overwrite=True) as stream,
        pq.ParquetWriter(cast(Any, stream), arrow, compression="zstd") as file,
    ):
        while batch is not None:
            file.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=arrow))
            batch = next(rest, None) if cast(Any, stream).tell() < _MAX_FILE_BYTES else None
        file.close()
        metadata = file.writer.metadata
    return _build_entry(table, schema, path, len(output), metadata)


def _build_entry(table: "Table", schema: "Schema", path: str, size_bytes: int, metadata: pq.FileMetaData) -> "DataFile":
    """Return the entry of a Parquet file for the table's manifest, with statistics from the footer."""
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata,
        stats_columns=compute_statistics_plan(schema, table.metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=size_bytes,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def file_schema(schema: "Schema") -> "Schema":
    """Return the columns as Parquet files have them, with names that Avro allows.

    Readers find columns by their ids, and some by names. Names stay as they are when two would become equal.
    """
    from pyiceberg.schema import sanitize_column_names

    try:
        sanitized = sanitize_column_names(schema)
        return sanitized if len({field.name for field in sanitized.fields}) == len(schema.fields) else schema
    except ValueError:
        return schema


def iceberg_schema(arrow: pa.Schema) -> "Schema":
    """Return the Iceberg schema of an Arrow schema, with fresh field ids."""
    from pyiceberg.io.pyarrow import pyarrow_to_schema
    from pyiceberg.schema import assign_fresh_schema_ids

    numbered = [field.with_metadata({b"PARQUET:field_id": str(i)}) for i, field in enumerate(arrow, 1)]
    return assign_fresh_schema_ids(pyarrow_to_schema(pa.schema(numbered)))
