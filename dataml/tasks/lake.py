"""The lake in tasks: rows that are read from its tables, and rows that are written to them."""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from dataml.contract.files.parquet import open_parquet
from dataml.errors import Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog, translate_lake_errors
from dataml.iceberg.commits import find_table
from dataml.iceberg.reading import plain_schema, read_batches, snapshot_schema
from dataml.iceberg.undo import undo_jobs
from dataml.iceberg.writing import BatchSource, LakeTarget, TablesWrite, WriteAttempt, delete_rows
from dataml.jobs.spec import JobContext, SourceFile

_BATCH_ROWS = 131_072


def table_names(file: SourceFile, context: JobContext) -> tuple[str, ...]:
    """Return the column names of the table that a dataset is made from. Raises as `table_batches`."""
    assert file.table is not None
    table = load_table(open_catalog(_config(context)), file.table)
    return tuple(plain_schema(snapshot_schema(table, file.snapshot_id)).names)


def table_batches(
    file: SourceFile, context: JobContext, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the table that a dataset is made from, with all columns or those among `columns`.

    Raises:
        NotFound: `table_not_found`, `snapshot_not_found`.
        Unavailable: the lake does not answer.
        Invalid: `unsupported_column_type`.
    """
    assert file.table is not None
    table = load_table(open_catalog(_config(context)), file.table)
    names = plain_schema(snapshot_schema(table, file.snapshot_id)).names
    wanted = [name for name in names if columns is None or name in columns]
    if wanted:
        yield from read_batches(table, wanted, file.snapshot_id)


def find_schema(target: LakeTarget, context: JobContext) -> pa.Schema | None:
    """Return the columns of a table as Arrow has them, or None when there is no such table. Raises as `write`."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    def read() -> pa.Schema | None:
        with translate_lake_errors():
            table = find_table(open_catalog(_config(context)), target.name)
            return None if table is None else schema_to_pyarrow(table.schema(), include_field_ids=False)

    return context.storage.with_retry(read)


def write_parquet(target: LakeTarget, context: JobContext, parquet: str) -> int:
    """Write the rows of a Parquet file in storage to one table, and return the snapshot. Raises as `write`."""
    return write([(target, parquet_rows(context, parquet))], context)[0]


def parquet_rows(context: JobContext, parquet: str) -> BatchSource:
    """Return a source of the batches of a Parquet file in storage."""

    def rows() -> Iterator[pa.RecordBatch]:
        with open_parquet(context.fetch(parquet)) as file:
            yield from file.iter_batches(_BATCH_ROWS)

    return rows


def write(wanted: Sequence[tuple[LakeTarget, BatchSource]], context: JobContext) -> list[int]:
    """Write rows to lake tables, and return the ids of the snapshots that have them.

    The files of the job are published first, because rows in the lake refer to them. A lake that cannot be reached is
    tried again for as long as a store.

    Raises:
        DatamlError: as `TablesWrite.run` and `Storage.publish`.
    """
    if not wanted:
        return []
    context.publish()
    context.report_progress(0.99, "Writing the rows to the lake")
    with TablesWrite(_writer(context), wanted) as tables:
        return context.storage.with_retry(lambda: tables.run(open_catalog(_config(context))))


def withdraw(target: LakeTarget, context: JobContext) -> None:
    """Delete the rows that an earlier job of this source has written to a table. Raises as `write`."""
    context.storage.with_retry(lambda: delete_rows(open_catalog(_config(context)), target, _writer(context)))


def undo(targets: Sequence[LakeTarget], job_ids: Collection[int], context: JobContext) -> None:
    """Take back what jobs that were never recorded have written to these tables.

    Raises:
        DatamlError: as `undo_jobs`.
    """
    if not targets or not job_ids:
        return
    context.report_progress(0.0, "Undoing what an earlier job has written to the lake")
    for target in targets:
        context.storage.with_retry(
            lambda target=target: undo_jobs(open_catalog(_config(context)), target, job_ids, _writer(context))
        )


def _writer(context: JobContext) -> WriteAttempt:
    return WriteAttempt(context.attempt.job_id, context.attempt.attempt, context.started_at)


def _config(context: JobContext) -> LakeConfig:
    if context.lake is None:
        raise Unavailable("This worker has no lake.", code="lake_unavailable")
    return context.lake
