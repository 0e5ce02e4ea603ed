"""A folder as an object store, and how it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def away(store: Path) -> Iterator[None]:
    """The store does not answer: what should be its folder is a file."""
    gone = store.with_name("gone")
    store.rename(gone)
    store.write_text("in the way of a folder")
    try:
        yield
    finally:
        store.unlink()
        gone.rename(store)
