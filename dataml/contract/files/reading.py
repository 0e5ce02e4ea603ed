"""Reading of uploaded files: detection of the format, check of the structure, rows as Arrow batches."""

import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from dataml.contract.contract import MAX_COLUMNS, Contract, find_name_problem
from dataml.contract.files.csv import (
    MAX_FIELD_BYTES,
    find_section_starts,
    read_layout,
    scan_csv,
    scan_section,
)
from dataml.contract.files.layout import MAX_ROW_BYTES, CsvLayout, CsvOptions, suggest_header_row
from dataml.contract.files.parquet import MAGIC, damaged_parquet, find_unnamed_index, open_uploaded_parquet
from dataml.contract.files.parquet_types import to_plain
from dataml.contract.files.text import (
    WholeLineEnds,
    detect_compression,
    has_carriage_return,
    is_plain_text,
    open_text,
)
from dataml.errors import Invalid, TooLarge

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

FileFormat = Literal["csv", "parquet"]

SNIFF_BYTES: Final = 512
"""Number of first bytes that `detect_format` needs."""

_PARQUET_BATCH_ROWS: Final = 65_536
_MAX_DECODED_BYTES: Final = 64 << 20
_HEAD_BYTES: Final = 64 << 10
_BINARY_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive or Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"\x1f\x8b", "a gzip archive in an archive"),
    (b"BZh9", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive in an archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"SQLite format 3\0", "a database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1\0", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x93NUMPY", "a NumPy array"),
)
# Protocol 0 is text; only beginnings that no header has are matched.
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]|\([dl]p0\n|c(__builtin__|copy_reg)\n")
_MARKUP: Final = re.compile(
    rb"\s*(<!doctype|<\?xml|<!--|<(html|head|body|table|script|svg)[\s>]|\{\s*\"|\[\s*[\{\[])", re.IGNORECASE
)
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class SourceSummary:
    """The structure of a sound file.

    Attributes:
        names: the names of the columns, trimmed, in file order.
        text_bytes: size as plain CSV: of a compressed file when decompressed, of a Parquet file with one byte a cell.
        ignored: the names that the contract does not have.
    """

    names: tuple[str, ...]
    total_fields: int
    total_records: int
    delimiter: str
    text_bytes: int
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of a file that can be read by itself: whole rows from `start` up to `stop`, or to the end.

    In an uncompressed CSV these are byte positions, in a Parquet file numbers of row groups.
    """

    start: int = 0
    stop: int | None = None


WHOLE_FILE: Final = Section()
PLAIN_CSV: Final = CsvOptions()


def detect_format(name: str, first_bytes: bytes, options: CsvOptions = PLAIN_CSV) -> FileFormat:
    """Return the format by the content: `parquet`, or `csv` for text, compressed or not.

    Args:
        name: the name of the file, which may claim to be Parquet.
        first_bytes: at most SNIFF_BYTES of the content.
        options: what the user says about CSV files.

    Raises:
        Invalid: `empty_file`, `not_a_parquet`, `not_a_csv`, or `not_utf8` for UTF-16.
    """
    if not first_bytes:
        raise Invalid(f"{name}: the file is empty.", code="empty_file")
    if first_bytes.startswith(MAGIC):
        return "parquet"
    if name.lower().endswith((".parquet", ".pq")):
        raise Invalid(f"{name}: this is not a Parquet file.", code="not_a_parquet")
    if detect_compression(first_bytes) is None and not options.encoding.startswith("utf-16"):
        _refuse_binary(first_bytes)
    return "csv"


def scan_file(
    path: Path,
    format: FileFormat,
    contract: Contract | None = None,
    max_bytes: int | None = None,
    options: CsvOptions = PLAIN_CSV,
) -> SourceSummary:
    """Check the structure of a whole file, streaming, without its cells.

    Args:
        path: the file.
        format: as `detect_format` returns it.
        contract: columns that the file must have.
        max_bytes: limit of its size as plain CSV, since a small file may hold a very large table.
        options: what the user says about CSV files.

    Raises:
        Invalid: the codes of `detect_format`, `open_text`, `scan_csv` and `open_uploaded_parquet`, and for columns
            `duplicate_column`, `empty_column_name`, `bad_column_name`, `too_many_columns` and, with a contract,
            `missing_column`.
        TooLarge: `upload_too_large`.
    """
    summary = _scan_parquet(path, max_bytes, contract) if format == "parquet" else _scan_csv(path, max_bytes, options)
    _check_names(summary.names)
    return replace(summary, ignored=_find_ignored(summary.names, contract))


def _scan_parquet(path: Path, max_bytes: int | None, contract: Contract | None) -> SourceSummary:
    file = open_uploaded_parquet(path)
    names, records = _trim(_select_names(file.schema_arrow, contract.names if contract else ())), file.metadata.num_rows
    text_bytes = records * len(names)
    if not names:
        raise Invalid("The file has no columns, but for an index without a name.", code="no_columns")
    if not records:
        raise Invalid("The file has no rows.", code="no_rows")
    if max_bytes is not None and text_bytes > max_bytes:
        raise _too_large()
    return SourceSummary(names, len(names), records, ",", text_bytes)


def _scan_csv(path: Path, max_bytes: int | None, options: CsvOptions) -> SourceSummary:
    with open_text(path, options.encoding) as stream:
        _refuse_binary(stream.read(SNIFF_BYTES))
    _check_header(path, options)
    with open_text(path, options.encoding) as stream:
        counting = _CountingReader(stream, max_bytes)
        structure = scan_csv(counting, options.header_row)
    names = _trim(structure.layout.header)
    delimiter = structure.layout.delimiter
    return SourceSummary(names, len(names), structure.records, delimiter, counting.read_bytes)


def _check_header(path: Path, options: CsvOptions) -> None:
    names = _trim(_read_layout(path, options).header)
    try:
        _check_names(names)
    except Invalid as error:
        if error.code != "empty_column_name" or options.header_row is not None:
            raise
        with open_text(path, options.encoding) as stream:
            line = suggest_header_row(stream.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8), len(names))
        if line is None:
            raise
        detail = f"{error.detail} If line {line:,} is the header, upload with header_row={line}."
        raise Invalid(detail, code=error.code) from error


def _read_layout(path: Path, options: CsvOptions) -> CsvLayout:
    with open_text(path, options.encoding) as stream:
        return read_layout(stream, options.header_row)


def check_columns(header: Iterable[str], contract: Contract | None = None) -> tuple[str, ...]:
    """Check column names from anywhere as `scan_file` does, and return those that the contract does not have.

    Raises:
        Invalid: the codes of `scan_file` for columns.
    """
    names = _trim(header)
    _check_names(names)
    return _find_ignored(names, contract)


def read_column_names(path: Path, format: FileFormat, options: CsvOptions = PLAIN_CSV) -> tuple[str, ...]:
    """Return the trimmed column names in file order.

    Raises:
        Invalid: as `scan_file`, for the parts of the file that are read.
    """
    if format == "parquet":
        return _trim(_select_names(open_uploaded_parquet(path).schema_arrow))
    return _trim(_read_layout(path, options).header)


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
        layout = _read_layout(path, options)
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
    layout = _read_layout(path, options)
    with _opened_section(path, section) as content:
        if section.start:
            scan_section(content, layout)
        else:
            scan_csv(content, options.header_row)


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
        return _parquet_batches(path, columns, section, batch_rows)
    return _csv_batches(path, columns, section, options)


def _csv_batches(
    path: Path, columns: Sequence[str] | None, section: Section, options: CsvOptions
) -> Iterator[pa.RecordBatch]:
    layout = _read_layout(path, options)
    selected = [raw for raw in layout.header if columns is None or raw.strip() in columns]
    if not selected:
        return
    if section != WHOLE_FILE:
        with _opened_section(path, section) as content:
            yield from _read_csv(_whole_line_ends(content), layout, selected, has_header=section.start == 0)
    elif is_plain_text(path, options.encoding) and not has_carriage_return(path):
        # Arrow opens it by itself, which takes less memory.
        yield from _read_csv(path, layout, selected)
    else:
        with open_text(path, options.encoding) as stream:
            yield from _read_csv(_whole_line_ends(stream), layout, selected)


def _whole_line_ends(source: BinaryIO | pa.NativeFile) -> BinaryIO:
    return cast(BinaryIO, WholeLineEnds(source))


@contextmanager
def _opened_section(path: Path, section: Section) -> Iterator[pa.NativeFile]:
    with pa.OSFile(str(path)) as file:
        stop = section.stop or file.size()
        yield file.get_stream(section.start, stop - section.start)


def _read_csv(
    source: Path | BinaryIO, layout: CsvLayout, selected: Sequence[str], has_header: bool = True
) -> Iterator[pa.RecordBatch]:
    columns = [*layout.header, *(f"\0{number}" for number in range(layout.padding))]
    try:
        reader = pa_csv.open_csv(
            source,
            read_options=pa_csv.ReadOptions(
                block_size=_block_bytes(len(columns)), column_names=columns, skip_rows=layout.lines if has_header else 0
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=_skip_blank_line
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=selected,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        names = [raw.strip() for raw in selected]
        for batch in reader:
            if batch.num_rows:
                yield batch.rename_columns(names)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise Invalid(f"The file is not a readable CSV: {str(error)[:200]}", code="not_a_csv") from error


def _block_bytes(columns: int) -> int:
    """Return the size of a block of a CSV: of a wide table larger ones, as each column of each block costs a while."""
    return min(max(1, columns // 500), 16) * MAX_ROW_BYTES


def _skip_blank_line(row: pa_csv.InvalidRow) -> str:
    return "skip" if row.actual_columns == 1 and not row.text.strip(" \t") else "error"


def _parquet_batches(
    path: Path, columns: Sequence[str] | None, section: Section, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    file = open_uploaded_parquet(path, read_dictionaries=True)
    groups = list(range(file.num_row_groups))[section.start : section.stop]
    names = _select_names(file.schema_arrow, columns or ())
    selected = [raw for raw in names if columns is None or raw.strip() in columns]
    try:
        for batch in file.iter_batches(batch_rows, groups, selected):
            batch.validate(full=True)  # Arrow does not check on reading that text is UTF-8
            # To Parquet a name may also be the path `a.b`, so that more columns come than were requested.
            batch = batch.select(selected)
            yield from _decode_dictionaries(batch.rename_columns([raw.strip() for raw in selected]))
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(error) from error


def _select_names(schema: pa.Schema, wanted: Collection[str] = ()) -> list[str]:
    """Return the names of the columns, an index of pandas without a name only if it is among those wanted."""
    hidden = find_unnamed_index(schema).difference(wanted)
    return [name for name in schema.names if name not in hidden]


def _decode_dictionaries(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows with dictionaries decoded, in parts of at most about _MAX_DECODED_BYTES.

    A few bytes of a file may stand for the same long text in every row.

    Raises:
        Invalid: `field_too_large`.
    """
    size = np.zeros(batch.num_rows, np.int64)
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(cells.type) and len(cells.dictionary):
            lengths = pc.binary_length(cells.dictionary).fill_null(0).to_numpy(zero_copy_only=False)
            if lengths.max() > MAX_FIELD_BYTES:
                detail = f"Column {name!r}: a text is larger than {MAX_FIELD_BYTES:,} bytes."
                raise Invalid(detail, code="field_too_large")
            size += lengths[cells.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    part_of = np.cumsum(size) // _MAX_DECODED_BYTES
    starts = [0, *(np.flatnonzero(np.diff(part_of)) + 1).tolist(), batch.num_rows]
    for start, stop in pairwise(starts):
        part = batch.slice(start, stop - start)
        columns = [to_plain(c.dictionary_decode() if pa.types.is_dictionary(c.type) else c) for c in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)


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


def _refuse_binary(first_bytes: bytes) -> None:
    if first_bytes.startswith(_UTF16_MARKS):
        raise Invalid("The file is UTF-16; upload with encoding=utf-16, or save it as UTF-8.", code="not_utf8")
    kind = next((kind for magic, kind in _BINARY_MAGIC if first_bytes.startswith(magic)), None)
    if kind is None and _PICKLE.match(first_bytes):
        kind = "a pickle"
    if kind is None and _MARKUP.match(first_bytes.removeprefix(b"\xef\xbb\xbf")):
        kind = "markup or JSON"
    if first_bytes.startswith(MAGIC):
        kind = "a Parquet file"
    if kind:
        raise Invalid(f"The file is not a CSV but {kind}.", code="not_a_csv")


def _trim(header: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in header)


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) > MAX_COLUMNS:
        raise Invalid(f"The file has {len(names):,} columns; at most {MAX_COLUMNS:,} fit.", code="too_many_columns")
    seen: set[str] = set()
    for position, name in enumerate(names, 1):
        if not name:
            hint = "; if it is an index, name it or leave it out (pandas: index=False, R: row.names = FALSE)"
            problem = f"Column {position:,} has no name in the header{hint if position == 1 else ''}."
            raise Invalid(problem, code="empty_column_name")
        problem = find_name_problem(name)
        if problem:
            raise Invalid(f"Header, column {position:,}: {problem}.", code="bad_column_name")
        if name in seen:
            raise Invalid(f"Column {name!r} occurs twice in the header.", code="duplicate_column")
        seen.add(name)


def _find_ignored(names: tuple[str, ...], contract: Contract | None) -> tuple[str, ...]:
    if contract is None:
        return ()
    present = set(names)
    missing = [column.name for column in contract.columns if column.name not in present and column.default is None]
    if missing:
        listed = ", ".join(repr(name) for name in missing[:10])
        raise Invalid(f"The file lacks columns that have no default: {listed}.", code="missing_column")
    return tuple(name for name in names if name not in contract.names)
