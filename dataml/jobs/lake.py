"""What jobs have to do with the lake: rows that come from it, and rows that go there."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import Unavailable
from dataml.jobs.spec import JobContext, SourceFile
from dataml.lake.catalog import LakeConfig, load_table, open_catalog
from dataml.lake.reading import plain_schema, read_batches, schema_at
from dataml.lake.writing import LakeTarget, Rows, Writer, write_rows

_BATCH_ROWS = 131_072


def table_names(file: SourceFile, context: JobContext) -> tuple[str, ...]:
    """The columns of a table that a dataset is made from. Raises as `table_batches`."""
    assert file.table is not None
    table = load_table(open_catalog(_config(context)), file.table)
    return tuple(plain_schema(schema_at(table, file.snapshot_id)).names)


def table_batches(
    file: SourceFile, context: JobContext, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a table that a dataset is made from, or those of its columns that are among `columns`.

    Raises:
        NotFound: `table_not_found`, `snapshot_not_found`.
        Unavailable: the lake does not answer.
        Invalid: `unsupported_column_type`.
    """
    assert file.table is not None
    table = load_table(open_catalog(_config(context)), file.table)
    names = plain_schema(schema_at(table, file.snapshot_id)).names
    wanted = [name for name in names if columns is None or name in columns]
    if wanted:
        yield from read_batches(table, wanted, file.snapshot_id)


def write_parquet(target: LakeTarget, context: JobContext, parquet: str) -> int:
    """Put the rows of a Parquet file in storage into a lake table; the id of the snapshot that has them. What the job
    has written so far is published first: rows in the lake lead back to it.

    Raises as `write_rows` and `Storage.publish`.
    """

    def rows() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(context.fetch(parquet), pre_buffer=False) as file:
            yield from file.iter_batches(_BATCH_ROWS)

    return write(target, context, rows)


def write(target: LakeTarget, context: JobContext, rows: Rows) -> int:
    """As `write_parquet`, for the batches that `rows` gives from the beginning, each time it is called."""
    context.publish()
    context.progress(0.99, "Writing the rows to the lake")
    writer = Writer(context.attempt.job_id, context.attempt.attempt)
    return write_rows(open_catalog(_config(context)), target, writer, rows)


def _config(context: JobContext) -> LakeConfig:
    if context.lake is None:
        raise Unavailable("This worker knows no lake.", code="lake_unavailable")
    return context.lake
