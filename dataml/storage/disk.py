"""Files on this node's disk: written so that they survive a loss of power, and removed without errors."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 4 << 20


def write(source: BinaryIO, path: Path, root: Path, check: Callable[[int], None]) -> int:
    """Copy `source` to a new file below `root`, which is on disk when this returns, and return its size in bytes.

    `check` is called with the size as it grows, and may raise to stop the copy.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    with path.open("xb") as target:
        while chunk := source.read(CHUNK_BYTES):
            size_bytes += len(chunk)
            check(size_bytes)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    _sync_folders_above(path, root)
    return size_bytes


def sync_all(path: Path, root: Path) -> None:
    """Flush a file, or a folder and everything in it, and the folders that lead to it from `root`, to the disk.

    Files and folders that are removed meanwhile are left out.
    """
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                _sync_if_present(Path(folder, name))
            _sync_if_present(Path(folder))
    else:
        _sync_if_present(path)
    _sync_folders_above(path, root)


def _sync_folders_above(path: Path, root: Path) -> None:
    """Flush the folders that lead to a file: it survives a loss of power only when they do."""
    for folder in path.parents:
        sync(folder)
        if folder == root:
            break


def _sync_if_present(path: Path) -> None:
    # A link would lead out of the folder, and to a pipe nobody writes.
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    with suppress(FileNotFoundError):
        sync(path)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_files(path: Path) -> list[Path]:
    """Return a file itself, or all files below a folder, symbolic links left out."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def size_bytes(path: Path | str) -> int:
    """Return the size of a file, or of all files below a folder.

    Raises:
        FileNotFoundError: a file is not there, or was removed meanwhile.
    """
    if not os.path.isdir(path):
        return os.stat(path).st_size
    with os.scandir(path) as entries:
        return sum(
            size_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
            for entry in entries
        )


def remove(path: Path) -> None:
    """Remove a file, or a folder and everything in it; do nothing when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
