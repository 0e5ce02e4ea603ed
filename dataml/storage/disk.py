"""Files on this node's disk: written so that they survive a loss of power, removed without complaint."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 4 << 20


def write(source: BinaryIO, path: Path, check: Callable[[int], None]) -> int:
    """Copy `source` to a new file, on disk when this returns; its size. `check` is told the size as it grows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    with path.open("xb") as target:
        while chunk := source.read(CHUNK_BYTES):
            size_bytes += len(chunk)
            check(size_bytes)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    # A file is safe only when the folders that lead to it are.
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        sync(folder)
    return size_bytes


def sync(path: Path) -> None:
    """Return when a file, or the entries of a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files(path: Path) -> list[Path]:
    """A file itself, or all files below a folder; what only links to something is none."""
    if not path.is_dir():
        return [path]
    return sorted(found for found in path.rglob("*") if found.is_file() and not found.is_symlink())


def size_bytes(path: Path | str) -> int:
    """Of a file, or of all files below a folder. Raises FileNotFoundError, where something is removed meanwhile."""
    if not os.path.isdir(path):
        return os.stat(path).st_size
    with os.scandir(path) as entries:
        return sum(
            size_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
            for entry in entries
        )


def remove(path: Path) -> None:
    """A file, or a folder with all in it; no error when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
