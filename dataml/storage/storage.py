"""Files of the platform by storage name, on this disk or in an object store behind it.

A storage name is what rows and responses hold: parts joined by `/`, relative to the storage root. Only this module
turns one into a local path. The name that a user gives a file is never part of it. A name is written once: its content
never changes.

Without an object store the folder on this disk holds all files. With one, the store is the source of truth and the
folder is this node's cache: a new file is published before its name is, and a file that is not here is downloaded.
"""

import asyncio
import logging
import stat
import time
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeVar

from dataml.errors import NotFound, TooLarge, Unavailable
from dataml.settings import Settings
from dataml.storage import disk
from dataml.storage.cache import evict_copies, mark_used
from dataml.storage.measuring import measure_operation
from dataml.storage.objects import FileMissing, ObjectStore
from dataml.storage.space import is_storage_full, storage_full

UPLOADS: Final = "files"
ATTEMPTS: Final = "jobs"
"""The two folders at the top: of uploads, and of outputs of jobs."""

_RETRY_INTERVAL_S: Final = 2.0
_MAX_CONCURRENCY: Final = 8
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Storage:
    """The files of one platform; it can be sent to other processes, and opens the store when it is first needed.

    Attributes:
        root: the folder on this disk.
        store: the object store; None when there is only the disk.
        cache_bytes: limit of the copies of objects on this disk.
        retry_timeout_s: how long operations on a store that does not answer are retried.
    """

    root: Path
    store: ObjectStore | None = None
    cache_bytes: int = 20 << 30
    retry_timeout_s: float = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> "Storage":
        """Return the storage for HTTP requests, which fail at once when a store does not answer."""
        store = ObjectStore(settings.storage_url) if settings.storage_url is not None else None
        return cls(settings.storage_root, store, settings.storage_cache_bytes)

    @classmethod
    def for_jobs(cls, settings: Settings) -> "Storage":
        """Return the storage for jobs, which retry rather than lose an hour of work."""
        return replace(cls.from_settings(settings), retry_timeout_s=settings.storage_timeout_s)

    def new_upload_folder(self, tenant_id: str) -> str:
        """Return a unique folder name that nobody can guess; the folder is created with its first file."""
        return f"{UPLOADS}/{tenant_id}/{uuid.uuid4().hex}"

    def path(self, name: str) -> Path:
        """Return the local path of a storage name, whether or not a file is there.

        Raises:
            NotFound: `file_not_found`: the name would lead out of the root.
        """
        parts = PurePosixPath(name).parts
        if not parts or "\0" in name or "\\" in name or parts[0] == "/" or ".." in parts:
            raise NotFound("There is no file with this name.", code="file_not_found")
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise NotFound("There is no file with this name.", code="file_not_found")
        return path

    def fetch(self, name: str) -> Path:
        """Return the local path of a file or a folder, downloaded from the store when it is not here. Blocking.

        It appears completely or not at all.

        Raises:
            FileMissing: storage has no such file.
            Unavailable: `storage_unavailable`, `storage_full`.
        """
        path = self.path(name)
        if self.store is None:
            if not path.exists():
                raise FileMissing
            return path
        with suppress(FileNotFoundError):
            mark_used(path)
            return path
        unfinished = _temporary_path(path)
        try:
            self.download(name, unfinished)
            _move(unfinished, path)
        finally:
            disk.remove(unfinished)
        evict_copies(self.root, self.cache_bytes, self.store)
        return path

    def download(self, name: str, target: Path) -> None:
        """Copy a file or a folder from the store to `target`, whatever this disk has. Blocking.

        Raises:
            FileMissing: as `fetch`.
            Unavailable: as `fetch`.
        """
        assert self.store is not None
        store = self.store
        with measure_operation("download"):
            self.with_retry(lambda: store.download(name, target))

    def publish(self, name: str, without: Collection[str] = ()) -> Collection[str]:
        """Flush a file or a folder to this disk, upload all its files but those `without`, and return their names.

        Blocking. Nothing is uploaded without a store.

        Raises:
            Unavailable: `storage_unavailable`, `storage_full`.
        """
        path = self.path(name)
        if not path.exists():
            return ()
        # A row that names a file outlives a loss of power, and a copy here must equal what the store has.
        with measure_operation("flush"):
            disk.sync_all(path, self.root)
        if self.store is None:
            return ()
        store = self.store
        with measure_operation("upload"):
            published = self.with_retry(lambda: store.upload(path, name, without))
        evict_copies(self.root, self.cache_bytes, store)
        return published

    async def write(self, name: str, source: BinaryIO, budget_bytes: int) -> int:
        """Copy `source` to a new file, which is on disk when this returns, and return its size in bytes.

        Raises:
            TooLarge: `upload_too_large`: `source` has more than `budget_bytes`.
            StorageFull: `storage_full`.
        """

        def check(size_bytes: int) -> None:
            if size_bytes > budget_bytes:
                raise upload_too_large()

        try:
            with measure_operation("write"):
                return await asyncio.to_thread(disk.write, source, self.path(name), self.root, check)
        except OSError as error:
            if is_storage_full(error):
                raise storage_full(folder=self.root) from error
            raise

    async def delete(self, name: str) -> None:
        """Remove a file, or a folder and everything in it; do nothing when it is not there.

        Objects that remain because the store does not answer are removed by a later garbage collection, since no row
        refers to them.
        """
        await run_in_storage_thread(self.remove, name)

    def remove(self, name: str) -> None:
        """Remove as `delete` does, blocking."""
        disk.remove(self.path(name))
        if self.store is not None:
            try:
                with measure_operation("remove"):
                    self.store.remove(name)
            except (Unavailable, NotFound):
                log.warning("%s is left in the store until the next garbage collection", name)

    def evict(self, name: str) -> None:
        """Remove this node's copy of a file that the store has, or that nobody needs; do nothing without a store."""
        if self.store is not None:
            disk.remove(self.path(name))

    def list_folders(self) -> dict[str, float]:
        """Return the folders of uploads and of job attempts, here and in the store, with the time of the last write.

        Times are in seconds since 1970. Blocking.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        folders: dict[str, float] = {}
        for path in (*self.root.glob(f"{UPLOADS}/*/*"), *self.root.glob(f"{ATTEMPTS}/*")):
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = path.lstat()  # the platform makes no links, so one is left alone
                if stat.S_ISDIR(status.st_mode):
                    folders[path.relative_to(self.root).as_posix()] = status.st_mtime
        for top, depth in ((UPLOADS, 3), (ATTEMPTS, 2)):
            for name, written_at in self.store.list_objects(top) if self.store is not None else ():
                parts = name.split("/")
                # Some stores list folders among the objects.
                if len(parts) > depth:
                    folder = "/".join(parts[:depth])
                    folders[folder] = max(written_at, folders.get(folder, written_at))
        return folders

    def prepare(self) -> None:
        """Create the folder, and test the store.

        Raises:
            StartupError: the store cannot be written to, or read.
            OSError: the folder cannot be created.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if self.store is not None:
            self.store.probe()

    def with_retry(self, operation: Callable[[], T]) -> T:
        """Return the result of an operation, which is retried while it raises Unavailable, for `retry_timeout_s`."""
        deadline = time.monotonic() + self.retry_timeout_s
        while True:
            try:
                return operation()
            except Unavailable:
                if time.monotonic() + _RETRY_INTERVAL_S > deadline:
                    raise
            time.sleep(_RETRY_INTERVAL_S)


async def run_in_storage_thread(function: Callable[..., T], *args: object) -> T:
    """Return the result of a function that waits for a store, run in threads of its own.

    A store that is slow must not keep other work waiting for a thread.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread_pool(), function, *args)


@cache
def _thread_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MAX_CONCURRENCY, thread_name_prefix="store")


def upload_too_large() -> TooLarge:
    """Return the error for an upload beyond the limits of the installation."""
    return TooLarge("The upload is larger than this installation takes; send less at once.", code="upload_too_large")


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}")


def _move(unfinished: Path, path: Path) -> None:
    """Rename a download to its path; when two have downloaded the same folder, the first one wins."""
    try:
        unfinished.replace(path)
    except OSError:
        if not path.is_dir():
            raise
