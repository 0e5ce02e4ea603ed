"""What the Open Inference Protocol has published: the facts of its OpenAPI document and of its messages.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/open_inference_rest.yaml` and
`open_inference_grpc.proto`, written down here in a form of our own.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PATHS = {
    ("get", "/v2"): "metadata_server_response",
    ("get", "/v2/health/live"): None,
    ("get", "/v2/health/ready"): None,
    ("get", "/v2/models/{name}/versions/{version}"): "metadata_model_response",
    ("get", "/v2/models/{name}/versions/{version}/ready"): None,
    ("post", "/v2/models/{name}/versions/{version}/infer"): "inference_response",
}
"""The schema of each answer. The text of the protocol also has the paths of a model without a version."""

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_SHAPE = {"type": "array", "items": {"type": "integer"}}
_PARAMETERS = {"type": "object"}
_TENSOR = {"name": _TEXT, "shape": _SHAPE, "datatype": _TEXT}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


SCHEMAS: dict[str, dict[str, Any]] = {
    "metadata_server_response": _object("name version extensions", name=_TEXT, version=_TEXT, extensions=_TEXTS),
    "metadata_tensor": _object("name datatype shape", **_TENSOR),
    "metadata_model_response": _object(
        "name platform",
        name=_TEXT,
        versions=_TEXTS,
        platform=_TEXT,
        inputs=_list("metadata_tensor"),
        outputs=_list("metadata_tensor"),
        properties={"type": "object", "additionalProperties": _TEXT},
    ),
    "error_response": _object("error", error=_TEXT),
    "tensor_data": {
        "type": "array",
        "items": {"anyOf": [_reference("tensor_data"), *({"type": name} for name in ("number", "string", "boolean"))]},
    },
    "request_input": _object(
        "name shape datatype data", **_TENSOR, parameters=_PARAMETERS, data=_reference("tensor_data")
    ),
    "request_output": _object("name", name=_TEXT, parameters=_PARAMETERS),
    "inference_request": _object(
        "inputs", id=_TEXT, parameters=_PARAMETERS, inputs=_list("request_input"), outputs=_list("request_output")
    ),
    "response_output": _object(
        "name shape datatype data", **_TENSOR, parameters=_PARAMETERS, data=_reference("tensor_data")
    ),
    "inference_response": _object(
        "model_name outputs",
        model_name=_TEXT,
        model_version=_TEXT,
        id=_TEXT,
        parameters=_PARAMETERS,
        outputs=_list("response_output"),
    ),
}


def schema(name: str) -> dict[str, Any]:
    """Return a schema of the protocol by itself."""
    return {**_reference(name), "$defs": SCHEMAS}


# The fields of each message: number, type, name. `*` is a list, `<>` a map from texts, `|` one of a choice.
MESSAGES: dict[str, str] = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "1 bool live",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "1 bool ready",
    "ModelReadyRequest": "1 string name, 2 string version",
    "ModelReadyResponse": "1 bool ready",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "1 string name, 2 string version, 3 *string extensions",
    "ModelMetadataRequest": "1 string name, 2 string version",
    "ModelMetadataResponse.TensorMetadata": "1 string name, 2 string datatype, 3 *int64 shape",
    "ModelMetadataResponse": "1 string name, 2 *string versions, 3 string platform, 4 *TensorMetadata inputs, "
    "5 *TensorMetadata outputs, 6 <string> properties",
    "ModelInferRequest.InferInputTensor": "1 string name, 2 string datatype, 3 *int64 shape, "
    "4 <InferParameter> parameters, 5 InferTensorContents contents",
    "ModelInferRequest.InferRequestedOutputTensor": "1 string name, 2 <InferParameter> parameters",
    "ModelInferRequest": "1 string model_name, 2 string model_version, 3 string id, 4 <InferParameter> parameters, "
    "5 *InferInputTensor inputs, 6 *InferRequestedOutputTensor outputs, 7 *bytes raw_input_contents",
    "ModelInferResponse.InferOutputTensor": "1 string name, 2 string datatype, 3 *int64 shape, "
    "4 <InferParameter> parameters, 5 InferTensorContents contents",
    "ModelInferResponse": "1 string model_name, 2 string model_version, 3 string id, 4 <InferParameter> parameters, "
    "5 *InferOutputTensor outputs, 6 *bytes raw_output_contents",
    "InferParameter": "1 |bool bool_param, 2 |int64 int64_param, 3 |string string_param, 4 |double double_param, "
    "5 |uint64 uint64_param",
    "InferTensorContents": "1 *bool bool_contents, 2 *int32 int_contents, 3 *int64 int64_contents, "
    "4 *uint32 uint_contents, 5 *uint64 uint64_contents, 6 *float fp32_contents, 7 *double fp64_contents, "
    "8 *bytes bytes_contents",
}
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")


def message_classes() -> dict[str, Any]:
    """Return the classes of the published messages, apart from those that the process has loaded."""
    file = descriptor_pb2.FileDescriptorProto(name="published.proto", package="inference", syntax="proto3")
    by_name: dict[str, Any] = {}
    # An outer message comes before those in it.
    for name in sorted(MESSAGES, key=lambda name: name.count(".")):
        outer, _, inner = name.partition(".")
        by_name[name] = by_name[outer].nested_type.add(name=inner) if inner else file.message_type.add(name=outer)
    for name, fields in MESSAGES.items():
        for field in filter(None, fields.split(", ")):
            _add_field(by_name[name], name, *field.split(" "))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}")) for name in MESSAGES}


def _add_field(message: Any, message_name: str, number: str, kind: str, name: str) -> None:
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.startswith("<"):
        entry_name = f"{name.title().replace('_', '')}Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add_field(entry, "", "1", "string", "key")
        _add_field(entry, message_name, "2", kind[1:-1], "value")
        field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
        field.type_name = f".inference.{message_name}.{entry_name}"
        return
    if kind.startswith("*"):
        field.label = _Field.LABEL_REPEATED
    if kind.startswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    kind = kind.lstrip("*|")
    if kind in _SCALARS:
        field.type = getattr(_Field, f"TYPE_{kind.upper()}")
        return
    field.type = _Field.TYPE_MESSAGE
    nested = f"{message_name.partition('.')[0]}.{kind}"
    field.type_name = f".inference.{nested if nested in MESSAGES else kind}"
