"""Eviction of a node's copies of objects in a store: the least recently used ones go first."""

import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataml.errors import Unavailable
from dataml.storage import disk
from dataml.storage.objects import ObjectStore

# Longer than a reader takes from the name of a file to its last byte; an open file stays readable anyway.
_MIN_IDLE_S: Final = 3600.0
# A file that the store does not have is still being made here; after a day its writer must have died.
_ABANDONED_S: Final = 24 * 3600.0


@dataclass(frozen=True)
class _Copy:
    """A file, or a folder that is downloaded and used as a whole: a bundle, an explanation."""

    path: Path
    size_bytes: int
    used_at: float


def mark_used(path: Path) -> None:
    """Set the time of last use to now.

    Raises:
        FileNotFoundError: nothing has this path.
    """
    status = path.stat()
    # A file keeps its modification time, by which HTTP clients know that it is the same.
    os.utime(path, None if stat.S_ISDIR(status.st_mode) else (time.time(), status.st_mtime))


def evict_copies(root: Path, limit_bytes: int, store: ObjectStore) -> None:
    """Remove copies until no more than `limit_bytes` are left.

    Copies that were used within the last hour stay, and so do those that the store does not have. Several processes may
    do so at once.
    """
    copies = list(_list_copies(root))
    excess = sum(copy.size_bytes for copy in copies) - limit_bytes
    now = time.time()
    for copy in sorted(copies, key=lambda copy: copy.used_at):
        if excess <= 0 or copy.used_at > now - _MIN_IDLE_S:
            return
        try:
            if copy.used_at > now - _ABANDONED_S and not store.exists(copy.path.relative_to(root).as_posix()):
                continue
        except Unavailable:
            return
        _remove(copy.path)
        excess -= copy.size_bytes


def _list_copies(root: Path) -> Iterator[_Copy]:
    for path in (*root.glob("files/*/*/*"), *root.glob("jobs/*/*")):
        with suppress(FileNotFoundError):  # removed meanwhile
            status = path.stat()
            # To list a folder changes its access time, so `mark_used` sets the modification time of a folder.
            used_at = status.st_mtime if stat.S_ISDIR(status.st_mode) else status.st_atime
            yield _Copy(path, disk.size_bytes(path), used_at)


def _remove(path: Path) -> None:
    """Rename the path away before its content is removed, so that no reader finds half a folder."""
    renamed = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        path.replace(renamed)
    disk.remove(renamed)
