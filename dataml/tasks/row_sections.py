"""Parts of the rows of a dataset that can be read by themselves, also by a process on another node."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.columns import to_text
from dataml.contract.contract import Contract
from dataml.contract.files.reading import open_batches, split_file
from dataml.contract.files.sections import Section
from dataml.jobs.spec import SourceFile
from dataml.storage.storage import Storage


@dataclass(frozen=True)
class RowSection:
    """A section of an uploaded file, or of the validated copy of a dataset, which has the storage name `copy`."""

    source: SourceFile | None
    copy: str
    section: Section


def split_rows(storage: Storage, files: Sequence[SourceFile], copy: str, section_bytes: int) -> list[RowSection]:
    """Return sections of about `section_bytes` that make up all rows, in their order.

    Without `files`, the rows are those of the copy. A compressed file is one section. There is none where a file is a
    lake table, which is not divided.

    Raises:
        Invalid: a file is not readable any more.
    """
    if any(file.format == "iceberg" for file in files):
        return []
    if not files:
        return [RowSection(None, copy, each) for each in split_file(storage.fetch(copy), "parquet", section_bytes)]
    return [
        RowSection(file, copy, each)
        for file in files
        if file.format != "iceberg"
        for each in split_file(storage.fetch(file.path), file.format, section_bytes, file.csv_options)
    ]


def read_section(
    storage: Storage, part: RowSection, contract: Contract, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a section with those of these columns that it has, for `contract` to parse.

    Raises:
        Invalid: as `contract.files.reading.open_batches`.
    """
    return prepare_batches(_open_section(storage, part, columns, batch_rows), contract, batch_rows)


def prepare_batches(batches: Iterator[pa.RecordBatch], contract: Contract, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `batch_rows` rows, with compact dates as `contract` reads them."""
    for batch in batches:
        for start in range(0, batch.num_rows, batch_rows):
            yield _spell_compact_dates(batch.slice(start, batch_rows), contract)


def _open_section(
    storage: Storage, part: RowSection, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    file = part.source
    if file is not None and file.format != "iceberg":
        path = storage.fetch(file.path)
        return open_batches(path, file.format, list(columns), part.section, options=file.csv_options)
    # Without pre-buffering, which would keep all that it has read of a large file.
    copy = pq.ParquetFile(storage.fetch(part.copy), pre_buffer=False)
    groups = list(range(copy.num_row_groups))[part.section.start : part.section.stop]
    return copy.iter_batches(batch_rows, row_groups=groups, columns=list(columns))


def _spell_compact_dates(batch: pa.RecordBatch, contract: Contract) -> pa.RecordBatch:
    """Return the batch with whole numbers such as 20240131 as text where they are dates without another meaning."""
    for column in contract.columns:
        position = batch.schema.get_field_index(column.name)
        if position < 0 or not column.data_type.is_temporal or column.date_format is not None:
            continue
        if pa.types.is_integer(batch.schema.field(position).type):
            field = pa.field(column.name, pa.string())
            batch = batch.set_column(position, field, to_text(batch.column(position)))
    return batch
