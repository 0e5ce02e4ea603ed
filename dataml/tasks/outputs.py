"""The Parquet files that a validation writes, in row groups, by a thread beside the one that checks."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import CELL_ERROR_SCHEMA, Contract
from dataml.jobs.spec import QUARANTINE_ORIGIN_COLUMNS, JobContext, SourceFile, quarantine_column_names
from dataml.tasks.row_checks import CheckedRows, quarantine_schema

ROW_GROUP_ROWS: Final = 131_072
ROW_GROUP_BYTES: Final = 256 << 20
ERROR_SCHEMA: Final = pa.schema([("file", pa.string()), *CELL_ERROR_SCHEMA])


class ValidationOutputs:
    """The three files of one validation: kept rows, errors, quarantined rows."""

    def __init__(self, contract: Contract, context: JobContext, pool: Executor) -> None:
        origin = [(name, pa.int64()) for name in QUARANTINE_ORIGIN_COLUMNS]
        texts = zip(quarantine_column_names(contract.names), quarantine_schema(contract).types, strict=True)
        self.data = RowGroupWriter(context, "data.parquet", contract.schema, pool)
        self.errors = RowGroupWriter(context, "errors.parquet", ERROR_SCHEMA, pool)
        self.quarantined = RowGroupWriter(context, "set_aside.parquet", pa.schema([*origin, *texts]), pool)
        self.data.open()

    def write(self, file: SourceFile, checked: CheckedRows, rows_before: int) -> None:
        """Add rows that follow `rows_before` others in their file."""
        self.data.add(checked.kept)
        if checked.errors.num_rows:
            self.errors.add(_locate_errors(file.name, checked.errors, rows_before))
            self.quarantined.add(_add_origin(file.file_id, checked, rows_before, self.quarantined.schema))

    def close(self) -> None:
        """Write what waits, and finish the files."""
        for output in self._all():
            output.close()

    def abort(self) -> None:
        """Wait for writes that are under way, so that none goes on once the job has ended."""
        for output in self._all():
            output.abort()

    def _all(self) -> Iterator["RowGroupWriter"]:
        return iter((self.data, self.errors, self.quarantined))


class RowGroupWriter:
    """A Parquet file written in row groups of ROW_GROUP_ROWS, or fewer when they are long.

    The file exists once `open` or `add` was called. At most one row group waits to be written while the next one is
    collected.
    """

    def __init__(self, context: JobContext, name: str, schema: pa.Schema, pool: Executor) -> None:
        self.name, self._path = context.output(name)
        self.schema = schema
        self.rows = 0
        self._pool = pool
        self._writing: Future[None] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0

    def open(self) -> pq.ParquetWriter:
        """Create the file, unless it exists, and return its writer."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self.schema, compression="zstd")
        return self._writer

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows, and start to write the row groups that are complete."""
        self.rows += batch.num_rows
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write(self._waiting_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS)
        elif self._waiting_bytes > ROW_GROUP_BYTES:
            self._write(self._waiting_rows)

    def close(self) -> None:
        """Write what waits, and finish the file."""
        if self._waiting_rows:
            self._write(self._waiting_rows)
        self._wait()
        if self._writer is not None:
            self._writer.close()

    def abort(self) -> None:
        """Wait for a write that is under way, whatever its outcome, and close the file."""
        if self._writing is not None:
            self._writing.exception()
        if self._writer is not None:
            self._writer.close()

    def _write(self, rows: int) -> None:
        self._wait()
        table = pa.Table.from_batches(self._waiting, self.schema)
        rest = table.slice(rows)
        self._waiting, self._waiting_rows, self._waiting_bytes = rest.to_batches(), rest.num_rows, rest.nbytes
        self._writing = self._pool.submit(self.open().write_table, table.slice(0, rows), ROW_GROUP_ROWS)

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None


def _locate_errors(file_name: str, errors: pa.RecordBatch, rows_before: int) -> pa.RecordBatch:
    """Return the errors with their file, and with rows counted from 1 in that file."""
    rows = pa.array(errors.column("row").to_numpy() + rows_before + 1)
    columns = [pa.repeat(file_name, errors.num_rows), rows, *errors.columns[1:]]
    return pa.RecordBatch.from_arrays(columns, schema=ERROR_SCHEMA)


def _add_origin(file_id: int, checked: CheckedRows, rows_before: int, schema: pa.Schema) -> pa.RecordBatch:
    rows = checked.quarantined_positions + rows_before + 1
    origin = [pa.array(np.full(len(rows), file_id, np.int64)), pa.array(rows)]
    return pa.RecordBatch.from_arrays([*origin, *checked.quarantined.columns], schema=schema)
