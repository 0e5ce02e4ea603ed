"""The files of a dataset as tasks read them: uploaded ones, and tables of the lake."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from dataml.contract.files.reading import open_batches, read_column_names
from dataml.contract.files.sections import WHOLE_FILE, Section
from dataml.jobs.spec import JobContext, SourceFile
from dataml.tasks.lake import table_batches, table_names


def read_names(file: SourceFile, context: JobContext) -> tuple[str, ...]:
    """Return the names of the columns, in the order of the file. Raises as `read_batches`."""
    if file.format == "iceberg":
        return table_names(file, context)
    return read_column_names(context.fetch(file.path), file.format, file.csv_options)


def read_batches(
    file: SourceFile, context: JobContext, columns: Sequence[str] | None, section: Section = WHOLE_FILE
) -> Iterator[pa.RecordBatch]:
    """Return the rows, with all columns or those among `columns`.

    Raises:
        Invalid: as `contract.files.reading.open_batches`.
        DatamlError: what `tasks.lake.table_batches` raises, for a lake table.
    """
    if file.format == "iceberg":
        return table_batches(file, context, columns)
    return open_batches(context.fetch(file.path), file.format, columns, section, options=file.csv_options)
