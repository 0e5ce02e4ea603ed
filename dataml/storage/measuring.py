"""Metrics of operations on files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from dataml.errors import Unavailable
from dataml.metrics.definitions import STORAGE_DURATION, STORAGE_ERRORS
from dataml.storage.objects import FileMissing

# Of a file that is too large, say, storage is not to blame.
_FAILURES: Final = (OSError, Unavailable, FileMissing)


@contextmanager
def measure_operation(operation: Literal["write", "flush", "upload", "download", "remove"]) -> Iterator[None]:
    """Record how long an operation takes, with its retries, and whether storage fails."""
    with STORAGE_DURATION.time(operation):
        try:
            yield
        except _FAILURES:
            STORAGE_ERRORS.add(operation)
            raise
