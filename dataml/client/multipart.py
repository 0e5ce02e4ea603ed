"""The body of an upload: a multipart form that is read piece by piece, with its length known before."""

import io
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 256 << 10

# Gets the number of bytes sent so far, and of all bytes.
ReportBytes = Callable[[int, int], None]


@dataclass(frozen=True)
class FilePart:
    """One file of an upload: its name and its content, which is read from the position `start`."""

    name: str
    content: BinaryIO
    size_bytes: int
    start: int

    @classmethod
    def open(cls, source: "str | os.PathLike[str] | bytes | BinaryIO", name: str | None = None) -> "FilePart":
        """Return the part of a path, of bytes or of a file that is open and can seek.

        Raises:
            OSError: The file cannot be opened, or cannot seek.
        """
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            return cls(name or path.name, path.open("rb"), path.stat().st_size, 0)
        if isinstance(source, bytes):
            return cls(name or "data.csv", io.BytesIO(source), len(source), 0)
        start = source.tell()
        size_bytes = source.seek(0, os.SEEK_END) - start
        return cls(name or Path(str(getattr(source, "name", "data.csv"))).name, source, size_bytes, start)


class MultipartBody:
    """A form with files under one field; it can be read again, so that an upload can be sent again."""

    def __init__(self, field: str, parts: Sequence[FilePart]) -> None:
        self._boundary = secrets.token_hex(16)
        self._parts = [(self._head(field, part.name), part) for part in parts]
        # A form without a part has its last boundary only.
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request with this body."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(self.size_bytes),
        }

    @property
    def size_bytes(self) -> int:
        """The length of the whole body."""
        return sum(len(head) + part.size_bytes + 2 for head, part in self._parts) + len(self._end)

    def read(self) -> Iterator[bytes]:
        """Read the body from its begin, in pieces of at most 256 KiB.

        Raises:
            OSError: A file has become shorter while it was read.
        """
        for head, part in self._parts:
            yield head
            part.content.seek(part.start)
            left = part.size_bytes
            while left > 0:
                piece = part.content.read(min(CHUNK_BYTES, left))
                if not piece:
                    raise OSError(f"{part.name} has become shorter while it was read")
                left -= len(piece)
                yield piece
            yield b"\r\n"
        yield self._end

    def _head(self, field: str, name: str) -> bytes:
        # As browsers write it.
        escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        disposition = f'Content-Disposition: form-data; name="{field}"; filename="{escaped}"'
        return f"--{self._boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
