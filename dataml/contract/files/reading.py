"""Reading of uploaded files: check of the structure, rows as Arrow batches."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.contract.files.column_names import check_names, find_ignored, trim_names
from dataml.contract.files.csv import find_section_starts, scan_csv, scan_section
from dataml.contract.files.csv_columns import name_columns, select_columns
from dataml.contract.files.csv_rows import open_layout, opened_section, read_csv_batches
from dataml.contract.files.detection import SNIFF_BYTES, FileFormat, refuse_binary
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions, suggest_header_row
from dataml.contract.files.parquet import open_uploaded_parquet
from dataml.contract.files.parquet_rows import read_parquet_batches, select_names
from dataml.contract.files.sections import WHOLE_FILE, Section
from dataml.contract.files.text import is_plain_text, open_text
from dataml.errors import Invalid, TooLarge

_PARQUET_BATCH_ROWS: Final = 65_536
_HEAD_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class SourceSummary:
    """The structure of a sound file.

    Attributes:
        names: the names of the columns, trimmed, in file order.
        delimiter: of a CSV, said or detected.
        text_bytes: size as plain CSV: of a compressed file when decompressed, of a Parquet file with one byte a cell.
        ignored: the names that the contract does not have.
        csv: what is known about a CSV now, to read it by.
    """

    names: tuple[str, ...]
    total_fields: int
    total_records: int
    delimiter: str
    text_bytes: int
    ignored: tuple[str, ...] = ()
    csv: CsvOptions = PLAIN_CSV


def scan_file(
    path: Path,
    format: FileFormat,
    contract: Contract | None = None,
    max_bytes: int | None = None,
    options: CsvOptions = PLAIN_CSV,
    *,
    partial: bool = False,
) -> SourceSummary:
    """Check the structure of a whole file, streaming, without its cells.

    Args:
        path: the file.
        format: as `detect_format` returns it.
        contract: columns that the file must have.
        max_bytes: limit of its size as plain CSV, since a small file may hold a very large table.
        options: what the user says about CSV files.
        partial: whether the file needs one column of the contract only, as prediction data does.

    Raises:
        Invalid: the codes of `detect_format`, `open_text`, `scan_csv` and `open_uploaded_parquet`, and for columns
            `duplicate_column`, `empty_column_name`, `bad_column_name`, `too_many_columns` and, with a contract,
            `missing_column`.
        TooLarge: `upload_too_large`.
    """
    summary = (
        _scan_parquet(path, max_bytes, contract)
        if format == "parquet"
        else _scan_csv(path, max_bytes, contract, options)
    )
    check_names(summary.names)
    return replace(summary, ignored=find_ignored(summary.names, contract, partial=partial))


def _scan_parquet(path: Path, max_bytes: int | None, contract: Contract | None) -> SourceSummary:
    file = open_uploaded_parquet(path)
    names, records = (
        trim_names(select_names(file.schema_arrow, contract.names if contract else ())),
        file.metadata.num_rows,
    )
    text_bytes = records * len(names)
    if not names:
        raise Invalid("The file has no columns, but for an index without a name.", code="no_columns")
    if not records:
        raise Invalid("The file has no rows.", code="no_rows")
    if max_bytes is not None and text_bytes > max_bytes:
        raise _too_large()
    return SourceSummary(names, len(names), records, ",", text_bytes)


def _scan_csv(path: Path, max_bytes: int | None, contract: Contract | None, options: CsvOptions) -> SourceSummary:
    with open_text(path, options.encoding) as stream:
        refuse_binary(stream.read(SNIFF_BYTES))
    _check_header(path, options)
    with open_text(path, options.encoding) as stream:
        counting = _CountingReader(stream, max_bytes)
        structure = scan_csv(counting, options)
    layout = structure.layout
    known = replace(
        options,
        delimiter=layout.delimiter,
        has_row_numbers=structure.has_row_numbers,
        repeated_headers=structure.repeated_headers,
    )
    names = tuple(select_columns(layout, known, contract.names if contract else ()).values())
    return SourceSummary(names, len(names), structure.records, layout.delimiter, counting.read_bytes, csv=known)


def _check_header(path: Path, options: CsvOptions) -> None:
    names = name_columns(open_layout(path, options))
    # Whether an unnamed first column is needed at all, only its values tell.
    skipped = 1 if len(names) > 1 and not names[0] else 0
    try:
        check_names(names[skipped:], skipped + 1)
    except Invalid as error:
        if error.code != "empty_column_name" or options.header_row is not None:
            raise
        with open_text(path, options.encoding) as stream:
            line = suggest_header_row(stream.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8), len(names))
        if line is None:
            raise
        detail = f"{error.detail} If line {line:,} is the header, upload with header_row={line}."
        raise Invalid(detail, code=error.code) from error


def read_column_names(path: Path, format: FileFormat, options: CsvOptions = PLAIN_CSV) -> tuple[str, ...]:
    """Return the trimmed column names in file order.

    Raises:
        Invalid: as `scan_file`, for the parts of the file that are read.
    """
    if format == "parquet":
        return trim_names(select_names(open_uploaded_parquet(path).schema_arrow))
    return tuple(select_columns(open_layout(path, options), options).values())


def split_file(path: Path, format: FileFormat, section_bytes: int, options: CsvOptions = PLAIN_CSV) -> list[Section]:
    """Return sections of about `section_bytes` that make up the whole file; a single one when it cannot be divided."""
    if format == "parquet":
        metadata = open_uploaded_parquet(path).metadata
        starts, size = [0], 0
        for group in range(metadata.num_row_groups):
            if size >= section_bytes:
                starts.append(group)
                size = 0
            size += metadata.row_group(group).total_byte_size
    elif not is_plain_text(path, options.encoding):
        return [WHOLE_FILE]
    else:
        layout = open_layout(path, options)
        with path.open("rb") as stream:
            starts = find_section_starts(stream, section_bytes, layout)
    return [Section(start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True)]


def scan_file_section(path: Path, format: FileFormat, section: Section, options: CsvOptions = PLAIN_CSV) -> None:
    """Check the structure of one section: a file is sound when all its sections are.

    Raises:
        Invalid: as `scan_file`, but lines are counted from the section's first.
    """
    if format == "parquet" or section == WHOLE_FILE:
        scan_file(path, format, options=options)
        return
    layout = open_layout(path, options)
    with opened_section(path, section) as content:
        if section.start:
            scan_section(content, layout)
        else:
            scan_csv(content, options)


def open_batches(
    path: Path,
    format: FileFormat,
    columns: Sequence[str] | None = None,
    section: Section = WHOLE_FILE,
    batch_rows: int = _PARQUET_BATCH_ROWS,
    options: CsvOptions = PLAIN_CSV,
) -> Iterator[pa.RecordBatch]:
    """Return the rows in file order, in constant memory: text columns from CSV (empty cells null), typed from Parquet.

    Args:
        path: the file, which `scan_file` has checked.
        format: as `detect_format` returns it.
        columns: limits what is read to those of these names that the file has.
        section: the part of the file to read.
        batch_rows: largest number of Parquet rows at once.
        options: what the user says about CSV files.

    Raises:
        Invalid: `not_a_csv`, `not_a_parquet`, `unsupported_parquet_type` or `not_utf8` for a file that `scan_file`
            would have refused.
    """
    if format == "parquet":
        return read_parquet_batches(path, columns, section, batch_rows)
    return read_csv_batches(path, columns, section, options)


class _CountingReader:
    """A stream that raises TooLarge once more than `max_bytes` are read, however well it is compressed."""

    def __init__(self, stream: BinaryIO, max_bytes: int | None) -> None:
        self.read_bytes = 0
        self._stream = stream
        self._max_bytes = max_bytes

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        block = self._stream.read(size)
        self.read_bytes += len(block)
        if self._max_bytes is not None and self.read_bytes > self._max_bytes:
            raise _too_large()
        return block


def _too_large() -> TooLarge:
    return TooLarge("As plain text the files are larger than an upload may be.", code="upload_too_large")
