"""Rows of a CSV file as Arrow batches of text."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from dataml.contract.files.csv import read_layout
from dataml.contract.files.csv_columns import select_columns
from dataml.contract.files.layout import MAX_ROW_BYTES, CsvLayout, CsvOptions
from dataml.contract.files.repeated_headers import HeaderLine
from dataml.contract.files.sections import WHOLE_FILE, Section
from dataml.contract.files.text import WholeLineEnds, has_carriage_return, is_plain_text, open_text
from dataml.errors import Invalid


def open_layout(path: Path, options: CsvOptions) -> CsvLayout:
    """Return the layout of a CSV file.

    Raises:
        Invalid: as `read_layout` and `open_text`.
    """
    with open_text(path, options.encoding) as stream:
        return read_layout(stream, options)


def read_csv_batches(
    path: Path, columns: Sequence[str] | None, section: Section, options: CsvOptions
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a CSV as text, as `reading.open_batches` does."""
    layout = open_layout(path, options)
    selected = select_columns(layout, options, columns or ())
    selected = {position: name for position, name in selected.items() if columns is None or name in columns}
    if not selected:
        return
    if section != WHOLE_FILE:
        with opened_section(path, section) as content:
            yield from _read_csv(_whole_line_ends(content), layout, selected, options, has_header=section.start == 0)
    elif is_plain_text(path, options.encoding) and not has_carriage_return(path):
        # Arrow opens it by itself, which takes less memory.
        yield from _read_csv(path, layout, selected, options)
    else:
        with open_text(path, options.encoding) as stream:
            yield from _read_csv(_whole_line_ends(stream), layout, selected, options)


def _whole_line_ends(source: BinaryIO | pa.NativeFile) -> BinaryIO:
    return cast(BinaryIO, WholeLineEnds(source))


@contextmanager
def opened_section(path: Path, section: Section) -> Iterator[pa.NativeFile]:
    """Open a part of an uncompressed CSV as a stream."""
    with pa.OSFile(str(path)) as file:
        stop = section.stop or file.size()
        yield file.get_stream(section.start, stop - section.start)


def _read_csv(
    source: Path | BinaryIO,
    layout: CsvLayout,
    selected: Mapping[int, str],
    options: CsvOptions,
    has_header: bool = True,
) -> Iterator[pa.RecordBatch]:
    columns = [str(position) for position in range(layout.fields)]
    header = HeaderLine(layout) if options.repeated_headers else None
    # A row is the header again if all of its fields are.
    included = columns[: len(layout.header)] if header else [str(position) for position in selected]
    try:
        reader = pa_csv.open_csv(
            source,
            read_options=pa_csv.ReadOptions(
                block_size=_block_bytes(len(columns)), column_names=columns, skip_rows=layout.lines if has_header else 0
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=partial(_handle_row, header)
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=included,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        for batch in reader:
            rows = header.drop_repeats(batch).select(list(map(str, selected))) if header else batch
            if rows.num_rows:
                yield rows.rename_columns(list(selected.values()))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise Invalid(f"The file is not a readable CSV: {str(error)[:200]}", code="not_a_csv") from error


def _block_bytes(columns: int) -> int:
    """Return the size of a block of a CSV: of a wide table larger ones, as each column of each block costs a while."""
    return min(max(1, columns // 500), 16) * MAX_ROW_BYTES


def _handle_row(header: HeaderLine | None, row: pa_csv.InvalidRow) -> str:
    """Skip a row of another length if it is blank, or the header again where all rows are longer than it."""
    is_blank = row.actual_columns == 1 and not row.text.strip(" \t")
    is_skipped = is_blank or (header is not None and header.is_repeated_by(row.text.encode()))
    return "skip" if is_skipped else "error"
