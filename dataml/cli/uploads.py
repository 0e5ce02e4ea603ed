"""Files of this machine that are sent to a platform."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from dataml.client.multipart import FilePart


def InputFile(description: str) -> Any:  # it stands for a type of argument
    """Return the argument of files to read, which must exist."""
    return typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help=description)


@contextmanager
def open_parts(files: Sequence[Path]) -> Iterator[list["FilePart"]]:
    """Open files for an upload, and close them afterwards.

    Raises:
        OSError: a file cannot be opened.
    """
    from dataml.client.multipart import FilePart

    with ExitStack() as stack:
        parts = [FilePart.open(str(path)) for path in files]
        for part in parts:
            stack.enter_context(part.content)
        yield parts
