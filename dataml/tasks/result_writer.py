"""The result of a batch: a CSV file in storage and, where one is configured, rows of a lake table."""

from contextlib import ExitStack
from typing import Self

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from dataml.contract.warnings import DataWarning
from dataml.iceberg.writing import LakeTarget
from dataml.jobs.spec import JobContext, ScoreResult
from dataml.tasks.lake import write_parquet


class ResultWriter:
    """Writes `<stem>.csv` table by table in a `with` block; `finish` after the block completes the result."""

    def __init__(self, context: JobContext, stem: str, schema: pa.Schema, lake: LakeTarget | None) -> None:
        self._context = context
        self._schema = schema
        self._lake = lake
        self._csv, self._path = context.output(f"{stem}.csv")
        self._unfinished = self._path.with_name(self._path.name + ".part")
        self._parquet, self._parquet_path = context.output(f"{stem}.parquet", only_here=True)
        self._rows = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._sink = stack.enter_context(pa.OSFile(str(self._unfinished), "wb"))
            self._csv_writer = stack.enter_context(pacsv.CSVWriter(self._sink, self._schema))
            self._parquet_writer = None
            if self._lake is not None:
                self._parquet_writer = stack.enter_context(pq.ParquetWriter(self._parquet_path, self._schema))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._csv_writer.write_table(table)
        if self._parquet_writer is not None:
            self._parquet_writer.write_table(table)
        self._rows += table.num_rows

    def write_lines(self, rows: int, lines: pa.Buffer, table: pa.Table | None) -> None:
        """Add rows that are lines of the CSV file already; `table` has them for the lake."""
        self._sink.write(lines)
        if self._parquet_writer is not None:
            self._parquet_writer.write_table(table)
        self._rows += rows

    def finish(self, failed_records: int = 0, warnings: tuple[DataWarning, ...] = ()) -> ScoreResult:
        """Give the file its name, write the rows to the lake, and return the result. Raises as `write_parquet`."""
        self._unfinished.replace(self._path)
        snapshot_id = None
        if self._lake is not None:
            snapshot_id = write_parquet(self._lake, self._context, self._parquet)
            self._parquet_path.unlink()
        return ScoreResult(
            self._csv,
            total_fields=len(self._schema),
            total_records=self._rows,
            failed_records=failed_records,
            size_bytes=self._path.stat().st_size,
            snapshot_id=snapshot_id,
            warnings=warnings,
        )
