"""Files of this machine that a command reads or writes."""

from pathlib import Path
from typing import Any

import typer

from dataml.cli.session import Session


def InputFile(description: str) -> Any:  # it stands for a type of argument
    """Return the argument of files to read, which must exist."""
    return typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help=description)


def write_file(session: Session, path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and say where it is.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    say_written(session, path)


def say_written(session: Session, path: Path) -> None:
    """Say where a file is that was written, and its size."""
    session.output.say(f"{path}: {path.stat().st_size:,} bytes")
