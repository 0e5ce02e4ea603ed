"""Check of a CSV file's structure, block by block: encoding, quotes, and the number of fields in each row.

pyarrow.csv does not check it: it reads an unterminated quote to the end of the file, glues text after a closing quote
to the field, keeps the last of two columns of one name, and takes a NUL for text, all without an error. The grammar
here is RFC 4180 with LF, CRLF or CR line ends; blank lines do not count. pyarrow.csv reads what passes the same way.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

import numpy as np

from dataml.errors import Invalid

# Small enough that the arrays computed from a block stay in the processor's cache, and in memory that is reused.
BLOCK_BYTES: Final = 512 << 10
MAX_ROW_BYTES: Final = 4 << 20
MAX_FIELD_BYTES: Final = 1 << 20
DELIMITERS: Final = ",;\t|"
_BOM: Final = codecs.BOM_UTF8
_QUOTE: Final = ord('"')

_Positions = np.ndarray[Any, np.dtype[np.int64]]
_Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class CsvStructure:
    """The structure of a sound file: `header` as it stands there, unquoted, and `records`, the number of data rows."""

    header: tuple[str, ...]
    records: int
    delimiter: str


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


def scan_csv(stream: Readable) -> CsvStructure:
    """Check the whole stream in constant memory.

    Raises:
        Invalid: `empty_file`, `no_rows`, `not_utf8`, `nul_byte`, `stray_quote`, `unterminated_quote`, `ragged_row`,
            `field_too_large` or `row_too_large`.
    """
    scanner = _Scanner()
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)
    return scanner.finish()


def scan_section(stream: Readable, header: tuple[str, ...], delimiter: str) -> None:
    """Check a stream of rows from somewhere behind the header; lines are counted from its beginning.

    Raises:
        Invalid: as `scan_csv`.
    """
    scanner = _Scanner(header=header, delimiter=delimiter)
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)


def find_section_starts(stream: Readable, section_bytes: int) -> list[int]:
    """Return the positions where sections begin: starts of rows, at least `section_bytes` apart, the first of them 0.

    Only quotes and line ends are read: a file that is not sound may have sections that are.
    """
    starts, position, is_open = [0], 0, False
    while block := stream.read(BLOCK_BYTES):
        if position + len(block) >= starts[-1] + section_bytes:
            start = _find_line_start(block, starts[-1] + section_bytes - position, is_open)
            if start is not None:
                starts.append(position + start)
        is_open ^= int(np.count_nonzero(np.frombuffer(block, np.uint8) == _QUOTE)) % 2 == 1
        position += len(block)
    return starts[:-1] if len(starts) > 1 and starts[-1] == position else starts


def read_header(stream: Readable) -> tuple[tuple[str, ...], str]:
    """Return the names in the header and the delimiter, reading no more than the blocks that hold the header."""
    scanner = _Scanner(header_only=True)
    for block, is_last in _blocks(stream):
        scanner.feed(block, is_last)
        if scanner.header:
            break
    return scanner.header, scanner.delimiter


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

    def __init__(self, header_only: bool = False, header: tuple[str, ...] = (), delimiter: str = ",") -> None:
        self.header = header
        self.delimiter = delimiter
        self.records = 0
        self._header_only = header_only
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
        if not self.header and not self._find_header(is_last):
            self._keep(0)
            return
        if not self._header_only:
            self._keep(self._check_rows(is_last))

    def finish(self) -> CsvStructure:
        """Return the structure once every block was checked."""
        if not self.header:
            raise Invalid("The file is empty.", code="empty_file")
        if not self.records:
            raise Invalid("The file has a header and no rows.", code="no_rows")
        return CsvStructure(self.header, self.records, self.delimiter)

    def _check_text(self, data: bytes, is_last: bool) -> None:
        nul = self._block.find(b"\0")
        if nul >= 0:
            self._refuse("nul_byte", nul, "a NUL byte")
        pending = len(self._decoder.getstate()[0])
        if data.isascii() and not pending:
            return
        try:
            self._decoder.decode(data, is_last)
        except UnicodeDecodeError as error:
            position = len(self._rest) - pending + error.start
            problem = f"byte 0x{self._block[position]:02x} is not UTF-8; save the file as UTF-8"
            self._refuse("not_utf8", position, problem)

    def _find_header(self, is_last: bool) -> bool:
        """Read names and delimiter from the first row that is not blank; return False when its end has not come yet."""
        block = self._block
        start = len(block) - len(block.lstrip(b"\r\n"))
        end = _find_row_end(block, start)
        if end is None:
            if is_last and start < len(block):
                self._refuse("unterminated_quote", block.find(b'"'), "a quote is opened and never closed")
            return False
        self._line += _count_lines(block[:start])
        self._block = block[start:]
        row = block[start:end]
        unquoted = re.sub(rb'"[^"]*"', b"", row).decode()
        # The most frequent candidate; the comma for a single column.
        self.delimiter = max(DELIMITERS, key=unquoted.count)
        self._check_quotes(*self._find_borders(row + b"\n"))
        self.header = tuple(_split(row.decode(), self.delimiter))
        self.records = -1  # the header is about to be counted as a row
        return True

    def _check_rows(self, is_last: bool) -> int:
        """Check every row that ends in the block, and return the position behind the last of them."""
        ends, is_quote, inside = self._find_borders(self._block)
        opened = -1
        if is_quote.any():
            self._check_quotes(ends, is_quote, inside)
            opened = int(ends[np.flatnonzero(is_quote)[-1]]) if inside[-1] else -1
            ends = ends[~(inside | is_quote)]
        data = np.frombuffer(self._block, np.uint8)
        rows = np.flatnonzero(data[ends] != ord(self.delimiter))
        cut = int(ends[rows[-1]]) + 1 if len(rows) else 0
        if is_last and opened >= 0:
            self._refuse("unterminated_quote", opened, "a quote is opened here and never closed")
        if len(rows):
            self._check_fields(ends[: rows[-1] + 1], rows)
        return cut

    def _find_borders(self, block: bytes) -> tuple[_Positions, _Flags, _Flags]:
        """Return the positions of quotes, delimiters and line ends; which are quotes; behind which a field is open.

        An open field is a quoted one whose closing quote has not come yet.
        """
        data = np.frombuffer(block, np.uint8)
        is_border = (data == ord(self.delimiter)) | (data == 10)
        if b"\r" in block:
            is_border |= data == 13
        if b'"' not in block:
            ends = np.flatnonzero(is_border)
            return ends, np.zeros(len(ends), bool), np.zeros(len(ends), bool)
        ends = np.flatnonzero(is_border | (data == _QUOTE))
        is_quote = data[ends] == _QUOTE
        return ends, is_quote, np.bitwise_xor.accumulate(is_quote.view(np.uint8)).view(bool)

    def _check_quotes(self, ends: _Positions, is_quote: _Flags, inside: _Flags) -> None:
        """Check that every quote opens a field at its start or closes it at its end; a doubled one does both.

        Either way the byte next to it is a border, or it stands where a row begins.
        """
        follows = np.diff(ends, prepend=-1) == 1
        stray = np.flatnonzero(is_quote & inside & ~follows)[:1]
        followed = np.flatnonzero(is_quote[:-1] & ~inside[:-1] & ~follows[1:])[:1]
        if len(stray) and not (len(followed) and followed[0] < stray[0]):
            self._refuse("stray_quote", int(ends[stray[0]]), "a quote stands inside a field without quotes")
        if len(followed):
            self._refuse("stray_quote", int(ends[followed[0]]), "text follows the quote that closes a field")

    def _check_fields(self, ends: _Positions, rows: _Positions) -> None:
        lengths = np.diff(ends, prepend=-1) - 1
        widest = int(lengths.argmax())
        if lengths[widest] > MAX_FIELD_BYTES:
            self._refuse("field_too_large", int(ends[widest]) - 1, f"a field is larger than {MAX_FIELD_BYTES:,} bytes")
        fields = np.diff(rows, prepend=-1)
        blank = (fields == 1) & (lengths[rows] == 0)
        ragged = np.flatnonzero((fields != len(self.header)) & ~blank)
        if len(ragged):
            row = int(ragged[0])
            start = int(ends[rows[row - 1]]) + 1 if row else 0
            self._refuse("ragged_row", start, f"{fields[row]} fields, where the header has {len(self.header)}")
        self.records += len(rows) - int(blank.sum())

    def _keep(self, cut: int) -> None:
        self._line += _count_lines(self._block[:cut])
        self._rest = self._block[cut:]
        if len(self._rest) > MAX_ROW_BYTES:
            self._refuse(
                "row_too_large", 0, f"a row is larger than {MAX_ROW_BYTES:,} bytes, or a quote is never closed"
            )

    def _refuse(self, code: str, position: int, problem: str) -> NoReturn:
        line = self._line + _count_lines(self._block[: max(position, 0)])
        raise Invalid(f"Line {line:,}: {problem}.", code=code)


def _find_line_start(block: bytes, earliest: int, is_open: bool) -> int | None:
    """Return where a row begins at or after `earliest`; `is_open` when the block begins inside a quoted field."""
    data = np.frombuffer(block, np.uint8)
    inside = np.bitwise_xor.accumulate((data == _QUOTE).view(np.uint8)).view(bool) ^ is_open
    ends = np.flatnonzero(((data == 10) | (data == 13)) & ~inside)
    # The last bytes are left out, since a CRLF or a byte order mark may be cut in two there.
    for end in ends[(ends >= earliest) & (ends + 1 + len(_BOM) < len(data))].tolist():
        start = end + 2 if block[end : end + 2] == b"\r\n" else end + 1
        if not block.startswith(_BOM, start):  # part of a cell, which a reader would take for a byte order mark
            return start
    return None


def _find_row_end(block: bytes, start: int) -> int | None:
    """Return where the row ends that begins at `start`, or None when that is not in the block."""
    data = np.frombuffer(block, np.uint8)[start:]
    inside = np.bitwise_xor.accumulate((data == _QUOTE).view(np.uint8)).view(bool)
    ends = np.flatnonzero(((data == 10) | (data == 13)) & ~inside)
    return start + int(ends[0]) if len(ends) else None


def _count_lines(text: bytes) -> int:
    feeds = int(np.count_nonzero(np.frombuffer(text, np.uint8) == 10))
    return feeds + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else feeds


def _split(row: str, delimiter: str) -> list[str]:
    """Return the fields of one row whose quotes are checked."""
    fields = re.findall(rf'(?:^|{re.escape(delimiter)})("(?:[^"]|"")*"|[^{re.escape(delimiter)}]*)', row)
    return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]
