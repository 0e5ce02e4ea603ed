"""The Open Inference Protocol over gRPC, by a real server and a real channel."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataml import __version__
from dataml.errors import StartupError, Unavailable
from dataml.http.strict_json import MAX_JSON_BYTES
from dataml.inference.open_inference import open_inference_pb2 as pb
from dataml.inference.open_inference.grpc_server import OpenInferenceServer
from dataml.inference.open_inference.service import OpenInferenceService
from dataml.metrics.definitions import HTTP_REQUESTS
from tests.client import Client
from tests.conftest import Platform
from tests.inference.open_inference.samples import (
    ANY_ROW,
    DATATYPES,
    make_rows,
    raw_column,
    read_raw,
    train_predictor,
)
from tests.sample_tenant import create_forecast

SERVICE = "inference.GRPCInferenceService"
FLOATS = {"age": "FP64", "colour": "BYTES", "price": "FP64", "member": "FP64", "joined": "BYTES"}
CONTENTS = {"INT64": "int64_contents", "FP64": "fp64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
ROW = {"age": 60, "colour": "01", "price": 12.5, "member": True, "joined": "2021-03-04"}
NAME = "Level-of-customers"


class Caller:
    """A user of the server at a port."""

    def __init__(self, port: int, authorization: str | None = None, *metadata: tuple[str, str]) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._metadata = (*metadata, *((("authorization", authorization),) if authorization else ()))

    def call(self, method: str, message: Any) -> Any:
        """Send a message, or bytes that may be none; return the response."""
        answered = getattr(pb, f"{method}Response")
        send = self._channel.unary_unary(f"/{SERVICE}/{method}", response_deserializer=answered.FromString)
        body = message if isinstance(message, bytes) else message.SerializeToString()
        return send(body, metadata=self._metadata, timeout=60)

    def refusal(self, method: str, message: Any) -> tuple[grpc.StatusCode, str | None]:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, message)
        error: Any = caught.value
        return error.code(), dict(error.trailing_metadata()).get("dataml-code")

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="module")
def service(platform: Platform) -> OpenInferenceService:
    gateway: Any = platform.client.app
    return gateway.open_inference.calls


@pytest.fixture(scope="module")
def port(platform: Platform, service: OpenInferenceService) -> Iterator[int]:
    portal = platform.client.portal

    async def start() -> OpenInferenceServer:
        server = OpenInferenceServer(service, "127.0.0.1", 0)
        await server.start()
        return server

    server = portal.call(start)
    yield server.port
    portal.call(server.stop, 1.0)


@pytest.fixture(scope="module")
def callers(platform: Platform, port: int, stranger: Client) -> Iterator[dict[str, Caller]]:
    tokens = {
        "client": platform.client.headers["Authorization"],
        "stranger": stranger.headers["Authorization"],
        "wrong": "Bearer nothing",
        "nobody": None,
    }
    callers = {name: Caller(port, token) for name, token in tokens.items()}
    yield callers
    for caller in callers.values():
        caller.close()


@pytest.fixture(scope="module")
def caller(callers: dict[str, Caller]) -> Caller:
    return callers["client"]


@pytest.fixture(scope="module")
def level(client: Client) -> dict[str, Any]:
    return train_predictor(client, "Level of customers", "level")


def raw_request(rows: Any, version: str = "", datatypes: Any = FLOATS, **fields: Any) -> pb.ModelInferRequest:
    """Return a request with raw contents."""
    request = pb.ModelInferRequest(model_name=NAME, model_version=version, **fields)
    for name, datatype in datatypes.items():
        request.inputs.add(name=name, datatype=datatype, shape=[len(rows), 1])
        request.raw_input_contents.append(raw_column(datatype, [row[name] for row in rows]))
    return request


def typed_request(rows: Any, **fields: Any) -> pb.ModelInferRequest:
    """Return a request whose elements are in the fields of their datatypes; missing ones are text."""
    request = pb.ModelInferRequest(model_name=NAME, **fields)
    for name, datatype in DATATYPES.items():
        values = [row[name] for row in rows]
        if datatype == "BYTES" or None in values:
            texts = ["" if value is None else str(value).encode() for value in values]
            contents = pb.InferTensorContents(bytes_contents=[t.encode() if isinstance(t, str) else t for t in texts])
            datatype = "BYTES"
        else:
            contents = pb.InferTensorContents()
            getattr(contents, CONTENTS[datatype]).extend(values)
        request.inputs.add(name=name, datatype=datatype, shape=[len(rows)], contents=contents)
    return request


def outputs_of(response: Any) -> dict[str, list[Any]]:
    outputs = {}
    for index, output in enumerate(response.outputs):
        if response.raw_output_contents:
            outputs[output.name] = read_raw(output.datatype, response.raw_output_contents[index])
        else:
            values = list(getattr(output.contents, CONTENTS[output.datatype]))
            outputs[output.name] = [value.decode() for value in values] if output.datatype == "BYTES" else values
    return outputs


def direct(client: Client, model: dict[str, Any], rows: Any) -> Any:
    return client.post(model["endpoint_url"], json={"instances": rows})


def test_server_is_live_and_ready_for_everybody(callers: dict[str, Caller]) -> None:
    assert callers["nobody"].call("ServerLive", pb.ServerLiveRequest()).live
    assert callers["nobody"].call("ServerReady", pb.ServerReadyRequest()).ready


def test_metadata_are_those_of_http(client: Client, caller: Caller, level: dict[str, Any]) -> None:
    server = caller.call("ServerMetadata", pb.ServerMetadataRequest())
    assert (server.name, server.version, list(server.extensions)) == ("dataml", __version__, ["binary_tensor_data"])
    model = caller.call("ModelMetadata", pb.ModelMetadataRequest(name=NAME, version="1"))
    described = client.get(f"/v2/models/{NAME}").json()
    assert (model.name, list(model.versions), model.platform) == (NAME, ["1"], "dataml")
    for side in ("inputs", "outputs"):
        tensors = [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in getattr(model, side)]
        assert tensors == described[side]


@pytest.mark.parametrize(("count", "is_raw"), [(1, True), (1, False), (1000, True), (100, False)])
def test_rows_are_predicted_as_by_the_direct_route(
    client: Client, caller: Caller, level: dict[str, Any], count: int, is_raw: bool
) -> None:
    rows = make_rows(count)
    wanted = direct(client, level, rows).json()["predictions"]
    parameters = {"probabilities": pb.InferParameter(bool_param=True)}
    request = (raw_request if is_raw else typed_request)(rows, id="42", parameters=parameters)
    response = caller.call("ModelInfer", request)
    assert (response.model_name, response.model_version, response.id) == (NAME, "1", "42")
    outputs = outputs_of(response)
    assert outputs["prediction"] == [row["prediction"] for row in wanted]
    assert outputs["probability"] == [row["probability"] for row in wanted]
    assert outputs["probabilities"] == [value for row in wanted for value in row["probabilities"].values()]
    assert response.outputs[2].parameters["classes"].string_param == '["high","low","mid"]'


def test_each_datatype_has_its_contents(caller: Caller, level: dict[str, Any]) -> None:
    wanted = outputs_of(caller.call("ModelInfer", typed_request([ROW])))
    fields = {
        **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
        **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
        "UINT64": "uint64_contents",
        "FP32": "fp32_contents",
    }
    for datatype, field in fields.items():
        request = typed_request([ROW])
        request.inputs[0].datatype = datatype
        request.inputs[0].ClearField("contents")
        getattr(request.inputs[0].contents, field).append(60)
        assert outputs_of(caller.call("ModelInfer", request)) == wanted
    request = raw_request([ROW])
    request.inputs[0].datatype = "FP16"
    request.raw_input_contents[0] = np.array([60], "<f2").tobytes()
    assert outputs_of(caller.call("ModelInfer", request)) == wanted


def test_requested_outputs_are_answered_in_order(caller: Caller, level: dict[str, Any]) -> None:
    request = typed_request([ROW, ROW])
    for name in ("prediction_id", "explanation"):
        request.outputs.add(name=name)
    outputs = outputs_of(caller.call("ModelInfer", request))
    assert list(outputs) == ["prediction_id", "explanation"]
    assert len(set(outputs["prediction_id"])) == 2
    request.outputs.add(name="nothing")
    assert caller.refusal("ModelInfer", request) == (grpc.StatusCode.INVALID_ARGUMENT, "unknown_output")


def _with(change: Any) -> pb.ModelInferRequest:
    request = typed_request([ROW])
    change(request)
    return request


WRONG: dict[str, Any] = {
    "wrong_shape": lambda r: r.inputs[0].shape.append(2),
    "wrong_tensor_data": lambda r: r.inputs[0].contents.int64_contents.append(2),
    "unknown_datatype": lambda r: setattr(r.inputs[0], "datatype", "int"),
    "duplicate_tensor": lambda r: setattr(r.inputs[0], "name", "price"),
    "invalid_fields": lambda r: setattr(r.inputs[0], "name", "agee"),
    "not_a_date": lambda r: r.inputs[4].contents.CopyFrom(pb.InferTensorContents(bytes_contents=[b"x"])),
    "invalid_request": lambda r: r.parameters["explian"].CopyFrom(pb.InferParameter(bool_param=True)),
    "only_with_two_classes": lambda r: r.parameters["threshold"].CopyFrom(pb.InferParameter(double_param=0.5)),
}
WRONG_DATA: dict[str, Any] = {
    "another field": lambda r: setattr(r.inputs[0], "datatype", "FP64"),
    "raw contents too": lambda r: r.raw_input_contents.extend([b""] * 5),
    "too few raw contents": lambda r: r.raw_input_contents.append(b""),
    "too large": lambda r: (
        setattr(r.inputs[0], "datatype", "INT8"),
        r.inputs[0].contents.CopyFrom(pb.InferTensorContents(int_contents=[300])),
    ),
    "no UTF-8": lambda r: r.inputs[1].contents.CopyFrom(pb.InferTensorContents(bytes_contents=[b"\xff"])),
    "FP16 that is not raw": lambda r: setattr(r.inputs[0], "datatype", "FP16"),
    "none": lambda r: r.inputs[0].contents.Clear(),
}


@pytest.mark.parametrize("code", WRONG)
def test_wrong_request_is_refused(caller: Caller, level: dict[str, Any], code: str) -> None:
    assert caller.refusal("ModelInfer", _with(WRONG[code])) == (grpc.StatusCode.INVALID_ARGUMENT, code)


@pytest.mark.parametrize("name", WRONG_DATA)
def test_wrong_data_are_refused(caller: Caller, level: dict[str, Any], name: str) -> None:
    refused = caller.refusal("ModelInfer", _with(WRONG_DATA[name]))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "wrong_tensor_data")


def test_request_without_inputs_is_refused(caller: Caller, level: dict[str, Any]) -> None:
    refused = caller.refusal("ModelInfer", pb.ModelInferRequest(model_name=NAME))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


def test_limits_are_those_of_http(caller: Caller, level: dict[str, Any]) -> None:
    refused = caller.refusal("ModelInfer", typed_request([ROW] * 1001))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "too_many_rows")
    large = pb.ModelInferRequest(model_name="a" * (MAX_JSON_BYTES + 1))
    assert caller.refusal("ModelInfer", large)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_versions_are_chosen_and_unknown_ones_refused(caller: Caller, level: dict[str, Any]) -> None:
    assert caller.call("ModelInfer", raw_request([ROW], "v1")).model_version == "1"
    assert caller.call("ModelReady", pb.ModelReadyRequest(name=NAME, version="1")).ready
    not_found = grpc.StatusCode.NOT_FOUND
    assert caller.refusal("ModelInfer", raw_request([ROW], "2")) == (not_found, "version_not_found")
    assert caller.refusal("ModelReady", pb.ModelReadyRequest(name="no")) == (not_found, "predictor_not_found")
    assert caller.refusal("ModelMetadata", pb.ModelMetadataRequest(name="\0")) == (not_found, "predictor_not_found")


def test_alias_and_routing_key_choose_a_version(client: Client, port: int, level: dict[str, Any]) -> None:
    for _ in range(2):
        train_predictor(client, "split", "level", new_version=True)
    client.request("PUT", "/predictors/split/aliases/challenger", json={"version": 1})
    split = [{"version": 1, "weight": 50}, {"version": 2, "weight": 50}]
    assert client.request("PUT", "/predictors/split/traffic", json={"split": split}).status_code == 200
    request = typed_request([ROW])
    request.model_name = "split"
    by_key = []
    for key in "abcdefgh":
        caller = Caller(port, client.headers["Authorization"], ("x-routing-key", key))
        by_key.append({caller.call("ModelInfer", request).model_version for _ in range(3)})
        caller.close()
    assert {len(versions) for versions in by_key} == {1}
    assert set.union(*by_key) == {"1", "2"}
    request.model_version = "challenger"
    caller = Caller(port, client.headers["Authorization"])
    assert {caller.call("ModelInfer", request).model_version for _ in range(5)} == {"1"}
    caller.close()


def test_forecast_is_ready_and_has_another_call(client: Client, caller: Caller) -> None:
    name = create_forecast(client)["forecast_name"]
    assert caller.call("ModelReady", pb.ModelReadyRequest(name=name)).ready
    request = typed_request([ROW])
    request.model_name = name
    assert caller.refusal("ModelInfer", request) == (grpc.StatusCode.FAILED_PRECONDITION, "wrong_problem_type")


def test_other_tenant_and_wrong_token_see_nothing(callers: dict[str, Caller], level: dict[str, Any]) -> None:
    messages = {
        "ModelInfer": typed_request([ROW]),
        "ModelMetadata": pb.ModelMetadataRequest(name=NAME),
        "ModelReady": pb.ModelReadyRequest(name=NAME),
    }
    for method, message in messages.items():
        assert callers["stranger"].refusal(method, message) == (grpc.StatusCode.NOT_FOUND, "predictor_not_found")
        assert callers["nobody"].refusal(method, message) == (grpc.StatusCode.UNAUTHENTICATED, "missing_token")
        assert callers["wrong"].refusal(method, message) == (grpc.StatusCode.UNAUTHENTICATED, "invalid_token")


def test_permission_is_needed(client: Client, port: int, level: dict[str, Any]) -> None:
    made = client.post("/api-keys", json={"name": "looks", "permissions": ["can_view"]}).json()
    viewer = Caller(port, f"Bearer {made['key']}")
    refused = viewer.refusal("ModelInfer", typed_request([ROW]))
    assert refused == (grpc.StatusCode.PERMISSION_DENIED, "missing_permission")
    viewer.close()


def test_errors_of_the_platform_are_not_told(
    caller: Caller, service: OpenInferenceService, level: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a secret")

    async def be_away(*_: Any) -> None:
        raise Unavailable("No model host is up.", code="no_model_host")

    monkeypatch.setattr(service, "infer", fail)
    assert caller.refusal("ModelInfer", typed_request([ROW])) == (grpc.StatusCode.INTERNAL, "internal_error")
    monkeypatch.setattr(service, "infer", be_away)
    assert caller.refusal("ModelInfer", typed_request([ROW])) == (grpc.StatusCode.UNAVAILABLE, "no_model_host")


def test_message_that_is_none_is_refused(caller: Caller) -> None:
    refused = caller.refusal("ModelInfer", b"\xff\xff\xff")
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_message")
    with pytest.raises(grpc.RpcError) as caught:
        caller._channel.unary_unary(f"/{SERVICE}/ModelTrain")(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]


def test_calls_at_once_are_all_answered(caller: Caller, level: dict[str, Any]) -> None:
    wanted = outputs_of(caller.call("ModelInfer", typed_request([ROW])))
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: caller.call("ModelInfer", typed_request([ROW])), range(24)))
    assert all(outputs_of(response) == wanted for response in responses)


def test_calls_are_counted_with_the_status_of_http(caller: Caller, level: dict[str, Any]) -> None:
    HTTP_REQUESTS.take()
    caller.call("ModelInfer", typed_request([ROW]))
    caller.refusal("ModelInfer", pb.ModelInferRequest(model_name=NAME))
    route = f"/{SERVICE}/ModelInfer"
    assert HTTP_REQUESTS.take() == {("POST", route, "200"): 1, ("POST", route, "422"): 1}


def test_long_message_is_cut(caller: Caller, level: dict[str, Any]) -> None:
    """Clients take 8 KiB of metadata."""
    request = typed_request([ROW])
    for number in range(300):
        request.inputs.add(name=f"ä{number}", datatype="BOOL", shape=[1]).contents.bool_contents.append(True)
    assert caller.refusal("ModelInfer", request) == (grpc.StatusCode.INVALID_ARGUMENT, "unknown_feature")


def test_two_servers_of_a_node_share_a_port_and_another_program_keeps_its_own(
    platform: Platform, service: OpenInferenceService, port: int
) -> None:
    portal = platform.client.portal

    async def listen(port: int) -> int:
        server = OpenInferenceServer(service, "127.0.0.1", port)
        await server.start()
        await server.stop(0)
        return server.port

    assert portal.call(listen, port) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StartupError, match="DATAML_GRPC_PORT"):
            portal.call(listen, other.getsockname()[1])


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=st.lists(ANY_ROW, min_size=1, max_size=3))
def test_any_rows_are_answered_as_by_the_direct_route(client: Client, caller: Caller, level: Any, rows: Any) -> None:
    wanted = direct(client, level, rows)
    if wanted.status_code != 200:
        assert caller.refusal("ModelInfer", typed_request(rows))[0] == grpc.StatusCode.INVALID_ARGUMENT
        return
    predictions = wanted.json()["predictions"]
    outputs = outputs_of(caller.call("ModelInfer", typed_request(rows)))
    assert outputs["prediction"] == [row["prediction"] for row in predictions]
    assert outputs["probability"] == [row["probability"] for row in predictions]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_any_message_is_answered_without_a_mistake(caller: Caller, level: Any, data: Any) -> None:
    request = (raw_request if data.draw(st.booleans()) else typed_request)([ROW])
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
    try:
        caller.call("ModelInfer", bytes(body))
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)  # type: ignore[attr-defined] # noqa: PT017
