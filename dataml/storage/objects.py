"""The object store that a platform's files live in, and the one place where its failures get names of ours."""

import errno
import logging
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pyarrow import fs

from dataml.errors import NotFound, StartupError, Unavailable
from dataml.storage import disk

log = logging.getLogger(__name__)
_TRIES: Final = 3
_CHUNK_BYTES: Final = 8 << 20
_AT_ONCE: Final = 4
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
# A store tells of it in words: S3-compatible servers have names of their own for it.
_NO_ROOM_WORDS: Final = ("no space left", "storagefull", "insufficientstorage", "quotaexceeded", "http status 507")
# What a key of theirs needs no folder for.
_FLAT: Final = ("s3", "gcs", "abfs")


class FileMissing(NotFound):
    """A row names the file, and storage has lost it."""

    default_code = "file_missing"

    def __init__(self) -> None:
        super().__init__("The file is not in storage any more.")


@dataclass(frozen=True)
class ObjectStore:
    """Objects under the prefix of a URL that `pyarrow.fs` reads. The URL may hold a key, so it is never shown."""

    url: str = field(repr=False)

    def exists(self, name: str) -> bool:
        """Whether there is such an object, or there are some below that name. Raises Unavailable."""
        with translate_store_errors():
            store, prefix = _opened(self.url)
            return store.get_file_info(f"{prefix}/{name}").type != fs.FileType.NotFound

    def resolve(self, name: str) -> tuple[fs.FileSystem, str]:
        """The store and the path of a name in it, for a library that writes there itself. Raises Unavailable."""
        with translate_store_errors():
            store, prefix = _opened(self.url)
            return store, f"{prefix}/{name}"

    def upload(self, path: Path, name: str, without: Collection[str] = ()) -> Collection[str]:
        """A file, or all files of a folder but those `without`, large ones in parts; the names that were sent.

        Raises:
            Unavailable: `storage_unavailable`, `storage_full`; some of them may be there then.
        """
        if not path.is_dir():
            self._send(path, name)
            return (name,)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            names = {f"{name}/{file.relative_to(path).as_posix()}": file for file in disk.files(path)}
            wanted = {name: file for name, file in names.items() if name not in without}
            list(pool.map(self._send, wanted.values(), wanted.keys()))
        return wanted.keys()

    def download(self, name: str, path: Path) -> None:
        """Copy an object, or all objects below a name, to a new file or folder, on disk when this returns.

        Raises:
            FileMissing.
            Unavailable: `storage_unavailable`, `storage_full`; a part of it may be there then.
        """
        with translate_store_errors():
            store, prefix = _opened(self.url)
            found = store.get_file_info(f"{prefix}/{name}")
            if found.type != fs.FileType.Directory:
                _bring(store, found.path, path)
                return
            inside = store.get_file_info(fs.FileSelector(found.path, recursive=True))
            names = [info.path for info in inside if info.type == fs.FileType.File]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                targets = [path / name.removeprefix(f"{found.path}/") for name in names]
                list(pool.map(_bring, repeat(store), names, targets))

    def remove(self, name: str) -> None:
        """An object, or all below a name; no error when there is none. Raises Unavailable."""
        with translate_store_errors():
            store, prefix = _opened(self.url)
            kind = store.get_file_info(f"{prefix}/{name}").type
            if kind == fs.FileType.File:
                store.delete_file(f"{prefix}/{name}")
            elif kind == fs.FileType.Directory:
                store.delete_dir(f"{prefix}/{name}")

    def list_objects(self, name: str) -> Iterator[tuple[str, float]]:
        """The names of all objects below a name, and when each was written. Raises Unavailable."""
        with translate_store_errors():
            store, prefix = _opened(self.url)
            below = fs.FileSelector(f"{prefix}/{name}", allow_not_found=True, recursive=True)
            found = store.get_file_info(below)
        for info in found:
            if info.type == fs.FileType.File:
                yield info.path.removeprefix(f"{prefix}/"), (info.mtime_ns or 0) / 1e9

    def probe(self) -> None:
        """Write, read and remove a small object.

        Raises:
            StartupError: that cannot be done, and why.
        """
        name, content = f".probe-{uuid.uuid4().hex}", b"dataml"
        try:
            store, prefix = _opened(self.url)
            _make_folder(store, prefix)
            with store.open_output_stream(f"{prefix}/{name}") as target:
                target.write(content)
            with store.open_input_stream(f"{prefix}/{name}") as source:
                whole = source.read() == content
            store.delete_file(f"{prefix}/{name}")
        except pa.ArrowInvalid as error:
            raise StartupError("DATAML_STORAGE_URL is no URL of a store, s3://bucket/prefix?region=…") from error
        except OSError as error:
            raise StartupError(f"DATAML_STORAGE_URL: {_reason(error)}") from error
        if not whole:
            raise StartupError("DATAML_STORAGE_URL: what was written there is not what is read")

    def _send(self, path: Path, name: str) -> None:
        with translate_store_errors():
            store, prefix = _opened(self.url)
            _make_folder(store, f"{prefix}/{name}".rpartition("/")[0])
            # An upload may fail at its very end, when it is closed; `pyarrow.fs.copy_files` does not tell.
            with path.open("rb") as source, store.open_output_stream(f"{prefix}/{name}") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


@contextmanager
def translate_store_errors() -> Iterator[None]:
    """What a store, or the disk beside it, complains of, as an error of ours; the cause stays in the log.

    Raises:
        FileMissing.
        Unavailable: `storage_full`, `storage_unavailable`.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing from error
    except (OSError, pa.ArrowException) as error:
        if is_storage_full(error):
            raise storage_full() from error
        log.warning("the storage of files does not answer", exc_info=error)
        detail = "The storage of files does not answer; try again, or ask an administrator."
        raise Unavailable(detail, code="storage_unavailable") from error


def is_storage_full(error: Exception) -> bool:
    words = str(error).lower()
    return (isinstance(error, OSError) and error.errno in _NO_ROOM) or any(word in words for word in _NO_ROOM_WORDS)


def storage_full() -> Unavailable:
    return Unavailable("There is no room left for files; ask an administrator.", code="storage_full")


@cache
def _opened(url: str) -> tuple[fs.FileSystem, str]:
    """The store and the prefix in it; one client a process, which keeps its connections."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and "allow_delayed_open" not in parse_qs(parts.query):
        # One request for a small object instead of three.
        url += ("&" if parts.query else "?") + "allow_delayed_open=true"
    store, prefix = fs.FileSystem.from_uri(url)
    if isinstance(store, fs.S3FileSystem):
        store = _with_short_retries(store, has_key=parts.username is not None)
    return store, prefix.rstrip("/")


def _with_short_retries(store: fs.S3FileSystem, *, has_key: bool) -> fs.S3FileSystem:
    """The same that tries three times, as Arrow's clients that no URL describes: eleven take minutes where a store
    takes requests and never answers."""
    options = dict(store.__reduce__()[1][0])
    if not has_key:
        # Found by Amazon's rules, where they may end and be renewed.
        for name in ("access_key", "secret_key", "session_token"):
            del options[name]
    return fs.S3FileSystem(**options, retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES))


def _bring(store: fs.FileSystem, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.open_input_file(name) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)
        if target.tell() != source.size():
            raise OSError("a part of the object did not come")
        target.flush()
        os.fsync(target.fileno())


def _make_folder(store: fs.FileSystem, folder: str) -> None:
    if store.type_name not in _FLAT:
        store.create_dir(folder, recursive=True)


def _reason(error: OSError) -> str:
    """What went wrong, of Amazon's long sentences the last part."""
    return str(error).splitlines()[0].rpartition("AWS Error ")[2] if str(error) else type(error).__name__
