"""Damage of files that the platform has written itself: how it is found, and the error that names it."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import FileDamaged
from dataml.storage.objects import FileMissing
from dataml.storage.space import is_storage_full

_DAMAGED: Final = (OSError, pa.ArrowException, json.JSONDecodeError, UnicodeDecodeError)
log = logging.getLogger(__name__)


def file_damaged() -> FileDamaged:
    """Return the error for a file in storage that is not what was written."""
    detail = "A file in storage is damaged; validate or compute it again, or restore it from a backup."
    return FileDamaged(detail, code="file_damaged")


@contextmanager
def translate_read_errors() -> Iterator[None]:
    """Translate what reading a file of the platform raises when the file is lost or damaged.

    Raises:
        FileMissing: it is not there.
        FileDamaged: `file_damaged`: it is not what was written.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing from error
    except _DAMAGED as error:
        if is_storage_full(error):
            raise
        log.error("a file in storage cannot be read", exc_info=error)
        raise file_damaged() from error


def has_damaged_parquet(paths: Iterable[Path]) -> bool:
    """Return whether a Parquet file among these is lost or cannot be read to its end. Blocking."""
    return any(path.suffix == ".parquet" and not _is_readable(path) for path in paths)


def _is_readable(path: Path) -> bool:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches():
                batch.validate(full=True)
    except _DAMAGED:
        return False
    return True
