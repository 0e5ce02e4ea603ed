"""Where files lie: the only place that turns a storage name into a local path.

A storage name is what rows and answers carry: parts joined by `/`, relative to the storage root. What a user calls a
file never becomes part of one. A name is written once: what has it never changes.

Without an object store the folder on this disk is all there is. With one, the store is the truth and the folder is this
node's copy of a part of it: what is made here is published before anybody is told its name, and what is asked for is
fetched when it is not here.
"""

import asyncio
import logging
import stat
import time
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeVar

from dataml.errors import NotFound, TooLarge, Unavailable
from dataml.settings import Settings
from dataml.storage import disk
from dataml.storage.cache import evict_copies, mark_used
from dataml.storage.objects import ObjectStore, is_storage_full, storage_full

UPLOADS: Final = "files"
ATTEMPTS: Final = "jobs"
"""The two folders at the top: of uploads, and of what jobs have made."""

_RETRY_S: Final = 2.0
_THREADS: Final = 8
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Storage:
    """The files of one platform. Crosses to other processes; the store is opened where it is first needed.

    `cache_bytes` is how much of a store is kept here, `retry_timeout_s` how long a store that is away is asked again.
    """

    root: Path
    store: ObjectStore | None = None
    cache_bytes: int = 20 << 30
    retry_timeout_s: float = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> "Storage":
        """For calls, which say at once that a store is away."""
        store = ObjectStore(settings.storage_url) if settings.storage_url is not None else None
        return cls(settings.storage_root, store, settings.storage_cache_bytes)

    @classmethod
    def for_jobs(cls, settings: Settings) -> "Storage":
        """For jobs, which rather wait than lose an hour of work."""
        found = cls.from_settings(settings)
        return cls(found.root, found.store, found.cache_bytes, settings.storage_timeout_s)

    def new_upload_folder(self, tenant_id: str) -> str:
        """The name of a folder that nobody else has, and nobody can guess; it comes to be with its first file."""
        return f"{UPLOADS}/{tenant_id}/{uuid.uuid4().hex}"

    def path(self, name: str) -> Path:
        """The local path of a storage name, whether or not something is there.

        Raises:
            NotFound: `file_not_found`, for whatever would lead out of the root.
        """
        parts = PurePosixPath(name).parts
        if not parts or "\0" in name or "\\" in name or parts[0] == "/" or ".." in parts:
            raise NotFound("There is no file with this name.", code="file_not_found")
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise NotFound("There is no file with this name.", code="file_not_found")
        return path

    def fetch(self, name: str) -> Path:
        """The local path of a file or a folder, brought from the store when it is not here; it appears whole or not at
        all. Blocking. Without a store who opens it finds out whether it is there.

        Raises:
            FileMissing: the store has lost it.
            Unavailable: `storage_unavailable`, `storage_full`.
        """
        path = self.path(name)
        if self.store is None:
            return path
        with suppress(FileNotFoundError):
            mark_used(path)
            return path
        unfinished = _beside(path)
        try:
            self.download(name, unfinished)
            _move(unfinished, path)
        finally:
            disk.remove(unfinished)
        evict_copies(self.root, self.cache_bytes, self.store)
        return path

    def download(self, name: str, target: Path) -> None:
        """Copy what the store has under a name to `target`, whatever is here. Blocking. Raises as `fetch`."""
        assert self.store is not None
        store = self.store
        self.with_retry(lambda: store.download(name, target))

    def publish(self, name: str, without: Collection[str] = ()) -> Collection[str]:
        """See to it that other nodes find a file, or all files of a folder but those `without`, that were written here;
        the names that were published. Blocking; nothing to do without a store.

        Raises:
            Unavailable: `storage_unavailable`, `storage_full`.
        """
        path = self.path(name)
        if self.store is None or not path.exists():
            return ()
        # What stays here must not differ from what is there, even after a loss of power.
        for file in disk.files(path):
            disk.sync(file)
        store = self.store
        published = self.with_retry(lambda: store.upload(path, name, without))
        evict_copies(self.root, self.cache_bytes, store)
        return published

    async def write(self, name: str, source: BinaryIO, budget_bytes: int) -> int:
        """Copy `source` to a new file, chunk by chunk, safely on disk when this returns; its size in bytes.

        Raises:
            TooLarge: `upload_too_large`, as soon as there are more than `budget_bytes`.
            Unavailable: `storage_full`.
        """

        def check(size_bytes: int) -> None:
            if size_bytes > budget_bytes:
                raise upload_too_large()

        try:
            return await asyncio.to_thread(disk.write, source, self.path(name), check)
        except OSError as error:
            if is_storage_full(error):
                raise storage_full() from error
            raise

    async def delete(self, name: str) -> None:
        """Remove a file, or a folder and all in it; no error when it is not there. What a store that is away keeps is
        removed by a later sweep, for no row refers to it."""
        await run_in_storage_thread(self.remove, name)

    def remove(self, name: str) -> None:
        """As `delete`; blocking."""
        disk.remove(self.path(name))
        if self.store is not None:
            try:
                self.store.remove(name)
            except (Unavailable, NotFound):
                log.warning("%s is left in the store until the next sweep", name)

    def evict(self, name: str) -> None:
        """Remove the copy of this node, where the store has the file or nobody needs it."""
        if self.store is not None:
            disk.remove(self.path(name))

    def list_folders(self) -> dict[str, float]:
        """The folders of uploads and of attempts, here and in the store, and when each was last written to. Blocking.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        found: dict[str, float] = {}
        for path in (*self.root.glob(f"{UPLOADS}/*/*"), *self.root.glob(f"{ATTEMPTS}/*")):
            with suppress(FileNotFoundError):  # deleted meanwhile
                about = path.lstat()  # a link is none of ours, wherever it leads
                if stat.S_ISDIR(about.st_mode):
                    found[path.relative_to(self.root).as_posix()] = about.st_mtime
        for top, depth in ((UPLOADS, 3), (ATTEMPTS, 2)):
            for name, written in self.store.list_objects(top) if self.store is not None else ():
                parts = name.split("/")
                # Some stores list what they keep as folders among the objects.
                if len(parts) > depth:
                    folder = "/".join(parts[:depth])
                    found[folder] = max(written, found.get(folder, written))
        return found

    def prepare(self) -> None:
        """Make the folder, and try the store.

        Raises:
            StartupError: the store cannot be written to, or read.
            OSError: the folder cannot be made.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if self.store is not None:
            self.store.probe()

    def with_retry(self, work: Callable[[], T]) -> T:
        """What `work` answers; while it raises Unavailable it is tried again, for `retry_timeout_s`."""
        until = time.monotonic() + self.retry_timeout_s
        while True:
            try:
                return work()
            except Unavailable:
                if time.monotonic() + _RETRY_S > until:
                    raise
            time.sleep(_RETRY_S)


async def run_in_storage_thread(work: Callable[..., T], *args: object) -> T:
    """Work that waits for a store, in threads of its own: one that is slow keeps nothing else waiting."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), work, *args)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="store")


def upload_too_large() -> TooLarge:
    return TooLarge("The upload is larger than this installation takes; send less at once.", code="upload_too_large")


def _beside(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}")


def _move(unfinished: Path, path: Path) -> None:
    """The first one wins, where two have brought the same folder."""
    try:
        unfinished.replace(path)
    except OSError:
        if not path.is_dir():
            raise
