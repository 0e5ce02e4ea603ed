"""The object store that holds a platform's files, and the translation of its failures to errors of the platform."""

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
from dataml.storage.space import is_storage_full, storage_full

log = logging.getLogger(__name__)
_MAX_ATTEMPTS: Final = 3
_CHUNK_BYTES: Final = 8 << 20
_MAX_CONCURRENCY: Final = 4
# Stores whose keys need no folder.
_FLAT_STORES: Final = ("s3", "gcs", "abfs")


class FileMissing(NotFound):
    """Storage has lost a file that a row names."""

    default_code = "file_missing"

    def __init__(self) -> None:
        super().__init__("The file is not in storage any more.")


@dataclass(frozen=True)
class ObjectStore:
    """The objects under the prefix of a URL that `pyarrow.fs` reads; the URL may hold a key, so it is never shown."""

    url: str = field(repr=False)

    def exists(self, name: str) -> bool:
        """Return whether there is an object with this name, or one below it.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        with translate_store_errors():
            store, prefix = _open_store(self.url)
            return store.get_file_info(f"{prefix}/{name}").type != fs.FileType.NotFound

    def resolve(self, name: str) -> tuple[fs.FileSystem, str]:
        """Return the file system and the path of a name in it, for a library that writes there itself.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        with translate_store_errors():
            store, prefix = _open_store(self.url)
            return store, f"{prefix}/{name}"

    def upload(self, path: Path, name: str, without: Collection[str] = ()) -> Collection[str]:
        """Upload a file, or all files of a folder but those `without`, large ones in parts, and return their names.

        Raises:
            Unavailable: `storage_unavailable`, `storage_full`; some of them may be there then.
        """
        if not path.is_dir():
            self._upload_file(path, name)
            return (name,)
        with ThreadPoolExecutor(_MAX_CONCURRENCY) as pool:
            names = {f"{name}/{file.relative_to(path).as_posix()}": file for file in disk.list_files(path)}
            selected = {name: file for name, file in names.items() if name not in without}
            list(pool.map(self._upload_file, selected.values(), selected.keys()))
        return selected.keys()

    def download(self, name: str, path: Path) -> None:
        """Copy an object, or all objects below a name, to a new file or folder, on disk when this returns.

        Raises:
            FileMissing: there is no such object.
            Unavailable: `storage_unavailable`, `storage_full`; a part of it may be there then.
        """
        with translate_store_errors("the copies of files on this machine"):
            store, prefix = _open_store(self.url)
            info = store.get_file_info(f"{prefix}/{name}")
            if info.type != fs.FileType.Directory:
                _download_file(store, info.path, path)
                return
            inside = store.get_file_info(fs.FileSelector(info.path, recursive=True))
            names = [each.path for each in inside if each.type == fs.FileType.File]
            with ThreadPoolExecutor(_MAX_CONCURRENCY) as pool:
                targets = [path / name.removeprefix(f"{info.path}/") for name in names]
                list(pool.map(_download_file, repeat(store), names, targets))

    def remove(self, name: str) -> None:
        """Remove an object, or all below a name; do nothing when there is none.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        with translate_store_errors():
            store, prefix = _open_store(self.url)
            kind = store.get_file_info(f"{prefix}/{name}").type
            if kind == fs.FileType.File:
                store.delete_file(f"{prefix}/{name}")
            elif kind == fs.FileType.Directory:
                store.delete_dir(f"{prefix}/{name}")

    def list_objects(self, name: str) -> Iterator[tuple[str, float]]:
        """Yield the names of all objects below a name, and when each was written, in seconds since 1970.

        Raises:
            Unavailable: `storage_unavailable`.
        """
        with translate_store_errors():
            store, prefix = _open_store(self.url)
            below = fs.FileSelector(f"{prefix}/{name}", allow_not_found=True, recursive=True)
            infos = store.get_file_info(below)
        for info in infos:
            if info.type == fs.FileType.File:
                yield info.path.removeprefix(f"{prefix}/"), (info.mtime_ns or 0) / 1e9

    def probe(self) -> None:
        """Write, read and remove a small object.

        Raises:
            StartupError: that fails; the text says why.
        """
        name, content = f".probe-{uuid.uuid4().hex}", b"dataml"
        try:
            store, prefix = _open_store(self.url)
            _make_folder(store, prefix)
            with store.open_output_stream(f"{prefix}/{name}") as target:
                target.write(content)
            with store.open_input_stream(f"{prefix}/{name}") as source:
                is_equal = source.read() == content
            store.delete_file(f"{prefix}/{name}")
        except pa.ArrowInvalid as error:
            raise StartupError(
                "DATAML_STORAGE_URL is not the URL of a store, such as s3://bucket/prefix?region=…"
            ) from error
        except OSError as error:
            raise StartupError(f"DATAML_STORAGE_URL: {_reason(error)}") from error
        if not is_equal:
            raise StartupError("DATAML_STORAGE_URL: the store returns other content than was written")

    def _upload_file(self, path: Path, name: str) -> None:
        with translate_store_errors():
            store, prefix = _open_store(self.url)
            _make_folder(store, f"{prefix}/{name}".rpartition("/")[0])
            # An upload may fail at its very end, when it is closed; `pyarrow.fs.copy_files` hides that.
            with path.open("rb") as source, store.open_output_stream(f"{prefix}/{name}") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


@contextmanager
def translate_store_errors(target: str = "files in the object store") -> Iterator[None]:
    """Translate errors of a store, or of the local disk, to errors of the platform, and log their cause.

    `target` says in words what is written to.

    Raises:
        FileMissing: there is no such object.
        StorageFull: `storage_full`.
        Unavailable: `storage_unavailable`.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing from error
    except (OSError, pa.ArrowException) as error:
        if is_storage_full(error):
            raise storage_full(target) from error
        log.warning("the file storage does not answer", exc_info=error)
        detail = "The file storage does not answer; try again, or ask an administrator."
        raise Unavailable(detail, code="storage_unavailable") from error


@cache
def _open_store(url: str) -> tuple[fs.FileSystem, str]:
    """Return the file system and the prefix in it; one client a process, which keeps its connections."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and "allow_delayed_open" not in parse_qs(parts.query):
        # One request for a small object instead of three.
        url += ("&" if parts.query else "?") + "allow_delayed_open=true"
    store, prefix = fs.FileSystem.from_uri(url)
    if isinstance(store, fs.S3FileSystem):
        store = _with_short_retries(store, has_key=parts.username is not None)
    return store, prefix.rstrip("/")


def _with_short_retries(store: fs.S3FileSystem, *, has_key: bool) -> fs.S3FileSystem:
    """Return the same client with three attempts a request, the default of Arrow's clients not made from a URL.

    The eleven attempts of one made from a URL take minutes when a store takes requests and never answers.
    """
    options = dict(store.__reduce__()[1][0])
    if not has_key:
        # The client finds credentials by Amazon's rules, and renews those that expire.
        for name in ("access_key", "secret_key", "session_token"):
            del options[name]
    return fs.S3FileSystem(**options, retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_MAX_ATTEMPTS))


def _download_file(store: fs.FileSystem, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.open_input_file(name) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)
        if target.tell() != source.size():
            raise OSError("a part of the object is missing")
        target.flush()
        os.fsync(target.fileno())


def _make_folder(store: fs.FileSystem, folder: str) -> None:
    if store.type_name not in _FLAT_STORES:
        store.create_dir(folder, recursive=True)


def _reason(error: OSError) -> str:
    """Return the reason of a failure; of Amazon's long sentences the last part."""
    return str(error).splitlines()[0].rpartition("AWS Error ")[2] if str(error) else type(error).__name__
