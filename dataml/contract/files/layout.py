"""Layout of a CSV file: where its header stands, the names in it, the delimiter, and what is known about it before."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

from dataml.contract.files.borders import (
    count_lines,
    find_blanks_before_quote,
    find_borders,
    find_row_end,
    split_row,
    without_quoted,
)
from dataml.errors import Invalid

DELIMITERS: Final = ",;\t|"
MAX_ROW_BYTES: Final = 4 << 20
MAX_HEADER_ROW: Final = 1_000
"""Line number up to which a header is looked for."""

# Spreadsheets have names of several lines, which are meant as one.
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
_SEP_LINE = re.compile(rb'"?sep=([^"\r\n])"?[ \t]*(?:\r\n?|\n)', re.IGNORECASE)
_BLANK_LINES = re.compile(rb"(?:[ \t]*+(?:\r\n?|\n))*+")
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n?|\n)")
NUMBER_PATTERN: Final = re.compile(r"\s*[-+]?[\d.,]*\d\s*%?\s*")
"""What a name of a column rarely is."""

_SUGGESTION_ROWS: Final = 50


@dataclass(frozen=True)
class CsvOptions:
    """What is known about a CSV file before it is read; it need not be said about plain UTF-8 with the header first.

    Attributes:
        encoding: a key of `contract.files.text.ENCODINGS`, as a user says it.
        header_row: number of the line with the header, counted from 1; lines before it are left out. None: the first
            line that is not blank.
        delimiter: between two fields, an ASCII character. None: it is detected.
        has_row_numbers: whether the first column, which has no name, only numbers the rows, as `scan_csv` has found.
        repeated_headers: number of rows that repeat the header, as `scan_csv` has found.
    """

    encoding: str = "utf-8"
    header_row: int | None = None
    delimiter: str | None = None
    has_row_numbers: bool = False
    repeated_headers: int = 0


PLAIN_CSV: Final = CsvOptions()


@dataclass(frozen=True)
class CsvLayout:
    """The layout of one file.

    Attributes:
        header: the names, as they stand there, unquoted.
        delimiter: between two fields.
        lines: number of lines up to the end of the header.
        start: number of bytes up to the end of the header, without a byte order mark.
        padding: number of empty fields without a name at the end of each row: delimiters that nothing follows.
        lacks_first_name: whether the line of the header has one field less than the rows, as R writes row names; then
            the first name is empty.
        header_line: the line of the header as it stands in the file, without its end.
    """

    header: tuple[str, ...]
    delimiter: str
    lines: int = 1
    start: int = 0
    padding: int = 0
    lacks_first_name: bool = False
    header_line: bytes = field(default=b"", compare=False)

    @property
    def fields(self) -> int:
        """The number of fields in each row."""
        return len(self.header) + self.padding


def detect_layout(block: bytes, is_last: bool, options: CsvOptions = PLAIN_CSV) -> CsvLayout | None:
    """Return the layout, or None when header and first row do not end in the block and more follow.

    Args:
        block: the beginning of the file, without a byte order mark.
        is_last: whether it is all of the file.
        options: what is known about the file.

    Raises:
        Invalid: `bad_header_row`, `unknown_delimiter`, `comment_line`, `stray_quote` or `unterminated_quote`.
    """
    sep = _SEP_LINE.match(block)
    given = options.delimiter or (_read_sep(sep) if sep else "")
    start = _find_header(block, sep.end() if sep else 0, is_last, options.header_row)
    if start is None or start == len(block):
        return None
    end = find_row_end(block, start, given or DELIMITERS)
    if end is None:
        if is_last:
            problem = "a quote is opened and never closed"
            _refuse_at(block, block.find(b'"', start), "unterminated_quote", problem)
        return None
    row = block[start:end]
    delimiter = given or _guess_delimiter(row)
    behind = end + (2 if block.startswith(b"\r\n", end) else 1)
    # Whether a larger row is padded is not looked for: it is refused.
    first_row = _read_first_row(block[:MAX_ROW_BYTES], behind, delimiter)
    if first_row is None and not is_last and len(block) < MAX_ROW_BYTES:
        return None
    _check_quotes(block, start, row, delimiter)
    names = split_row(row.decode(), delimiter)
    if options.header_row is None and len(names) == 1:
        _refuse_comment(block, start, row, first_row or b"")
    fields = split_row((first_row or b"").decode(), delimiter)
    padding = _count_padding(names, fields)
    names = names[: len(names) - padding] if padding and not names[-1].strip() else names
    lacks_first_name = not padding and _lacks_first_name(names, fields, delimiter, first_row or b"")
    names = [*([""] if lacks_first_name else []), *(_LINE_BREAKS.sub(" ", name) for name in names)]
    return CsvLayout(tuple(names), delimiter, count_lines(block[:behind]), behind, padding, lacks_first_name, row)


def suggest_header_row(head: bytes, min_names: int = 2) -> int | None:
    """Return the number of a line that looks more like a header than the first one, or None.

    From there on all rows of the beginning have the same number of fields, at least `min_names`, and its fields are
    texts that differ.

    Args:
        head: the beginning of the file, without a byte order mark.
        min_names: the least number of names.
    """
    suggestions = []
    for delimiter in DELIMITERS:
        rows = list(_head_rows(head, delimiter))
        while len(rows) > 1 and len(rows[-2][1]) == len(rows[-1][1]):
            line, names = rows.pop(-2)
            if line > 1 and len(names) >= min_names and _are_names(names):
                suggestions.append((len(names), -line))
    return -max(suggestions)[1] if suggestions else None


def _head_rows(head: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    position, rows = 0, 0
    while rows < _SUGGESTION_ROWS:
        position = _skip_blank_lines(head, position)
        end = find_row_end(head, position, delimiter)
        if end is None:
            return
        yield count_lines(head[:position]) + 1, split_row(head[position:end].decode(errors="replace"), delimiter)
        position, rows = end, rows + 1


def _are_names(names: list[str]) -> bool:
    trimmed = [name.strip() for name in names]
    return all(trimmed) and len(set(trimmed)) == len(trimmed) and not any(map(NUMBER_PATTERN.fullmatch, trimmed))


def _read_sep(sep: re.Match[bytes]) -> str:
    delimiter = sep[1].decode("latin-1")
    if delimiter not in DELIMITERS:
        raise Invalid(
            f"Line 1: the delimiter {delimiter!r} is none of comma, semicolon, tab and |.", code="unknown_delimiter"
        )
    return delimiter


def _find_header(block: bytes, start: int, is_last: bool, header_row: int | None) -> int | None:
    """Return where the line of the header begins, or None when it is not in the block and more follows."""
    if header_row is None:
        return _skip_blank_lines(block, start)
    position = 0
    for _ in range(header_row - 1):
        line = _LINE.match(block, position)
        if line is None:
            position = len(block)
            break
        position = line.end()
    if position == len(block) and not is_last:
        return None
    if _skip_blank_lines(block, position) == position < len(block):
        return position
    detail = f"header_row is {header_row:,}, and that line is blank or behind the end of the file."
    raise Invalid(detail, code="bad_header_row")


def _skip_blank_lines(block: bytes, start: int) -> int:
    match = _BLANK_LINES.match(block, start)
    return match.end() if match else start


def _guess_delimiter(row: bytes) -> str:
    """Return the most frequent candidate; the comma for a single column."""
    unquoted = without_quoted(row, DELIMITERS).decode()
    return max(DELIMITERS, key=unquoted.count)


def _read_first_row(block: bytes, start: int, delimiter: str) -> bytes | None:
    """Return the first row behind the header, or None when it does not end in the block."""
    start = _skip_blank_lines(block, start)
    end = find_row_end(block, start, delimiter)
    return block[start:end] if end is not None else None


def _count_padding(names: list[str], first_row: list[str]) -> int:
    """Return the number of delimiters at the end of the first row that nothing follows and no name stands for."""
    unnamed = 0
    while unnamed < len(names) - 1 and not names[-1 - unnamed].strip():
        unnamed += 1
    extra = unnamed or 1
    expected = len(names) + (0 if unnamed else 1)
    return extra if len(first_row) == expected and not any(first_row[-extra:]) else 0


def _lacks_first_name(names: list[str], first_row: list[str], delimiter: str, line: bytes) -> bool:
    """Return whether the first row has one field more than the header, as R's write.table writes row names.

    An unquoted decimal comma makes a field more, too. So behind a comma the first field has to be quoted, as R does it.
    """
    if len(names) < 2 or len(first_row) != len(names) + 1 or not all(map(str.strip, [*names, first_row[-1]])):
        return False
    return delimiter != "," or line.startswith(b'"')


def _check_quotes(block: bytes, start: int, row: bytes, delimiter: str) -> None:
    borders = find_borders(row + b"\n", delimiter)
    bad = borders.bad_quote()
    if bad is not None:
        _refuse_at(block, start + bad, "stray_quote", "text follows the quote that closes a field")
    blank = find_blanks_before_quote(row, borders, delimiter)
    if blank is not None:
        _refuse_at(block, start + blank, "stray_quote", "blanks stand before the quote that opens a field")


def _refuse_comment(block: bytes, start: int, row: bytes, first_row: bytes) -> None:
    """Refuse a line that may be a comment or the name of the only column, as the fields of the rows do not tell."""
    if not row.startswith(b"#") or not (row[1:2].isspace() or first_row.startswith(b"#")):
        return
    line = count_lines(block[:start]) + 1
    others = [number for number, text in enumerate(block.splitlines(), 1) if number > line and text[:1] not in b"#"]
    hint = f"if line {others[0]:,} is the header, upload with header_row={others[0]}; " if others else ""
    detail = f"Line {line:,} begins with # and looks like a comment: {hint}if this line is it, with header_row={line}."
    raise Invalid(detail, code="comment_line")


def _refuse_at(block: bytes, position: int, code: str, problem: str) -> NoReturn:
    raise Invalid(f"Line {count_lines(block[:position]) + 1:,}: {problem}.", code=code)
