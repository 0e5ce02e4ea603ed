"""Reads the first rows and lines of stored files, and writes the error report as CSV; blocking, for a thread."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.columns import to_text
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.parquet import open_parquet
from dataml.contract.files.reading import open_batches
from dataml.contract.files.text import open_text
from dataml.db.scope import Page

LINES: Final = 20
MAX_CELL_CHARACTERS: Final = 4096
_MAX_LINE_CHARACTERS: Final = 4096
_HEAD_BYTES: Final = 1 << 20
_BATCH_ROWS: Final = 1024
# Spreadsheets in Japanese or Chinese also take the full-width ones.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
ERROR_COLUMNS: Final = ("file", "row", "column", "value", "rule", "reason")


def read_rows(parquet: Path, columns: Sequence[str] | None, page: Page) -> list[dict[str, Any]]:
    """Return a page of the rows as values for JSON; only the row groups and columns of the page are read."""
    rows: list[dict[str, Any]] = []
    with pq.ParquetFile(parquet) as file:
        names = list(columns) if columns is not None else file.schema_arrow.names
        groups, skip = _row_groups(file, page)
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=names) if groups else ():
            rows_of_page = batch.slice(min(skip, batch.num_rows), page.limit - len(rows))
            skip -= min(skip, batch.num_rows)
            # Parquet also takes a name for a path such as `a.b`, and returns more columns than these.
            rows += [row_to_json(row) for row in rows_of_page.select(names).to_pylist()]
            if len(rows) == page.limit:
                break
    return rows


def count_rows(parquet: Path) -> int:
    """Return the number of rows of a file."""
    with pq.ParquetFile(parquet) as file:
        return file.metadata.num_rows


def first_lines(path: Path, file_format: FileFormat, encoding: str = "utf-8") -> list[str]:
    """Return the first lines as text, at most `LINES`; the rows of a Parquet file as lines of CSV."""
    if file_format == "parquet":
        return _parquet_lines(path)
    with open_text(path, encoding) as file:
        head = file.read(_HEAD_BYTES)
    lines = head.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [_truncate(line, _MAX_LINE_CHARACTERS) for line in lines[:LINES]]


def error_lines(errors: Path | None) -> Iterator[bytes]:
    """Yield every wrong cell as CSV, safe to open in a spreadsheet; the header alone when there is no file.

    The file is Parquet, as the validation writes it.
    """
    yield _csv_lines([ERROR_COLUMNS]).encode()
    if errors is None:
        return
    with open_parquet(errors) as file:
        for batch in file.iter_batches(columns=list(ERROR_COLUMNS)):
            yield _csv_lines(map(_escape_formula, row.values()) for row in batch.to_pylist()).encode()


def _row_groups(file: pq.ParquetFile, page: Page) -> tuple[list[int], int]:
    """Return the row groups that contain the page, and the number of rows of the first that come before the page."""
    groups: list[int] = []
    skipped, start = 0, 0
    for group in range(file.metadata.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if end > page.offset and start < page.offset + page.limit:
            if not groups:
                skipped = page.offset - start
            groups.append(group)
        start = end
    return groups, max(skipped, 0)


def row_to_json(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its values as JSON has them: times as text, long text cut."""
    return {name: _to_json(value) for name, value in row.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, str):
        return _truncate(value, MAX_CELL_CHARACTERS)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _parquet_lines(path: Path) -> list[str]:
    head = next(open_batches(path, "parquet", batch_rows=LINES - 1))
    columns = [_to_values(column) for column in head.columns]
    cells = [head.schema.names, *zip(*columns, strict=True)]
    return [_truncate(_csv_lines([row]).removesuffix("\n"), _MAX_LINE_CHARACTERS) for row in cells]


def _to_values(values: pa.Array) -> list[Any]:
    # Parquet has days that Python has not, and unknown time zones; Python writes some decimals with an exponent.
    is_exact = pa.types.is_temporal(values.type) or pa.types.is_decimal(values.type)
    return (to_text(values) if is_exact else values).to_pylist()


def _escape_formula(cell: Any) -> Any:
    """Return a cell, with an apostrophe in front if a spreadsheet would run it as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


class _Lines(list[str]):
    """The rows that a CSV writer has written."""

    def write(self, line: str) -> None:
        self.append(line)


def _csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    lines = _Lines()
    # The writer quotes a field for the characters of its line end only. With "\n" alone, a CR in a field would begin a
    # row for a spreadsheet, and what follows could be a formula.
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def _truncate(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"
