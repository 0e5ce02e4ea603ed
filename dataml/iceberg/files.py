"""Files of lake tables: those that lie in a folder, and those that a table refers to.

Their paths are compared in the spelling of `normalize`.
"""

import os
import posixpath
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
    from pyarrow.fs import FileSelector, FileType

    folder = normalize(location)
    if (filesystem := _find_filesystem(io, folder)) is None:
        return None
    path = folder.partition("://")[2] or folder
    found = filesystem.get_file_info(FileSelector(path, allow_not_found=True, recursive=True))
    prefix = folder.removesuffix(path)
    files = {normalize(prefix + info.path): info.mtime.timestamp() for info in found if info.type == FileType.File}
    # A symbolic link may lead elsewhere.
    return {file: written_at for file, written_at in files.items() if is_below(file, folder)}


def remove_file(io: "FileIO", path: str) -> None:
    """Remove a file that `list_files` has returned; do nothing when it is not there.

    Raises:
        OSError: the storage does not answer.
    """
    filesystem = _find_filesystem(io, path)
    assert filesystem is not None, "what cannot be listed is not removed"
    try:
        filesystem.delete_file(path.partition("://")[2] or path)
    except FileNotFoundError:
        return


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


def _find_filesystem(io: "FileIO", path: str) -> Any:
    """Return the file system of a normalized path, or None when its files cannot be listed."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme = path.partition("://")[0] if "://" in path else _LOCAL
    if not isinstance(io, PyArrowFileIO) or scheme not in (_LOCAL, *_SCHEMES):
        return None
    netloc = path.partition("://")[2].partition("/")[0]
    return io.fs_by_scheme(scheme, netloc)
