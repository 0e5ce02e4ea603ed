"""Keeps a node's copy of an object store within bounds: what nobody has used for longest goes first."""

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
_IN_USE_S: Final = 3600.0
# What the store does not have is being made here; after a day it is what somebody who died has left.
_ABANDONED_S: Final = 24 * 3600.0


@dataclass(frozen=True)
class _Copy:
    """A file, or a folder that is brought and used as a whole: a bundle, an explanation."""

    path: Path
    size_bytes: int
    used: float


def mark_used(path: Path) -> None:
    """Raises:
    FileNotFoundError.
    """
    about = path.stat()
    # A file keeps the time of its making, by which HTTP tells that it is the same.
    os.utime(path, None if stat.S_ISDIR(about.st_mode) else (time.time(), about.st_mtime))


def evict_copies(root: Path, limit_bytes: int, store: ObjectStore) -> None:
    """Remove copies until no more than `limit_bytes` are left, but none that was used within the last hour, or that is
    the only one. Several processes may do so at once."""
    copies = list(_copies(root))
    excess = sum(copy.size_bytes for copy in copies) - limit_bytes
    now = time.time()
    for copy in sorted(copies, key=lambda copy: copy.used):
        if excess <= 0 or copy.used > now - _IN_USE_S:
            return
        try:
            if copy.used > now - _ABANDONED_S and not store.exists(copy.path.relative_to(root).as_posix()):
                continue
        except Unavailable:
            return
        _remove(copy.path)
        excess -= copy.size_bytes


def _copies(root: Path) -> Iterator[_Copy]:
    for path in (*root.glob("files/*/*/*"), *root.glob("jobs/*/*")):
        with suppress(FileNotFoundError):  # removed meanwhile
            about = path.stat()
            # Whoever lists a folder changes the time of its last reading, so of a folder it is that of writing.
            used = about.st_mtime if stat.S_ISDIR(about.st_mode) else about.st_atime
            yield _Copy(path, disk.size_bytes(path), used)


def _remove(path: Path) -> None:
    """At once for whoever looks for it: nobody finds half a folder."""
    gone = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        path.replace(gone)
    disk.remove(gone)
