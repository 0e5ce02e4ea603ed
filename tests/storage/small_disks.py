"""A real disk of a few megabytes, where the tests may mount one, and files that fill it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dataml.storage.space import free_bytes


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a file system of this size on a folder, or skip the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounting.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounting.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: an engine may still have the database open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path, left_bytes: int = 0) -> Iterator[Path]:
    """Fill the disk of a folder with a file, up to `left_bytes`, for the time of the block."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while (size := free_bytes(folder) - left_bytes) > 0:
            os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            file.seek(0, os.SEEK_END)
    try:
        yield ballast
    finally:
        ballast.unlink(missing_ok=True)
