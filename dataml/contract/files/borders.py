"""Search of a block of CSV text for the borders of its fields: delimiters, line ends, and the quotes around fields.

A quote opens a field where the field begins with it, and closes it at the next quote that is not doubled. A quote
elsewhere in a field is text, as in `5" bolt`: pyarrow.csv, pandas, Python's csv and Excel read it in this way.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

QUOTE: Final = ord('"')

Positions = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Borders:
    """The borders in a block that begins where a row begins.

    Attributes:
        ends: positions of delimiters, line ends, and the quotes around fields, ascending.
        is_quote: which of them are quotes.
        inside: behind which of them a quoted field is open.
        has_other_quotes: whether some quotes neither open nor close a field: they are text, or wrong.
    """

    ends: Positions
    is_quote: Flags
    inside: Flags
    has_other_quotes: bool = False

    def outside(self) -> Positions:
        """Return the positions of the delimiters and line ends that are not text in a quoted field."""
        return self.ends[~(self.inside | self.is_quote)]

    def opened(self) -> int | None:
        """Return the position of the last quote of the field in which the block ends, if that field is quoted."""
        if not len(self.inside) or not self.inside[-1]:
            return None
        return int(self.ends[np.flatnonzero(self.is_quote)[-1]])

    def bad_quote(self) -> int | None:
        """Return the position of the first closing quote that text follows, if there is one."""
        if not self.has_other_quotes:
            return None
        is_followed = self.is_quote[:-1] & ~self.inside[:-1] & (np.diff(self.ends) != 1)
        first = np.flatnonzero(is_followed)[:1]
        return int(self.ends[first[0]]) if len(first) else None


def find_borders(block: bytes, delimiter: str) -> Borders:
    """Return the borders in a block that begins where a row begins."""
    data = np.frombuffer(block, np.uint8)
    is_border = (data == ord(delimiter)) | (data == 10)
    if b"\r" in block:
        is_border |= data == 13
    if b'"' not in block:
        ends = np.flatnonzero(is_border)
        return Borders(ends, np.zeros(len(ends), bool), np.zeros(len(ends), bool))
    borders = _pair_quotes(data, np.flatnonzero(is_border | (data == QUOTE)))
    if _has_stray_quote(borders):
        is_text = (data == QUOTE) & ~_mark_quotes(block, delimiter.encode())
        borders = _pair_quotes(data, borders.ends[~is_text[borders.ends]])
        return replace(borders, has_other_quotes=True)
    return borders


def find_blanks_before_quote(block: bytes, borders: Borders, delimiter: str) -> int | None:
    """Return where the first quote stands that has only blanks before it in its field, if there is one.

    Such a quote is text for some readers; others skip the blanks and read a quoted field.
    """
    if not borders.has_other_quotes:
        return None
    spans = np.array([match.span() for match in _blanks_pattern(delimiter.encode()).finditer(block)], np.int64)
    if not len(spans):
        return None
    before = np.searchsorted(borders.ends, spans[:, 0]) - 1  # -1 where the block begins
    is_text = (before >= 0) & (borders.inside | borders.is_quote)[before] if len(borders.ends) else before >= 0
    first = np.flatnonzero(~is_text)[:1]
    return int(spans[first[0], 1]) - 1 if len(first) else None


def find_row_end(block: bytes, start: int, delimiters: str) -> int | None:
    """Return where the row ends that begins at `start`, or None when that is not in the block.

    Args:
        block: the text.
        start: where the row begins.
        delimiters: the characters behind which a field may begin.
    """
    position = start
    for quoted in _quoted_pattern(delimiters.encode()).finditer(block, start):
        end = _LINE_END.search(block, position, quoted.start())
        if end is not None or not quoted[1]:
            return end.start() if end is not None else None
        position = quoted.end()
    end = _LINE_END.search(block, position)
    return end.start() if end is not None else None


def without_quoted(row: bytes, delimiters: str) -> bytes:
    """Return a row without its quoted fields."""
    return _quoted_pattern(delimiters.encode()).sub(b"", row)


def split_row(row: str, delimiter: str) -> list[str]:
    """Return the fields of one row whose quotes are checked."""
    fields = re.findall(rf'(?:^|{re.escape(delimiter)})("(?:[^"]|"")*"|[^{re.escape(delimiter)}]*)', row)
    return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]


def count_lines(text: bytes) -> int:
    """Return the number of line ends: LF, CRLF or CR."""
    feeds = int(np.count_nonzero(np.frombuffer(text, np.uint8) == 10))
    return feeds + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else feeds


_LINE_END = re.compile(rb"[\r\n]")


@lru_cache
def _blanks_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of blanks and a quote where a field may begin."""
    blanks = rb"[" + b" \t".replace(delimiter, b"") + rb"]++"
    return re.compile(rb"(?:(?<=[\r\n" + re.escape(delimiter) + rb"])|\A)" + blanks + rb'"')


@lru_cache
def _quoted_pattern(delimiters: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a quoted field; its group is empty when the field is not closed."""
    before = rb"[\r\n" + re.escape(delimiters) + rb"]"
    return re.compile(rb'"(?:(?<=' + before + rb'")|(?<=\A"))(?:[^"]++|"")*+("?)')


def _pair_quotes(data: np.ndarray[Any, np.dtype[np.uint8]], ends: Positions) -> Borders:
    is_quote = data[ends] == QUOTE
    return Borders(ends, is_quote, np.bitwise_xor.accumulate(is_quote.view(np.uint8)).view(bool))


def _has_stray_quote(borders: Borders) -> bool:
    """Return whether a quote is neither the first of a field, nor the last, nor a doubled one.

    Either of these stands next to another border, or where the block begins.
    """
    is_apart = np.diff(borders.ends, prepend=-1) != 1
    opens = borders.is_quote & borders.inside & is_apart
    closes = borders.is_quote[:-1] & ~borders.inside[:-1] & is_apart[1:]
    return bool(opens.any() or closes.any())


def _mark_quotes(block: bytes, delimiter: bytes) -> Flags:
    """Return for each byte whether it is in a quoted field, or one of the quotes around it."""
    change = np.zeros(len(block) + 1, np.int8)
    for quoted in _quoted_pattern(delimiter).finditer(block):
        change[quoted.start()] += 1
        change[quoted.end()] -= 1
    return np.cumsum(change[:-1], dtype=np.int8).view(bool)
