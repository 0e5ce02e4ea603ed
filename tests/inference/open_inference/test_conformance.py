"""Answers and messages, held against what the Open Inference Protocol has published."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dataml.inference.open_inference import open_inference_pb2 as pb
from tests.client import Client
from tests.inference.open_inference.published import MESSAGES, METHODS, PATHS, message_classes, schema
from tests.inference.open_inference.samples import json_inputs, make_rows, train_predictor

PUBLISHED = message_classes()
# Optional, and nothing here has any; a client skips what it does not get.
LEFT_OUT = {("ModelMetadataResponse", "properties")}


@pytest.fixture(scope="module", params=["level", "spent"])
def model(client: Client, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A predictor of three classes, and one of numbers."""
    return train_predictor(client, f"published {request.param}", request.param)


def problems(name: str, answer: Any) -> list[str]:
    """Return in what a JSON value differs from a published schema."""
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(answer)]


def test_schemas_find_what_is_wrong() -> None:
    for name in ("metadata_server_response", "metadata_model_response", "inference_response", "inference_request"):
        assert problems(name, {})
    wrong = {"model_name": "a", "outputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [None]}]}
    assert problems("inference_response", wrong)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_published_path_answers_by_its_schema(
    client: Client, model: dict[str, Any], method: str, path: str
) -> None:
    url = path.format(name=model["url_name"], version="1")
    body = {"id": "42", "inputs": json_inputs(make_rows(3)), "outputs": [{"name": "prediction"}]}
    answer = client.request(method, url, **({"json": body} if method == "post" else {}))
    assert answer.status_code == 200, answer.text
    name = PATHS[method, path]
    assert name is None or problems(name, answer.json()) == []
    assert client.request(method, url.replace("/versions/1", ""), json=body if method == "post" else None).is_success


@pytest.mark.parametrize("rows", [1, 20])
def test_outputs_of_whole_rows_are_by_the_schema(client: Client, model: dict[str, Any], rows: int) -> None:
    """All outputs that the metadata name; rows with missing values are told by a text, and not by null."""
    metadata = client.get(f"/v2/models/{model['url_name']}").json()
    names = [{"name": output["name"]} for output in metadata["outputs"]]
    request = {"id": "42", "inputs": json_inputs(make_rows(rows)), "outputs": names, "parameters": {}}
    answer = client.post(f"/v2/models/{model['url_name']}/infer", json=request)
    assert answer.status_code == 200, answer.text
    assert problems("inference_response", answer.json()) == []
    body = answer.json()
    assert (body["model_name"], body["id"]) == (model["url_name"], "42")
    for output in body["outputs"]:
        size = 1
        for length in output["shape"]:
            size *= length
        assert len(output["data"]) == size, output["name"]


def test_a_published_request_is_read(client: Client, model: dict[str, Any]) -> None:
    """With rows that have every value, so that the request itself is one by the schema."""
    complete = [row for row in make_rows(40) if None not in row.values()]
    request = {"inputs": json_inputs(complete)}
    assert problems("inference_request", request) == []
    assert client.post(f"/v2/models/{model['url_name']}/infer", json=request).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "/v2/models/nobody", None),
        ("get", "/v2/models/nobody/ready", None),
        ("get", "/v2/nothing", None),
        ("post", "/v2/models/nobody/infer", {"inputs": []}),
        ("post", "/v2/models/{name}/infer", {}),
        ("post", "/v2/models/{name}/infer", {"inputs": [{"name": "a"}]}),
        ("post", "/v2/models/{name}/versions/9/infer", {"inputs": []}),
    ],
)
def test_errors_are_by_the_schema(client: Client, model: dict[str, Any], method: str, path: str, body: Any) -> None:
    answer = client.request(method, path.format(name=model["url_name"]), json=body)
    assert 400 <= answer.status_code < 500
    assert problems("error_response", answer.json()) == []


def test_errors_without_a_token_are_by_the_schema(anonymous: Client) -> None:
    answer = anonymous.get("/v2")
    assert answer.status_code == 401
    assert problems("error_response", answer.json()) == []


def descriptor_of(name: str) -> Any:
    """Return the descriptor of our message of this name."""
    outer, _, inner = name.partition(".")
    descriptor = getattr(pb, outer).DESCRIPTOR
    return descriptor.nested_types_by_name[inner] if inner else descriptor


def wire_format(descriptor: Any) -> dict[str, tuple[Any, ...]]:
    """Return what decides how the fields of a message are written, by their names."""
    return {
        field.name: (
            field.number,
            field.type,
            field.is_repeated,
            field.message_type and field.message_type.full_name,
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in descriptor.fields
    }


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_published_ones(name: str) -> None:
    published = wire_format(PUBLISHED[name].DESCRIPTOR)
    expected = {field: facts for field, facts in published.items() if (name, field) not in LEFT_OUT}
    assert wire_format(descriptor_of(name)) == expected
    assert descriptor_of(name).full_name == f"inference.{name}"


def test_methods_are_the_published_ones() -> None:
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert service.full_name == "inference.GRPCInferenceService"
    methods = {
        (m.name, m.input_type.name, m.output_type.name, m.client_streaming, m.server_streaming) for m in service.methods
    }
    assert methods == {(name, f"{name}Request", f"{name}Response", False, False) for name in METHODS}


def test_messages_of_the_published_kind_are_read_and_written() -> None:
    """With bytes between, both ways, and every field of an inference in use."""
    theirs = PUBLISHED["ModelInferRequest"](model_name="m", model_version="2", id="42", raw_input_contents=[b"\0\1"])
    tensor = theirs.inputs.add(name="age", datatype="INT64", shape=[2, 1])
    tensor.contents.int64_contents.extend([-1, 2**62])
    tensor.contents.fp32_contents.append(0.5)
    tensor.contents.bytes_contents.append(b"\xff")
    tensor.parameters["binary_data"].bool_param = True
    theirs.outputs.add(name="prediction").parameters["n"].int64_param = -3
    theirs.parameters["threshold"].double_param = 0.25
    theirs.parameters["size"].uint64_param = 2**64 - 1
    ours = pb.ModelInferRequest.FromString(theirs.SerializeToString())
    assert (ours.model_name, ours.id, list(ours.inputs[0].contents.int64_contents)) == ("m", "42", [-1, 2**62])
    assert ours.parameters["threshold"].double_param == 0.25
    assert PUBLISHED["ModelInferRequest"].FromString(ours.SerializeToString()) == theirs

    answer = pb.ModelInferResponse(model_name="m", id="42", raw_output_contents=[b"\2"])
    answer.outputs.add(name="probability", datatype="FP64", shape=[1]).contents.fp64_contents.append(0.125)
    read = PUBLISHED["ModelInferResponse"].FromString(answer.SerializeToString())
    assert (read.outputs[0].name, list(read.outputs[0].contents.fp64_contents)) == ("probability", [0.125])
    assert pb.ModelInferResponse.FromString(read.SerializeToString()) == answer

    # What our messages leave out is skipped.
    metadata = PUBLISHED["ModelMetadataResponse"](name="m", versions=["1"], properties={"a": "b"})
    assert pb.ModelMetadataResponse.FromString(metadata.SerializeToString()).versions == ["1"]
