"""What a training holds beside its library: little. Freed memory goes back to the operating system, and a large matrix
lies in a file, from which its pages come when they are read."""

import ctypes
import mmap
import os
from tempfile import TemporaryFile
from typing import Final

import numpy as np
import pyarrow as pa

LARGE_BYTES: Final = 16 << 20
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h


def keep_little() -> None:
    """Make the allocators of this process keep less of what was freed. To be called before CatBoost is imported."""
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    os.environ.setdefault("MIMALLOC_ARENA_EAGER_COMMIT", "0")
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give what was freed back now. Takes some milliseconds; of the allocators of NumPy and the boosters only glibc's
    can be asked."""
    pa.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def new_matrix(rows: int, width: int) -> np.ndarray:
    """float32 (rows, width), not initialised; a large one in a temporary file, where there is room for it."""
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


def set_aside(matrix: np.ndarray) -> None:
    """Let the pages of a matrix that lies in a file leave memory until they are read again."""
    base = matrix
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
