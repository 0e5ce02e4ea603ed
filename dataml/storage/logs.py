"""Logs of attempts at jobs, as files in storage: the only ones whose content changes.

So no copy of one is kept on another node: with an object store, a reader asks the store each time.
"""

import os
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from dataml.storage import disk
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage

LOGS: Final = "logs"
"""The folder at the top."""


def write_log(storage: Storage, name: str, content: bytes) -> None:
    """Replace the content of a log on this disk, at once. Blocking.

    Raises:
        OSError: it cannot be written.
    """
    path = storage.path(f"{LOGS}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def upload_log(storage: Storage, name: str) -> None:
    """Replace the content of a log in the object store, if there is one, by that on this disk. Blocking.

    Raises:
        Unavailable: `storage_unavailable`, `storage_full`.
    """
    if storage.store is not None:
        storage.store.upload(storage.path(f"{LOGS}/{name}"), f"{LOGS}/{name}")


def read_log(storage: Storage, name: str) -> bytes:
    """Return the content of a log as it is now. Blocking.

    Raises:
        FileMissing: there is none.
        Unavailable: `storage_unavailable`.
    """
    if storage.store is None:
        try:
            return storage.path(f"{LOGS}/{name}").read_bytes()
        except FileNotFoundError as error:
            raise FileMissing from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "log"
        storage.download(f"{LOGS}/{name}", copy)
        return copy.read_bytes()


def remove_old_logs(storage: Storage, before: float) -> int:
    """Remove the logs that were last written before a time, in seconds since 1970, and return their number. Blocking.

    Raises:
        Unavailable: `storage_unavailable`.
    """
    old: set[str] = set()
    for path in storage.root.glob(f"{LOGS}/*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                old.add(path.name)
                disk.remove(path)
    if storage.store is not None:
        for name, written_at in list(storage.store.list_objects(LOGS)):
            if written_at < before:
                old.add(name.rsplit("/", 1)[-1])
                storage.store.remove(name)
    return len(old)
