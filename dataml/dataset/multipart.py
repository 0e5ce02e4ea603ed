"""Takes the files out of a multipart request, and stops reading as soon as it is larger than it may be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from dataml.dataset.storage import upload_too_large
from dataml.errors import DatamlError, Invalid

FIELD: Final = "files"
MAX_FILES: Final = 100
_MAX_OTHER_FIELDS: Final = 20
# Boundaries and part headers come on top of the files themselves.
_FRAMING_BYTES: Final = 1 << 20

# What the route says of its body; FastAPI knows it only from parameters that read the whole body first.
OPENAPI_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_FILES,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One or more CSV or Parquet files; several make one dataset.",
                        }
                    },
                }
            }
        },
    }
}


@asynccontextmanager
async def received_files(request: Request, max_bytes: int) -> AsyncIterator[list[UploadFile]]:
    """The files of a request, in temporary files that are gone afterwards.

    Raises:
        TooLarge: `upload_too_large`, at once when the request says how long it is.
        Invalid: `no_file`.
        DatamlError: `upload_cut_off`: the client went away before the end.
    """
    limit = max_bytes + _FRAMING_BYTES
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise upload_too_large()
    bounded = Request(request.scope, _bounded(request.receive, limit))
    try:
        form = await bounded.form(max_files=MAX_FILES, max_fields=_MAX_OTHER_FIELDS)
    except ClientDisconnect as error:
        raise DatamlError("The upload was cut off before its end.", code="upload_cut_off") from error
    try:
        files = [part for part in form.getlist(FIELD) if isinstance(part, UploadFile) and part.filename]
        if not files:
            raise Invalid(f"Send at least one file in the multipart field `{FIELD}`.", code="no_file")
        yield files
    finally:
        await form.close()


def _bounded(receive: Receive, limit: int) -> Receive:
    size_bytes = 0

    async def bounded() -> Message:
        nonlocal size_bytes
        message = await receive()
        size_bytes += len(message.get("body", b""))
        if size_bytes > limit:
            raise upload_too_large()
        return message

    return bounded
