"""Files that a command writes on this machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dataml.cli.session import Session


def write_file(session: Session, path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and say where it is.

    Raises:
        OSError: it cannot be written.
    """
    with open_whole(path) as file:
        file.write(content)
    session.output.say(f"{path}: {len(content):,} bytes")


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write; it takes the place of the old one at the end, and is removed when writing fails.

    Raises:
        OSError: it cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
