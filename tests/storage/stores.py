"""A folder as an object store that can fail, and files in it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataml.storage.storage import Storage

HOUR_S = 3600.0


@contextmanager
def away(store: Path) -> Iterator[None]:
    """Make the store unavailable: a file stands in the place of its folder."""
    gone = store.with_name("gone")
    store.rename(gone)
    store.write_text("in the way of a folder")
    try:
        yield
    finally:
        store.unlink()
        gone.rename(store)


def make_file(storage: Storage, name: str, content: str = "content", hours: float = 0) -> Path:
    """Write a file on this disk that was last used some hours ago."""
    path = storage.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    set_age(path, hours)
    return path


def publish_file(storage: Storage, name: str, hours: float) -> Path:
    """Write a file on this disk and in the store that was last used some hours ago."""
    path = make_file(storage, name)
    storage.publish(name)
    set_age(path, hours)
    return path


def publish_new_file(storage: Storage) -> None:
    """Publish a file, which evicts copies beyond the limit."""
    make_file(storage, "files/t/new/1", "")
    storage.publish("files/t/new/1")


def set_age(path: Path, hours: float) -> None:
    used_at = time.time() - hours * HOUR_S
    os.utime(path, (used_at, used_at))
