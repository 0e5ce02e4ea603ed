"""Memory of a training: freed memory returns to the operating system, and large matrices lie in files."""

import ctypes
import mmap
import os
from tempfile import TemporaryFile
from typing import Final

import numpy as np
import pyarrow as pa

LARGE_BYTES: Final = 16 << 20
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h


def limit_allocator_caches() -> None:
    """Make the allocators of this process keep less freed memory. Call it before CatBoost is imported."""
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    os.environ.setdefault("MIMALLOC_ARENA_EAGER_COMMIT", "0")
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_ARENA_MAX, 2)


def release_memory() -> None:
    """Return freed memory to the operating system now.

    It takes some milliseconds. Of the allocators of NumPy and the boosters only glibc's has a call for it.
    """
    pa.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def allocate_matrix(rows: int, width: int) -> np.ndarray:
    """Return a float32 matrix (rows, width), not initialised.

    A large one lies in a temporary file, where the disk has room for it.
    """
    size = rows * width * np.dtype(np.float32).itemsize
    if size < LARGE_BYTES:
        return np.empty((rows, width), np.float32)
    with TemporaryFile() as file:
        try:
            # With the room reserved no write to a page can fail, which would end the process.
            os.posix_fallocate(file.fileno(), 0, size)
        except (OSError, AttributeError):
            return np.empty((rows, width), np.float32)
        return np.ndarray((rows, width), np.float32, buffer=mmap.mmap(file.fileno(), size))


def drop_pages(matrix: np.ndarray) -> None:
    """Let the pages of a matrix that lies in a file leave memory until they are read again."""
    base = matrix
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
