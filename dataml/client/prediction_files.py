"""Predictions from files and to files: which of them a call in real time can take, and how results are written."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from dataml.client.errors import ClientError
from dataml.client.frames import build, to_list
from dataml.client.predictions import ModelColumns
from dataml.client.tables import is_installed

FileFormat = Literal["csv", "parquet"]
MAX_REALTIME_BYTES: Final = 4 << 20
"""Larger CSV files are not looked into: a batch reads them."""
_PARQUET: Final = (".parquet", ".pq")
_ISO_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?")
# What reads the same in JSON and in every file. How other values are to be read, the whole file says: a batch reads it.
_PLAIN: Final[dict[str, re.Pattern[str]]] = {
    "Integer": re.compile(r"-?\d{1,15}"),
    "Float": re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?"),
    "Boolean": re.compile(r"true|false"),
    "String": re.compile(r"\S(.*\S)?", re.DOTALL),
}


def is_parquet(path: Path) -> bool:
    """Return whether the name of a file is that of a Parquet file."""
    return path.suffix.lower() in _PARQUET


def format_of_name(path: Path) -> FileFormat:
    """Return the format of a file by the ending of its name."""
    return "parquet" if is_parquet(path) else "csv"


def format_of(path: Path, wanted: FileFormat | None = None) -> FileFormat:
    """Return the format that a file is written in: the wanted one, else that of the ending of its name.

    Raises:
        ClientError: `no_pyarrow`: it is Parquet, and pyarrow is not installed.
    """
    chosen = wanted or format_of_name(path)
    if chosen == "parquet" and not is_installed("pyarrow"):
        raise ClientError('Parquet needs pyarrow: pip install "dataml[arrow]"', code="no_pyarrow")
    return chosen


def read_rows(path: Path, columns: ModelColumns, ids: Sequence[str], max_rows: int) -> Any:
    """Return the rows of a small file, as a list of dicts or an Arrow table with the columns of a model.

    Args:
        path: A CSV or a Parquet file.
        columns: What the model reads.
        ids: Columns that only identify a row, which are read, too.
        max_rows: More rows are not read.

    Returns:
        None where a batch must read the file: it has more rows, lacks a column, or has values that are not plain.

    Raises:
        OSError: The file cannot be read.
    """
    wanted = {**dict.fromkeys(ids, ""), **columns.inputs}
    if is_parquet(path):
        return _read_parquet(path, wanted, columns, max_rows) if is_installed("pyarrow") else None
    return _read_csv(path, wanted, columns, max_rows)


def _read_parquet(path: Path, wanted: Mapping[str, str], columns: ModelColumns, max_rows: int) -> Any:
    from dataml.client import parquet

    table = parquet.read_small(path, list(wanted), max_rows)
    return table if table is not None and _has_all(table.column_names, columns) else None


def _read_csv(path: Path, wanted: Mapping[str, str], columns: ModelColumns, max_rows: int) -> Any:
    if path.stat().st_size > MAX_REALTIME_BYTES:
        return None
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        rows = list(reader)
    except (ValueError, csv.Error):
        return None
    names = list(reader.fieldnames or ())
    if not 0 < len(rows) <= max_rows or len(set(names)) != len(names) or not _has_all(names, columns):
        return None
    cells = [{name: row[name] for name in names if name in wanted} for row in rows]
    is_whole = all(None not in row and None not in row.values() for row in rows)
    if not is_whole or not all(_is_plain(row[name], wanted[name]) for row in cells for name in row):
        return None
    return [{name: _value(text, wanted[name]) for name, text in row.items()} for row in cells]


def _has_all(names: Sequence[str], columns: ModelColumns) -> bool:
    return all(name in names for name in columns.inputs if name not in columns.defaults)


def _is_plain(text: str, data_type: str) -> bool:
    if text == "" or data_type == "":
        return True
    return bool(_PLAIN.get(data_type, _ISO_TIME).fullmatch(text))


def _value(text: str, data_type: str) -> Any:
    if data_type == "":
        return text
    return {"true": True, "false": False}[text] if data_type == "Boolean" and text else text or None


def write_rows(
    target: Path, rows: Any, result: Any, ids: Sequence[str], types: Mapping[str, str], format: FileFormat
) -> None:
    """Write predictions behind the Id columns of their rows to a file, whole or not at all, as a batch does.

    Args:
        target: The file, which is replaced if there is one.
        rows: What `read_rows` has returned.
        result: The predictions, in the same kind.
        ids: The Id columns, of which those that the rows have are written.
        types: The data types of the result's columns, in their order.
        format: csv or parquet.

    Raises:
        OSError: The file cannot be written.
    """
    known = [(f"input_{name}" if name in types else name, _column(rows, name)) for name in ids if name in _names(rows)]
    scores = {name: _column(result, name) for name in types}
    if format == "parquet":
        from dataml.client import parquet

        parquet.write_table(target, known, build("arrow", scores, types))
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*(name for name, _ in known), *types])
            columns = [to_list(values) for values in (*(values for _, values in known), *scores.values())]
            writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def count(result: Any) -> tuple[int, int]:
    """Return the number of rows of predictions, and of those that have an error."""
    reasons = to_list(_column(result, "error"))
    return len(reasons), sum(reason is not None for reason in reasons)


def _names(rows: Any) -> Sequence[str]:
    return list(rows[0]) if isinstance(rows, list) else rows.column_names


def _column(rows: Any, name: str) -> Any:
    return [row[name] for row in rows] if isinstance(rows, list) else rows[name].combine_chunks()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
