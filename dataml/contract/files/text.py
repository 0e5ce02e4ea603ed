"""Content of a CSV file as a stream of UTF-8: decompressed, transcoded, without what programs leave behind its end."""

import codecs
import io
import mmap
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa

from dataml.errors import Invalid
from dataml.suggestions import describe_unknown

ENCODINGS: Final = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "iso-8859-15", "cp1250", "cp1251")
"""The encodings that a CSV may have, by their names in Python."""

_COMPRESSED: Final = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_BLOCK_BYTES: Final = 256 << 10
_MAX_HELD_BYTES: Final = 1 << 20
# What programs leave behind the last line: blanks, and the zeros of preallocated blocks.
_REMAINDERS: Final = (b" ", b"\0")
_UNDEFINED_IN_CP1252: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def parse_encoding(name: str) -> str:
    """Return the element of ENCODINGS that the name means; aliases are those of Python.

    Raises:
        Invalid: `unknown_encoding`.
    """
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        codec = ""
    codec = "utf-8" if codec == "utf-8-sig" else codec
    for encoding in ENCODINGS:
        if codecs.lookup(encoding).name == codec:
            return encoding
    raise Invalid(describe_unknown("encoding", name, ENCODINGS, is_listed=True), code="unknown_encoding")


def detect_compression(first_bytes: bytes) -> str | None:
    """Return the name of the compression that content of these first bytes has, or None."""
    return next((name for magic, name in _COMPRESSED if first_bytes.startswith(magic)), None)


def is_plain_text(path: Path, encoding: str = "utf-8") -> bool:
    """Return whether the file itself is the stream that `open_text` yields."""
    if encoding != "utf-8":
        return False
    with path.open("rb") as file:
        if detect_compression(file.read(4)) is not None:
            return False
        file.seek(-min(file.seek(0, io.SEEK_END), 1), io.SEEK_END)
        return file.read(1) not in _REMAINDERS


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[BinaryIO]:
    """Open a CSV as UTF-8, decompressed where its content is gzip or zstd.

    NUL bytes or blanks behind the last line end are left out.

    Raises:
        Invalid: `damaged_archive`, or `not_in_encoding` when the stream is read.
    """
    try:
        with ExitStack() as stack:
            file: Any = stack.enter_context(path.open("rb"))
            compression = detect_compression(file.read(4))
            file.seek(0)
            if is_plain_text(path, encoding):
                yield file
                return
            if compression is not None:
                file = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(file), compression))
            if encoding != "utf-8":
                file = _Transcoded(file, encoding)
            yield BufferedReader(_WithoutRemainder(file), _BLOCK_BYTES)
    except OSError as error:
        if error.errno is not None:
            raise
        raise Invalid(f"The compressed file is damaged: {str(error)[:200]}.", code="damaged_archive") from error


def suggest_encoding(text: bytes, position: int) -> str:
    """Return what a user can do about a byte that is not UTF-8, as the rest of a sentence.

    Args:
        text: a part of the content.
        position: where the byte stands in it.
    """
    encoding = "latin-1" if _UNDEFINED_IN_CP1252.search(text) else "cp1252"
    before = re.split(rb"[\r\n,;\t|]", text[max(position - 20, 0) : position])[-1]
    behind = re.split(rb"[\r\n,;\t|]", text[position : position + 20])[0]
    shown = (before + behind).decode(encoding, errors="replace").strip()
    return f"upload with encoding={encoding} if {shown!r} is right, or with the file's encoding, or save it as UTF-8"


def describe_utf16(text: bytes) -> str:
    """Return what a user can do about text that looks like UTF-16 without a byte order mark; empty when it does not."""
    sample = text[: _BLOCK_BYTES & ~1]
    for encoding, zeros, others in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if len(zeros) > 1 and zeros.count(0) > len(zeros) // 2 and others.count(0) < len(others) // 10 + 1:
            return f"the file looks like UTF-16; upload with encoding={encoding}, or save it as UTF-8"
    return ""


def has_carriage_return(path: Path) -> bool:
    """Return whether there is a CR in a file that is not empty."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"\r") >= 0


class WholeLineEnds:
    """A stream whose reads never end between CR and LF.

    pyarrow.csv drops an LF that begins a block after a CR at the end of the one before, in a quoted field, too.
    """

    closed = False

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, which is at least three; none at the end."""
        data = self._held + self._source.read(size - len(self._held))
        self._held = self._source.read(1) if data.endswith(b"\r") else b""
        if self._held == b"\n" and len(data) > 1:
            data, self._held = data[:-1], b"\r\n"
        return data


class _Transcoded:
    """A stream of another encoding, read as UTF-8."""

    def __init__(self, source: _Readable, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._lines = 1

    def read(self, size: int, /) -> bytes:
        """Return about `size` bytes, none at the end."""
        while True:
            data = self._source.read(size)
            pending = self._decoder.getstate()[0]
            try:
                text = self._decoder.decode(data, not data)
            except UnicodeError as error:
                raise self._not_in_encoding(pending + data, error) from error
            self._lines += text.count("\n")
            if text or not data:
                return text.encode()

    def _not_in_encoding(self, data: bytes, error: UnicodeError) -> Invalid:
        position = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = self._lines + data[:position].decode(self._encoding, errors="replace").count("\n")
        shown = " ".join(f"0x{byte:02x}" for byte in data[position : position + 2])
        detail = f"Line {line:,}: {shown} is not {self._encoding}; upload with the encoding that the file has."
        return Invalid(detail, code="not_in_encoding")


class _WithoutRemainder(io.RawIOBase):
    """A stream without the blanks or NUL bytes that stand behind the last line end."""

    def __init__(self, source: _Readable) -> None:
        super().__init__()
        self._source = source
        self._ready = b""
        self._held = b""
        self._begins_line = False

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into the buffer, and return the number of bytes; 0 at the end."""
        while not self._ready:
            block = self._source.read(_BLOCK_BYTES)
            if not block:
                return 0
            self._hold_back(block)
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _hold_back(self, block: bytes) -> None:
        """Make ready what surely does not stand behind the last line end."""
        text = self._held + block
        self._ready, self._held = text, b""
        for remainder in _REMAINDERS:
            kept = text.rstrip(remainder)
            if kept.endswith((b"\n", b"\r")) or (self._begins_line and not kept):
                # More than a field may have is refused, if it is not dropped.
                self._ready, self._held = kept, text[len(kept) :][:_MAX_HELD_BYTES]
                break
        if self._ready:
            self._begins_line = self._ready.endswith((b"\n", b"\r"))
