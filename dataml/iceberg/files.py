"""Files of lake tables: those that lie in a folder, and those that a table refers to.

Their paths are compared in the spelling of `normalize`.
"""

import os
import posixpath
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

_LOCAL: Final = "file"
# Schemes of stores that can be listed, and the one that stands for each.
_SCHEMES: Final = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}


def normalize(location: str) -> str:
    """Return the one spelling of a location: local paths without scheme and symbolic links, others as a URL."""
    scheme, separator, path = location.partition(":")
    if not separator or "/" in scheme:
        return os.path.realpath(location)
    if scheme == _LOCAL:
        return os.path.realpath("/" + path.lstrip("/"))
    return f"{_SCHEMES.get(scheme, scheme)}://{posixpath.normpath(path.lstrip('/'))}"


def list_files(io: "FileIO", location: str) -> dict[str, float] | None:
    """Return the files below a location, with the time of their writing in seconds since 1970.

    Returns:
        None when this access to the warehouse cannot list files.

    Raises:
        OSError: the storage does not answer.
    """
    from pyarrow.fs import FileType

    return _list(io, location, FileType.File, recursive=True)


def list_folders(io: "FileIO", location: str) -> dict[str, float] | None:
    """Return the folders in a location, with the time of their last change, which is 0 in an object store.

    Returns:
        None when this access to the warehouse cannot list folders.

    Raises:
        OSError: the storage does not answer.
    """
    from pyarrow.fs import FileType

    return _list(io, location, FileType.Directory, recursive=False)


def _list(io: "FileIO", location: str, kind: Any, *, recursive: bool) -> dict[str, float] | None:
    from pyarrow.fs import FileSelector

    folder = normalize(location)
    if (filesystem := _find_filesystem(io, folder)) is None:
        return None
    path = _path_in_filesystem(folder)
    found = filesystem.get_file_info(FileSelector(path, allow_not_found=True, recursive=recursive))
    prefix = folder.removesuffix(path)
    times = {
        normalize(prefix + info.path): info.mtime.timestamp() if info.mtime is not None else 0.0
        for info in found
        if info.type == kind
    }
    # A symbolic link may lead elsewhere.
    return {each: time for each, time in times.items() if is_below(each, folder)}


def remove_file(io: "FileIO", path: str) -> None:
    """Remove a file that `list_files` has returned; do nothing when it is not there.

    Raises:
        OSError: the storage does not answer.
    """
    filesystem = _find_filesystem(io, path)
    assert filesystem is not None, "what cannot be listed is not removed"
    with suppress(FileNotFoundError):
        filesystem.delete_file(_path_in_filesystem(path))


def remove_folder(io: "FileIO", path: str) -> None:
    """Remove a folder that `list_folders` has returned, if no file is left in it.

    Raises:
        OSError: the storage does not answer.
    """
    filesystem = _find_filesystem(io, path)
    assert filesystem is not None, "what cannot be listed is not removed"
    if not list_files(io, path):
        with suppress(FileNotFoundError):
            filesystem.delete_dir(_path_in_filesystem(path))


def is_below(path: str, folder: str) -> bool:
    """Return whether a normalized path is in a normalized folder, at any depth."""
    return path.startswith(folder.rstrip("/") + "/")


def list_referenced_files(table: "Table") -> set[str]:
    """Return the files that any snapshot of a table refers to, and those of its metadata and their history.

    Raises:
        OSError: a manifest cannot be read.
    """
    metadata = table.metadata
    paths = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    paths |= {file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics)}
    manifests = {}
    for snapshot in metadata.snapshots:
        paths.add(snapshot.manifest_list)
        manifests |= {manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        paths.add(path)
        entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
        paths |= {entry.data_file.file_path for entry in entries}
    return {normalize(path) for path in paths}


def list_metadata_history(table: "Table") -> set[str]:
    """Return the metadata files that a table has ever had: a long history is continued by the oldest file of it."""
    from pyiceberg.serializers import FromInputFile

    history: set[str] = set()
    metadata = table.metadata
    while metadata.metadata_log:
        oldest = metadata.metadata_log[0].metadata_file
        if normalize(oldest) in history:
            break
        history |= {normalize(entry.metadata_file) for entry in metadata.metadata_log}
        try:
            metadata = FromInputFile.table_metadata(table.io.new_input(oldest))
        except FileNotFoundError:
            break  # removed by an engine that keeps a number of them
    return history


def _path_in_filesystem(path: str) -> str:
    return path.partition("://")[2] or path


def _find_filesystem(io: "FileIO", path: str) -> Any:
    """Return the file system of a normalized path, or None when its files cannot be listed."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme = path.partition("://")[0] if "://" in path else _LOCAL
    if not isinstance(io, PyArrowFileIO) or scheme not in (_LOCAL, *_SCHEMES):
        return None
    netloc = path.partition("://")[2].partition("/")[0]
    return io.fs_by_scheme(scheme, netloc)
