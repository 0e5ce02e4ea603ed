"""A small disk for the home of a platform: it can be filled, and its power can be cut."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_SIZE: Final = "600M"
_OPTIONS: Final = "loop,commit=600,noauto_da_alloc"
"""Ext4 neither commits its journal by itself nor writes a file because it is renamed: only what is synced is there."""


class Disk:
    """An ext4 file system in a file, mounted on the home.

    What a program has written and not synced is in the page cache of the mounted file system only. A copy of the file
    is what a disk would hold after a loss of power.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        """Make the file system and mount it.

        Raises:
            subprocess.CalledProcessError: this user may not mount, or the tools are missing.
        """
        self._folder = folder
        self._home = home
        self._number = 0
        with self._image.open("wb"):
            pass
        _run("truncate", "-s", _SIZE, str(self._image))
        # Without blocks that only root may use: the platform may run as root.
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self._mount()

    def copy(self) -> Path:
        """Copy what is on the disk now; no process may write meanwhile."""
        copied = self._folder / f"disk-{self._number + 1}.img"
        # Not through the page cache of the mounted file system, which has more.
        _run("cp", "--sparse=always", str(self._image), str(copied))
        return copied

    def replace_by(self, copied: Path) -> None:
        """Mount a copy in the place of the disk; the journal brings it to a whole state, as after a loss of power."""
        self.unmount()
        self._image.unlink()
        self._number += 1
        assert copied == self._image
        self._mount()

    def unmount(self) -> None:
        """Unmount the disk; also while a process that ends has files open."""
        _run("umount", "--lazy", str(self._home))

    @property
    def _image(self) -> Path:
        return self._folder / f"disk-{self._number}.img"

    def _mount(self) -> None:
        _run("mount", "-o", _OPTIONS, str(self._image), str(self._home))


@contextmanager
def mounted_disk(folder: Path, home: Path) -> Iterator[Disk | None]:
    """Yield a disk on the home, or None where none can be mounted."""
    if not all(shutil.which(tool) for tool in ("mkfs.ext4", "mount", "umount", "truncate")):
        yield None
        return
    try:
        disk = Disk(folder, home)
    except subprocess.CalledProcessError:
        yield None
        return
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
