"""Data files of lake tables: Parquet whose columns carry the ids that the table has for them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

_FILE_BYTES: Final = 512 << 20


def write_file(
    table: "Table", schema: "Schema", path: str, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]
) -> "DataFile":
    """One Parquet file of the rows, as many as fit into _FILE_BYTES."""
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
        schema_to_pyarrow,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

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
            batch = next(rest, None) if cast(Any, stream).tell() < _FILE_BYTES else None
        file.close()
        metadata = file.writer.metadata
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
        file_size_in_bytes=len(output),
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def file_schema(schema: "Schema") -> "Schema":
    """The columns as Parquet files have them: readers find them by their ids, and by names that Avro would take, too,
    unless these are no longer different."""
    from pyiceberg.schema import sanitize_column_names

    try:
        plain = sanitize_column_names(schema)
        return plain if len({field.name for field in plain.fields}) == len(schema.fields) else schema
    except ValueError:
        return schema


def iceberg_schema(arrow: pa.Schema) -> "Schema":
    from pyiceberg.io.pyarrow import pyarrow_to_schema
    from pyiceberg.schema import assign_fresh_schema_ids

    numbered = [field.with_metadata({b"PARQUET:field_id": str(i)}) for i, field in enumerate(arrow, 1)]
    return assign_fresh_schema_ids(pyarrow_to_schema(pa.schema(numbered)))
