"""What an upload may be made of: paths, bytes, open files and tables in memory, as parts of a form."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from dataml.client.frames import is_frame
from dataml.client.multipart import FilePart
from dataml.client.row_files import to_file

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

OneSource: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | pd.DataFrame | pl.DataFrame | pa.Table"
Source: TypeAlias = "OneSource | list[dict[str, object]] | Sequence[str | os.PathLike[str]]"


@contextmanager
def open_sources(source: Source, name: str | None) -> Iterator[list[FilePart]]:
    """Return the parts of an upload; files that were opened here are closed afterwards.

    A table becomes a Parquet file, or a CSV file where pyarrow is not installed. `name` is the name of the dataset.

    Raises:
        OSError: A file cannot be read.
        WrongRows: A table cannot be written as a file.
    """
    with ExitStack() as stack:
        parts = [_open(each, name) for each in _list(source)]
        for part, each in zip(parts, _list(source), strict=True):
            if isinstance(each, str | os.PathLike):
                stack.callback(part.content.close)
        yield parts


def default_name(source: Source) -> str | None:
    """Return the name of a dataset made of a source: that of its first file, without the ending."""
    first = _list(source)[0]
    path = first if isinstance(first, str | os.PathLike) else getattr(first, "name", None)
    if not isinstance(path, str | os.PathLike):
        return None
    return os.path.splitext(os.path.basename(os.fspath(path)))[0] or None


def _list(source: Source) -> list[OneSource]:
    if isinstance(source, list | tuple) and not is_frame(source):
        return list(source)
    return [source]  # type: ignore[list-item]


def _open(source: OneSource, name: str | None) -> FilePart:
    if is_frame(source):
        content, ending = to_file(source)
        return FilePart.open(content, f"{_file_name(name or 'data')}.{ending}")
    return FilePart.open(source)  # type: ignore[arg-type]


def _file_name(name: str) -> str:
    return "".join(character if character.isalnum() or character in "-_. " else "_" for character in name)
