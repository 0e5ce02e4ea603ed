"""Requests and responses of the Open Inference Protocol over gRPC."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from dataml.errors import Invalid
from dataml.http.validation import read_as
from dataml.inference.open_inference import open_inference_pb2 as pb
from dataml.inference.open_inference import schemas
from dataml.inference.open_inference.codec import InferCall, InferResult
from dataml.inference.open_inference.tensors import (
    BOOL,
    BYTES,
    FP64,
    INT64,
    Tensor,
    check_datatype,
    decode_text,
    read_json_elements,
    read_raw_elements,
    shorten_floats,
    write_raw_elements,
)
from dataml.serving.model_runner import ServableModel
from dataml.suggestions import shorten

_CONTENTS: Final = {
    BOOL: "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    INT64: "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    FP64: "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field that has the elements of a datatype."""
_Parameters = Mapping[str, pb.InferParameter]


def read_call(message: pb.ModelInferRequest) -> InferCall:
    """Return the call that a message has.

    Raises:
        Invalid: `wrong_tensor_data`, `unknown_datatype`, `wrong_shape`.
        InvalidFields: `invalid_request`: a parameter is unknown or wrong, or there are no inputs.
    """
    raw: Sequence[bytes] = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise Invalid(
            f"There are {len(raw)} raw_input_contents for {len(message.inputs)} inputs; each input needs its own.",
            code="wrong_tensor_data",
        )
    head = {
        "id": message.id,
        "parameters": _read_parameters(message.parameters),
        "inputs": [
            {
                "name": sent.name,
                "shape": list(sent.shape),
                "datatype": sent.datatype,
                "parameters": _read_parameters(sent.parameters),
            }
            for sent in message.inputs
        ],
        "outputs": [{"name": o.name, "parameters": _read_parameters(o.parameters)} for o in message.outputs],
    }
    # The rules of the JSON of a request hold here, too; elements are no part of it.
    request = read_as(schemas.ModelInferRequest, head, strict=True)
    inputs = [_read_input(sent, raw[index] if raw else None) for index, sent in enumerate(message.inputs)]
    parameters = request.parameters or schemas.InferParameters.model_validate({})
    return InferCall(message.id, inputs, tuple(output.name for output in request.outputs or ()), parameters)


def write_result(sent: pb.ModelInferRequest, model: ServableModel, result: InferResult) -> pb.ModelInferResponse:
    """Return the response to a message: with raw contents where the message has them."""
    response = pb.ModelInferResponse(
        model_name=model.url_name,
        model_version=str(model.version),
        id=sent.id,
        parameters=_write_parameters(result.parameters),
    )
    for tensor in result.outputs:
        output = response.outputs.add(
            name=tensor.name,
            datatype=tensor.datatype,
            shape=tensor.shape,
            parameters=_write_parameters(tensor.parameters),
        )
        if sent.raw_input_contents:
            response.raw_output_contents.append(write_raw_elements(tensor))
            continue
        elements = tensor.elements
        if tensor.datatype == BYTES:
            elements = [element.encode(errors="surrogatepass") for element in elements]
        getattr(output.contents, _CONTENTS[tensor.datatype]).extend(elements)
    return response


def write_metadata(metadata: schemas.ModelMetadata) -> pb.ModelMetadataResponse:
    """Return what a model takes and answers."""
    tensors = [
        [pb.ModelMetadataResponse.TensorMetadata(name=t.name, datatype=t.datatype, shape=t.shape) for t in side]
        for side in (metadata.inputs, metadata.outputs)
    ]
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=tensors[0],
        outputs=tensors[1],
    )


def _read_input(sent: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> Tensor:
    check_datatype(sent.name, sent.datatype)
    filled = [field.name for field, _ in sent.contents.ListFields()]
    own = _CONTENTS.get(sent.datatype)
    if raw is not None:
        if filled:
            raise _wrong_contents(sent.name, "it has both contents and raw_input_contents")
        return _tensor(sent, read_raw_elements(sent.name, sent.datatype, sent.shape, raw))
    if own is None:
        raise _wrong_contents(sent.name, f"{sent.datatype} is sent in raw_input_contents")
    if filled not in ([own], []):
        raise _wrong_contents(sent.name, f"{sent.datatype} is sent in {own}, not in {filled[0]}")
    elements: list[Any] = list(getattr(sent.contents, own))
    if sent.datatype == BYTES:
        elements = [decode_text(sent.name, index, encoded) for index, encoded in enumerate(elements)]
    elif sent.datatype == "FP32":
        elements = shorten_floats(np.array(elements, "<f4"))
    return _tensor(sent, read_json_elements(sent.name, sent.datatype, sent.shape, elements))


def _tensor(sent: pb.ModelInferRequest.InferInputTensor, elements: list[Any]) -> Tensor:
    return Tensor(sent.name, sent.datatype, tuple(sent.shape), elements)


def _wrong_contents(name: str, reason: str) -> Invalid:
    return Invalid(f"The data of tensor {shorten(name)!r} are wrong: {reason}.", code="wrong_tensor_data")


def _read_parameters(parameters: _Parameters) -> dict[str, Any]:
    chosen = {name: parameter.WhichOneof("parameter_choice") for name, parameter in parameters.items()}
    return {name: getattr(parameters[name], choice) if choice else None for name, choice in chosen.items()}


def _write_parameters(parameters: Mapping[str, str | bool | int | float]) -> dict[str, pb.InferParameter]:
    return {name: _write_parameter(value) for name, value in parameters.items()}


def _write_parameter(value: str | bool | int | float) -> pb.InferParameter:
    if isinstance(value, bool):
        return pb.InferParameter(bool_param=value)
    if isinstance(value, int):
        return pb.InferParameter(int64_param=value)
    return pb.InferParameter(double_param=value) if isinstance(value, float) else pb.InferParameter(string_param=value)
