"""Answers with a file that was made for one request."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from fastapi.responses import StreamingResponse

_CHUNK_BYTES: Final = 1 << 20


def send_temporary_file(file: BinaryIO, file_name: str, media_type: str) -> StreamingResponse:
    """Return the answer that sends a file as a download, and closes it.

    A temporary file without a name is gone once it is closed, or when this process dies.

    Args:
        file: The file, at its end.
        file_name: Its name for the client, in ASCII and without quotes.
        media_type: The media type of its content.
    """
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Content-Length": str(file.tell()),
        "X-Content-Type-Options": "nosniff",
    }
    file.seek(0)
    return StreamingResponse(_read_chunks(file), headers=headers, media_type=media_type)


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
