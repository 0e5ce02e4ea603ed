"""Check of a CSV file's structure, block by block: encoding, quotes, and the number of fields in each row.

pyarrow.csv does not check it: it reads an unterminated quote to the end of the file, glues text after a closing quote
to the field, keeps the last of two columns of one name, and takes a NUL for text, all without an error. The grammar
here is RFC 4180 with LF, CRLF or CR line ends, and:

- a quote in a field that does not begin with one is text;
- lines of nothing do not count, nor do lines of blanks in a file of several columns;
- each row may end with a delimiter, whether the header does or not;
- a row with the fields of the header does not count.

pyarrow.csv reads what passes the same way, with the options of `contract.files.reading`.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

import numpy as np

from dataml.contract.files.borders import Flags, Positions, count_lines, find_blanks_before_quote, find_borders
from dataml.contract.files.csv_columns import has_unnamed_first
from dataml.contract.files.layout import (
    MAX_ROW_BYTES,
    PLAIN_CSV,
    CsvLayout,
    CsvOptions,
    detect_layout,
    suggest_header_row,
)
from dataml.contract.files.ragged_rows import NAMES_OF_ROWS_HINT, RaggedRows
from dataml.contract.files.repeated_headers import HeaderLine
from dataml.contract.files.row_numbers import RowNumbers
from dataml.contract.files.text import describe_utf16, suggest_encoding
from dataml.errors import Invalid

# Small enough that the arrays computed from a block stay in the processor's cache, and in memory that is reused.
BLOCK_BYTES: Final = 512 << 10
MAX_FIELD_BYTES: Final = 1 << 20
_BOM: Final = codecs.BOM_UTF8
_BLANKS: Final = b" \t"
_HEAD_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class CsvStructure:
    """The structure of a sound file.

    Attributes:
        layout: the layout.
        records: number of data rows.
        repeated_headers: number of rows that repeat the header; they are no data rows.
        has_row_numbers: whether the first column has no name, and numbers the rows.
    """

    layout: CsvLayout
    records: int
    repeated_headers: int = 0
    has_row_numbers: bool = False


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


def scan_csv(stream: Readable, options: CsvOptions = PLAIN_CSV) -> CsvStructure:
    """Check the whole stream of UTF-8 in constant memory.

    Args:
        stream: the content of the file.
        options: what is known about the file.

    Raises:
        Invalid: `empty_file`, `no_rows`, `not_utf8`, `nul_byte`, `stray_quote`, `unterminated_quote`, `ragged_row`,
            `field_too_large`, `row_too_large`, or a code of `detect_layout`.
    """
    scanner = _Scanner(options)
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)
    return scanner.finish()


def scan_section(stream: Readable, layout: CsvLayout) -> None:
    """Check a stream of rows from somewhere behind the header; lines are counted from its beginning.

    Raises:
        Invalid: as `scan_csv`.
    """
    scanner = _Scanner(layout=layout)
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)
    scanner.refuse_ragged()


def read_layout(stream: Readable, options: CsvOptions = PLAIN_CSV) -> CsvLayout:
    """Return the layout, reading no more than the blocks that hold the header and the first row.

    Raises:
        Invalid: as `scan_csv`.
    """
    scanner = _Scanner(options, layout_only=True)
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)
        if scanner.layout is not None:
            return scanner.layout
    raise _empty_file()


def find_section_starts(stream: Readable, section_bytes: int, layout: CsvLayout) -> list[int]:
    """Return the positions where sections begin: starts of rows, at least `section_bytes` apart, the first of them 0.

    Only quotes and line ends are read: a file that is not sound may have sections that are.
    """
    has_bom = stream.read(len(_BOM)) == _BOM
    skipped = layout.start if has_bom else layout.start - len(_BOM)
    starts, position = [0], len(_BOM) + len(stream.read(skipped)) if skipped > 0 else len(_BOM)
    rest = b""
    while data := stream.read(BLOCK_BYTES):
        block = rest + data
        if len(block) > MAX_ROW_BYTES:
            break  # no row is that large: a quote is never closed
        earliest = starts[-1] + section_bytes - position
        if earliest >= len(block) and b'"' not in block:
            cut = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        else:
            start, cut = _find_line_start(block, earliest, layout.delimiter)
            starts += [position + start] if start is not None else []
        rest, position = block[cut:], position + cut
    return starts[:-1] if len(starts) > 1 and starts[-1] == position and not rest else starts


def _blocks(stream: Readable) -> Iterator[tuple[bytes, bool]]:
    block = stream.read(len(_BOM)).removeprefix(_BOM) + stream.read(BLOCK_BYTES)
    while block:
        if block.endswith(b"\r"):
            block += stream.read(1)  # so that a CRLF is never cut in two
        following = stream.read(BLOCK_BYTES)
        yield block, not following
        block = following


class _Scanner:
    """The state between blocks: the beginning of a row whose end has not come yet, and the rows counted before."""

    def __init__(
        self, options: CsvOptions = PLAIN_CSV, layout: CsvLayout | None = None, layout_only: bool = False
    ) -> None:
        self.layout = layout
        self._header = HeaderLine(layout) if layout is not None else None
        self._numbers: RowNumbers | None = None
        self._records = 0
        self._repeats = 0
        self._options = options
        self._layout_only = layout_only
        self._ragged = RaggedRows()
        self._head = b""
        self._rest = b""
        self._line = 1
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._block = b""

    def feed(self, data: bytes, is_last: bool) -> None:
        """Check the rows that end in the next block."""
        self._block = self._rest + data
        self._check_text(data, is_last)
        if is_last and not data.endswith((b"\n", b"\r")):
            self._block += b"\n"
        layout = self.layout or self._find_layout(is_last)
        if layout is None:
            self._keep(0)
        elif not self._layout_only:
            self._keep(self._check_rows(layout, is_last))

    def finish(self) -> CsvStructure:
        """Return the structure once every block was checked."""
        if self.layout is None:
            raise _empty_file()
        self.refuse_ragged()
        if not self._records:
            raise Invalid("The file has a header and no rows.", code="no_rows")
        self._refuse_other_header(self.layout)
        has_row_numbers = self._numbers is not None and self._numbers.are_all
        return CsvStructure(self.layout, self._records, self._repeats, has_row_numbers)

    def refuse_ragged(self) -> None:
        """Refuse the file if a row had another number of fields than the header."""
        if not self._ragged.count or self.layout is None:
            return
        detail = str(self._ragged)
        suggested = self._suggest_header_row(len(self.layout.header) + (0 if self.layout.lacks_first_name else 1))
        if suggested is not None:
            detail += f" If line {suggested:,} is the header, upload with header_row={suggested}."
        elif self._ragged.one_more == self._records:
            detail += f" {NAMES_OF_ROWS_HINT}"
        raise Invalid(detail, code="empty_column_name" if self._ragged.is_unnamed else "ragged_row")

    def _suggest_header_row(self, min_names: int) -> int | None:
        return suggest_header_row(self._head, min_names) if self._options.header_row is None else None

    def _refuse_other_header(self, layout: CsvLayout) -> None:
        """Refuse a file whose rows have one field more than its first line, if another line looks like the header."""
        suggested = self._suggest_header_row(len(layout.header)) if layout.lacks_first_name else None
        if suggested is None:
            return
        line = layout.lines - count_lines(layout.header_line)
        detail = (
            f"The rows have {layout.fields} fields, where line {line:,} has {layout.fields - 1}. If line {suggested:,} "
            f"is the header, upload with header_row={suggested}; if the first field is the name of its row, with "
            f"header_row={line}."
        )
        raise Invalid(detail, code="ragged_row")

    def _check_text(self, data: bytes, is_last: bool) -> None:
        nul = self._block.find(b"\0")
        if nul >= 0:
            self._refuse("nul_byte", nul, describe_utf16(self._block) or "a NUL byte")
        pending = len(self._decoder.getstate()[0])
        if data.isascii() and not pending:
            return
        try:
            self._decoder.decode(data, is_last)
        except UnicodeDecodeError as error:
            position = len(self._rest) - pending + error.start
            problem = f"byte 0x{self._block[position]:02x} is not UTF-8; {suggest_encoding(self._block, position)}"
            self._refuse("not_utf8", position, problem)

    def _find_layout(self, is_last: bool) -> CsvLayout | None:
        """Find header and delimiter; return None when their end has not come yet."""
        self.layout = layout = detect_layout(self._block, is_last, self._options)
        if layout is not None:
            self._header = HeaderLine(layout)
            self._numbers = RowNumbers() if has_unnamed_first(layout) else None
            self._head = self._block[:_HEAD_BYTES]
            self._line = layout.lines + 1
            self._block = self._block[layout.start :]
        return layout

    def _check_rows(self, layout: CsvLayout, is_last: bool) -> int:
        """Check every row that ends in the block, and return the position behind the last of them."""
        borders = find_borders(self._block, layout.delimiter)
        ends, opened = borders.ends, None
        if borders.is_quote.any() or borders.has_other_quotes:
            self._check_quote(borders.bad_quote(), "text follows the quote that closes a field")
            blanks = find_blanks_before_quote(self._block, borders, layout.delimiter)
            self._check_quote(blanks, "blanks stand before the quote that opens a field")
            ends, opened = borders.outside(), borders.opened()
        data = np.frombuffer(self._block, np.uint8)
        rows = np.flatnonzero(data[ends] != ord(layout.delimiter))
        if is_last and opened is not None:
            self._refuse("unterminated_quote", opened, "a quote is opened here and never closed")
        if not len(rows):
            return 0
        self._check_fields(layout, ends[: rows[-1] + 1], rows)
        return int(ends[rows[-1]]) + 1

    def _check_quote(self, position: int | None, problem: str) -> None:
        if position is not None:
            self._refuse("stray_quote", position, problem)

    def _check_fields(self, layout: CsvLayout, ends: Positions, rows: Positions) -> None:
        lengths = np.diff(ends, prepend=-1) - 1
        widest = int(lengths.argmax())
        if lengths[widest] > MAX_FIELD_BYTES:
            self._refuse("field_too_large", int(ends[widest]) - 1, f"a field is larger than {MAX_FIELD_BYTES:,} bytes")
        fields = np.diff(rows, prepend=-1)
        blank = (fields == 1) & (lengths[rows] == 0)
        is_ragged = (fields != layout.fields) & ~blank
        single = np.flatnonzero(is_ragged & (fields == 1))
        if len(single):
            blank[single] = self._are_blank(ends[rows[single]], lengths[rows[single]])
            is_ragged &= ~blank
        for field_behind in range(layout.padding):
            is_ragged |= (fields == layout.fields) & (lengths[rows - field_behind] != 0)
        is_repeat = self._find_repeats(ends, rows)
        is_ragged &= ~is_repeat
        if is_ragged.any():
            self._add_ragged(layout, ends, rows, np.flatnonzero(is_ragged), fields)
        if self._numbers is not None and self._numbers.are_all:
            first = np.concatenate(([0], rows[:-1] + 1))[~blank]
            data = np.frombuffer(self._block, np.uint8)
            self._numbers.add(data, ends[first] - lengths[first], ends[first], ~is_repeat[~blank])
        repeats = int(is_repeat.sum())
        self._repeats += repeats
        self._records += len(rows) - int(blank.sum()) - repeats

    def _find_repeats(self, ends: Positions, rows: Positions) -> Flags:
        """Return which rows repeat the header."""
        if self._header is None:
            return np.zeros(len(rows), bool)
        row_ends = ends[rows]
        return self._header.find_repeats(self._block, np.concatenate(([0], row_ends[:-1] + 1)), row_ends)

    def _are_blank(self, ends: Positions, lengths: Positions) -> Flags:
        """Return for each field, which ends before a position and has a length, whether it is all blanks."""
        data = np.frombuffer(self._block, np.uint8)
        is_blank = np.isin(data, np.frombuffer(_BLANKS, np.uint8))
        blanks_before = np.concatenate(([0], np.cumsum(is_blank)))
        return blanks_before[ends] - blanks_before[ends - lengths] == lengths

    def _add_ragged(
        self, layout: CsvLayout, ends: Positions, rows: Positions, ragged: Positions, fields: Positions
    ) -> None:
        def find_line(row: int) -> int:
            return self._line + count_lines(self._block[: int(ends[rows[row - 1]]) + 1 if row else 0])

        self._ragged.add(layout, ragged, fields, find_line)

    def _keep(self, cut: int) -> None:
        self._line += count_lines(self._block[:cut])
        self._rest = self._block[cut:]
        if len(self._rest) > MAX_ROW_BYTES:
            self._refuse(
                "row_too_large", 0, f"a row is larger than {MAX_ROW_BYTES:,} bytes, or a quote is never closed"
            )

    def _refuse(self, code: str, position: int, problem: str) -> NoReturn:
        self.refuse_ragged()  # which comes before
        line = self._line + count_lines(self._block[: max(position, 0)])
        raise Invalid(f"Line {line:,}: {problem}.", code=code)


def _empty_file() -> Invalid:
    return Invalid("The file is empty.", code="empty_file")


def _find_line_start(block: bytes, earliest: int, delimiter: str) -> tuple[int | None, int]:
    """Return where a row begins at or after `earliest`, if one does, and where the last row begins."""
    outside = find_borders(block, delimiter).outside()
    data = np.frombuffer(block, np.uint8)
    ends = outside[data[outside] != ord(delimiter)]
    cut = int(ends[-1]) + 1 if len(ends) else 0
    # The last bytes are left out, since a CRLF or a byte order mark may be cut in two there.
    for end in ends[(ends >= earliest) & (ends + 1 + len(_BOM) < len(data))].tolist():
        start = end + 2 if block[end : end + 2] == b"\r\n" else end + 1
        if not block.startswith(_BOM, start):  # part of a cell, which a reader would take for a byte order mark
            return start, cut
    return None, cut
