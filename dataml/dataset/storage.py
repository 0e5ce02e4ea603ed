"""Where files lie: the only place that turns a storage name into a local path.

A storage name is what rows and answers carry: parts joined by `/`, relative to the storage root. What a user calls a
file never becomes part of one.
"""

import asyncio
import errno
import os
import shutil
import unicodedata
import uuid
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from dataml.errors import NotFound, TooLarge, Unavailable

MAX_NAME_CHARACTERS: Final = 255
_CHUNK_BYTES: Final = 4 << 20
_MAX_SUFFIX_CHARACTERS: Final = 20
# Control and format characters (marks that turn the direction of text among them), surrogates, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Storage:
    """The files of one platform."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def new_upload(self, tenant_id: str) -> str:
        """The name of a folder that nobody else has, and nobody can guess; it comes to be with its first file."""
        return f"files/{tenant_id}/{uuid.uuid4().hex}"

    def path(self, name: str) -> Path:
        """The local path of a storage name.

        Raises:
            NotFound: `file_not_found`, for whatever would lead out of the root.
        """
        parts = PurePosixPath(name).parts
        if not parts or "\0" in name or "\\" in name or parts[0] == "/" or ".." in parts:
            raise NotFound("There is no file with this name.", code="file_not_found")
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise NotFound("There is no file with this name.", code="file_not_found")
        return path

    async def write(self, name: str, source: BinaryIO, budget_bytes: int) -> int:
        """Copy `source` to a new file, chunk by chunk, safely on disk when this returns; its size in bytes.

        Raises:
            TooLarge: `upload_too_large`, as soon as there are more than `budget_bytes`.
            Unavailable: `storage_full`.
        """
        try:
            return await asyncio.to_thread(_copy, source, self.path(name), budget_bytes)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(
                    "There is no room left for files; ask an administrator.", code="storage_full"
                ) from error
            raise

    async def delete(self, name: str) -> None:
        """Remove a folder and all in it; no error when it is not there."""
        await asyncio.to_thread(shutil.rmtree, self.path(name), ignore_errors=True)


def _copy(source: BinaryIO, path: Path, budget_bytes: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    with path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > budget_bytes:
                raise upload_too_large()
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    # A file is safe only when the folders that lead to it are.
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync_folder(folder)
    return size_bytes


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def upload_too_large() -> TooLarge:
    return TooLarge("The upload is larger than this installation takes; send less at once.", code="upload_too_large")


def display_name(file_name: str) -> str:
    """What a user called a file, fit to show and to store: no folders, nothing unseen, 255 characters at most."""
    # Normalising takes time that grows with the square of the length.
    last = unicodedata.normalize("NFC", file_name[-4096:]).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(character for character in last if unicodedata.category(character) not in _UNSEEN).strip()
    if not name.strip("."):
        return "file"
    suffix = PurePosixPath(name).suffix
    kept = suffix if len(suffix) <= _MAX_SUFFIX_CHARACTERS else ""
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - len(kept)] + kept
