"""Freed memory goes back to the operating system: allocators keep it, and the next library brings an allocator of its
own."""

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Takes some milliseconds; of the allocators of NumPy and the boosters only glibc's can be asked."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
