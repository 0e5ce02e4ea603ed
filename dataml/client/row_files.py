"""Rows in memory as the content of a file."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from dataml.client.frames import Frame
from dataml.client.tables import is_installed


def to_file(source: Any, types: Mapping[str, str] | None = None) -> tuple[bytes, str]:
    """Return rows as the content of a file, and its ending: Parquet, or CSV where pyarrow is not installed.

    Args:
        source: Rows of any kind. An index of pandas is not written.
        types: With it, only these columns, each in the data type that it is read as.

    Raises:
        WrongRows: The rows cannot be written.
    """
    frame = Frame(source)
    names = [name for name in frame.names if types is None or name in types]
    if is_installed("pyarrow"):
        from dataml.client import parquet

        return parquet.write(frame, names, types or {}), "parquet"
    return _to_csv(frame, names, types or {}), "csv"


def _to_csv(frame: Frame, names: Sequence[str], types: Mapping[str, str]) -> bytes:
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for row in frame.records({name: types.get(name, "") for name in names}):
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return text.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
