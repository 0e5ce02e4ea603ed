"""Space on disks: how much is free, the reserve that long operations leave, and failures for lack of it."""

import errno
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataml.errors import StorageFull
from dataml.settings import Settings

_FULL_ERRNOS: Final = (errno.ENOSPC, errno.EDQUOT)
# Libraries and S3-compatible servers name a full disk or store in the message only.
_FULL_PHRASES: Final = (
    *("no space left", "disk is full", "disk quota exceeded", "local disk's utilization is over capacity"),
    *("storagefull", "insufficientstorage", "quotaexceeded", "http status 507"),
)
_UNITS: Final = ("kB", "MB", "GB", "TB")
# Less is free only when a write has just failed: the smallest files of the platform need more.
_EXHAUSTED_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class DiskSpace:
    """The free space of the disks that hold the home and its files, of which `reserve_bytes` are kept.

    The reserve is for what is small and must go on: logins, predictions, deletions, and the ends of jobs. It also holds
    what SQLite writes beside its database during a transaction.
    """

    folders: tuple[Path, ...]
    reserve_bytes: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "DiskSpace":
        """Return the space of the platform's home, of its files and of its built-in lake."""
        return cls((settings.root, settings.storage_root, settings.lake_root), settings.storage_reserve_bytes)

    def free_bytes(self) -> int:
        """Return the free space of the disk that has the least."""
        return min(free_bytes(folder) for folder in self.folders)

    def is_low(self) -> bool:
        """Return whether less than the reserve is free."""
        return self.free_bytes() < self.reserve_bytes

    def require(self, upload_bytes: int = 0) -> None:
        """Check that the reserve is free, beside an upload of this size and its temporary copy.

        Raises:
            StorageFull: `storage_full`.
        """
        needed_bytes = self.reserve_bytes + upload_bytes
        temporary = Path(tempfile.gettempdir())
        if upload_bytes and _device(temporary) in map(_device, self.folders):
            needed_bytes += upload_bytes
        elif upload_bytes and free_bytes(temporary) < upload_bytes:
            raise _too_little("temporary files", upload_bytes, free_bytes(temporary))
        if self.free_bytes() < needed_bytes:
            raise _too_little("files and the database", needed_bytes, self.free_bytes())


def free_bytes(folder: Path) -> int:
    """Return the space that this process may still use on the disk of a folder, which need not exist yet."""
    status = os.statvfs(_existing(folder))
    return status.f_bavail * status.f_frsize


def is_exhausted(folder: Path) -> bool:
    """Return whether the disk of a folder has no space left to write to."""
    return free_bytes(folder) < _EXHAUSTED_BYTES


def is_storage_full(error: BaseException) -> bool:
    """Return whether a disk, a database or a store has failed for lack of space, by an error or one of its causes."""
    return any(
        getattr(each, "errno", None) in _FULL_ERRNOS or any(phrase in str(each).lower() for phrase in _FULL_PHRASES)
        for each in _causes(error)
    )


def storage_full(what: str = "files", folder: Path | None = None) -> StorageFull:
    """Return the error for `what` being full, with the free space of the disk of `folder`."""
    free = f" ({format_bytes(free_bytes(folder))} free)" if folder is not None else ""
    detail = f"No space is left for {what}{free}; delete what is not needed, or ask an administrator."
    return StorageFull(detail, code="storage_full")


def format_bytes(size_bytes: int) -> str:
    """Return a size in words, such as `1.5 GB`."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    power = min(int(math.log10(size_bytes)) // 3, len(_UNITS))
    return f"{size_bytes / 1000**power:.1f} {_UNITS[power - 1]}"


def _too_little(what: str, needed_bytes: int, available_bytes: int) -> StorageFull:
    needed, available = format_bytes(needed_bytes), format_bytes(available_bytes)
    detail = (
        f"Too little space is free for {what}: {available}, and {needed} are needed, the reserve included. "
        "Delete what is not needed, or ask an administrator."
    )
    return StorageFull(detail, code="storage_full")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
