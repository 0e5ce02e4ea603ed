"""Multipart uploads: the files of a request, read within a budget of bytes."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from dataml.errors import DatamlError, FieldError, Invalid, InvalidFields
from dataml.http.request_hooks import hooks_of
from dataml.storage.storage import upload_too_large
from dataml.suggestions import describe_all_unknown

FIELD: Final = "files"
MAX_FILES: Final = 100
_MAX_OTHER_FIELDS: Final = 20
# Boundaries and part headers come on top of the files themselves.
_FRAMING_BYTES: Final = 1 << 20
# Longer than a last boundary with what may follow it.
_END_BYTES: Final = 4096

# OpenAPI of the body. FastAPI would derive it only from parameters, which read the whole body first.
OPENAPI_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "title": "FilesForm",
                    "description": "The files of an upload.",
                    "examples": [{FIELD: ["customer_id,tenure,plan\n1,12,basic\n2,3,premium\n"]}],
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
async def received_files(
    request: Request, max_bytes: int, *, may_be_none: bool = False
) -> AsyncIterator[list[UploadFile]]:
    """Receive the files of a request into temporary files, which are removed afterwards.

    `may_be_none` allows a request without files.

    Raises:
        TooLarge: `upload_too_large`, at once when the request says how long it is.
        Invalid: `no_file`.
        InvalidFields: `unknown_field`: the form has a field of another name.
        DatamlError: `upload_cut_off`: the body ends before its last boundary; `bad_request`: it is no multipart form.
    """
    limit = max_bytes + _FRAMING_BYTES
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise upload_too_large()
    form = await _form(request, limit)
    try:
        _refuse_unknown_fields(request, form)
        files = [part for part in form.getlist(FIELD) if isinstance(part, UploadFile) and part.filename]
        if not files and not may_be_none:
            raise Invalid(f"Send at least one file in the multipart field `{FIELD}`.", code="no_file")
        for hook in hooks_of(request).on_files:
            await hook(files)
        yield files
    finally:
        await form.close()


def _refuse_unknown_fields(request: Request, form: FormData) -> None:
    unknown = [name for name in dict.fromkeys(form) if name != FIELD]
    if not unknown:
        return
    of_query: Collection[str] = getattr(request.scope.get("route"), "query_parameters", ())
    sentences = describe_all_unknown("field", unknown, [FIELD])
    fields = [
        FieldError(
            ("body", name),
            f"'{name}' is a parameter of the query, not a field of the form." if name in of_query else sentence,
            "unknown_field",
        )
        for name, sentence in zip(unknown, sentences, strict=True)
    ]
    raise InvalidFields(fields, code="unknown_field")


async def _form(request: Request, limit: int) -> FormData:
    body = _BoundedBody(request.receive, limit)
    try:
        form = await Request(request.scope, body.receive).form(max_files=MAX_FILES, max_fields=_MAX_OTHER_FIELDS)
    except ClientDisconnect as error:
        raise _truncated() from error
    except ValueError as error:  # a charset that cannot be
        raise DatamlError("The body is no multipart form.") from error
    # The parser takes a body without an end for whole, and leaves out the file that it was at.
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data" and b"--" + options[b"boundary"] + b"--" not in body.end:
        await form.close()
        raise _truncated()
    return form


def _truncated() -> DatamlError:
    return DatamlError("The upload was cut off before its end.", code="upload_cut_off")


class _BoundedBody:
    """The body of a request, refused beyond `limit` bytes; `end` is the last part of what was read."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.end = b""
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        message = await self._receive()
        piece = message.get("body", b"")
        self._left -= len(piece)
        if self._left < 0:
            raise upload_too_large()
        self.end = (self.end + piece[-_END_BYTES:])[-_END_BYTES:]
        return message
