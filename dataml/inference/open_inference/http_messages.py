"""Requests and responses of the Open Inference Protocol over HTTP: JSON, and bytes after it (binary tensor data)."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataml.errors import Invalid, TooLarge, UnsupportedMedia
from dataml.http.strict_json import MAX_JSON_BYTES, dump_json, read_json
from dataml.http.validation import read_as
from dataml.inference.open_inference import schemas
from dataml.inference.open_inference.codec import InferCall, InferResult
from dataml.inference.open_inference.tensors import (
    Tensor,
    check_datatype,
    read_json_elements,
    read_raw_elements,
    write_raw_elements,
)
from dataml.inference.realtime import EncodedResponse, check_json
from dataml.serving.model_runner import ServableModel
from dataml.suggestions import shorten

HEADER: Final = b"inference-header-content-length"
"""The header with the length of the JSON, where bytes follow it."""
OCTETS: Final = "application/octet-stream"
# zlib's number for a format that has its own header: gzip's or zlib's, which HTTP calls deflate.
_DETECT_FORMAT: Final = 32 + zlib.MAX_WBITS
_ENCODINGS: Final = (b"", b"identity", b"gzip", b"deflate")


@dataclass(frozen=True)
class HttpInferCall:
    """A call, and the outputs that its caller wants as bytes: by name, and all others."""

    call: InferCall
    binary_by_name: Mapping[str, bool]
    is_binary: bool


def check_media(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that is neither JSON nor, by its headers, JSON and bytes.

    Raises:
        UnsupportedMedia: `unsupported_media`, `unsupported_encoding`.
    """
    if headers.get(b"content-encoding", b"").lower() not in _ENCODINGS:
        raise UnsupportedMedia("Send the body as it is, or with gzip or deflate.", code="unsupported_encoding")
    if HEADER not in headers:
        check_json(headers)


def read_call(headers: Mapping[bytes, bytes], body: bytes) -> HttpInferCall:
    """Return the call that a request has.

    Raises:
        Invalid: `invalid_json`, `invalid_compression`, `wrong_json_length`, and what the functions of `tensors` raise.
        InvalidFields: `invalid_request`.
        TooLarge: `body_too_large`, also when it is decompressed.
    """
    if headers.get(b"content-encoding", b"").lower() in (b"gzip", b"deflate"):
        body = _decompress(body)
    length = _json_length(headers, len(body))
    request = read_as(schemas.ModelInferRequest, read_json(body[:length], takes_nan=True), strict=True)
    raw = body[length:]
    inputs: list[Tensor] = []
    for sent in request.inputs:
        tensor, raw = _read_input(sent, raw)
        inputs.append(tensor)
    if raw:
        raise Invalid(f"{len(raw):,} bytes after the JSON belong to no tensor.", code="wrong_tensor_data")
    parameters = request.parameters or schemas.InferParameters.model_validate({})
    outputs = request.outputs or []
    wanted = {output.name: output.parameters.binary_data for output in outputs if output.parameters is not None}
    return HttpInferCall(
        InferCall(request.id or "", inputs, tuple(output.name for output in outputs), parameters),
        {name: is_binary for name, is_binary in wanted.items() if is_binary is not None},
        parameters.binary_data_output,
    )


def write_result(sent: HttpInferCall, model: ServableModel, result: InferResult) -> bytes | EncodedResponse:
    """Return the response to a call."""
    raw: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for tensor in result.outputs:
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        parameters = dict(tensor.parameters)
        if sent.binary_by_name.get(tensor.name, sent.is_binary):
            raw.append(write_raw_elements(tensor))
            parameters["binary_data_size"] = len(raw[-1])
        else:
            output["data"] = tensor.elements
        outputs.append(output | ({"parameters": parameters} if parameters else {}))
    response: dict[str, Any] = {"model_name": model.url_name, "model_version": str(model.version)}
    if sent.call.id:
        response["id"] = sent.call.id
    if result.parameters:
        response["parameters"] = result.parameters
    body = dump_json(response | {"outputs": outputs})
    if not raw:
        return body
    return EncodedResponse(b"".join((body, *raw)), OCTETS, [(HEADER, str(len(body)).encode())])


def _decompress(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(_DETECT_FORMAT)
    try:
        # One byte more than allowed shows that there are more; the rest is never made.
        content = decompressor.decompress(body, MAX_JSON_BYTES + 1)
    except zlib.error as error:
        raise Invalid("The body is not compressed as its Content-Encoding says.", code="invalid_compression") from error
    if len(content) > MAX_JSON_BYTES:
        raise TooLarge(f"A body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
    if not decompressor.eof or decompressor.unused_data:
        raise Invalid("The compressed body is cut off, or has more behind its end.", code="invalid_compression")
    return content


def _json_length(headers: Mapping[bytes, bytes], size: int) -> int:
    text = headers.get(HEADER)
    if text is None:
        return size
    # More digits than the limit of a body has would be no length.
    length = int(text) if text.isdigit() and len(text) < 10 else -1
    if not 0 <= length <= size:
        raise Invalid(
            "Inference-Header-Content-Length is not the length of the JSON in the body.", code="wrong_json_length"
        )
    return length


def _read_input(sent: schemas.InputTensor, raw: bytes) -> tuple[Tensor, bytes]:
    """Return an input, and the bytes after those that are its own."""
    check_datatype(sent.name, sent.datatype)
    size = sent.parameters.binary_data_size if sent.parameters is not None else None
    if (size is None) == (sent.data is None):
        raise Invalid(
            f"Tensor {shorten(sent.name)!r} needs either data or the parameter binary_data_size.",
            code="wrong_tensor_data",
        )
    if size is None:
        elements = read_json_elements(sent.name, sent.datatype, sent.shape, sent.data or [])
        return Tensor(sent.name, sent.datatype, tuple(sent.shape), elements), raw
    if size > len(raw):
        raise Invalid(
            f"The data of tensor {shorten(sent.name)!r} are wrong: {len(raw):,} of {size:,} bytes are in the body.",
            code="wrong_tensor_data",
        )
    elements = read_raw_elements(sent.name, sent.datatype, sent.shape, raw[:size])
    return Tensor(sent.name, sent.datatype, tuple(sent.shape), elements), raw[size:]
