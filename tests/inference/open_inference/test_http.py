"""The Open Inference Protocol over HTTP."""

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataml import __version__
from dataml.http.strict_json import MAX_JSON_BYTES
from tests.client import Client
from tests.conftest import log_in
from tests.inference.open_inference.samples import (
    ANY_ROW,
    DATATYPES,
    binary_body,
    json_inputs,
    make_rows,
    read_outputs,
    train_predictor,
)
from tests.sample_tenant import create_forecast, create_role, create_user
from tests.train.training import small_dataset, trained

FLOATS = {"age": "FP64", "colour": "BYTES", "price": "FP64", "member": "FP64", "joined": "BYTES"}
JSON = {"Content-Type": "application/json"}
ROW = {"age": 60, "colour": "01", "price": 12.5, "member": True, "joined": "2021-03-04"}


@pytest.fixture(scope="module")
def level(client: Client) -> dict[str, Any]:
    return train_predictor(client, "Level of customers", "level")


@pytest.fixture(scope="module")
def spent(client: Client) -> dict[str, Any]:
    return train_predictor(client, "spent", "spent")


@pytest.fixture(scope="module")
def buyer(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client), predictor_name="buyer")


def infer(client: Client, model: dict[str, Any], inputs: Any, version: str = "", **more: Any) -> Any:
    path = f"/v2/models/{model['url_name']}{f'/versions/{version}' if version else ''}/infer"
    return client.post(path, content=json.dumps({"inputs": inputs, **more}), headers=JSON)


def direct(client: Client, model: dict[str, Any], rows: Any, **more: Any) -> Any:
    return client.post(model["endpoint_url"], content=json.dumps({"instances": rows, **more}), headers=JSON)


def outputs_of(answer: Any) -> dict[str, list[Any]]:
    assert answer.status_code == 200, answer.text
    return read_outputs(answer.content, answer.headers.get("inference-header-content-length"))


def refusal(answer: Any) -> tuple[int, str]:
    assert set(answer.json()) == {"error", "code", "request_id"}, answer.text
    return answer.status_code, answer.json()["code"]


def test_server_is_live_and_ready_for_everybody(anonymous: Client) -> None:
    assert anonymous.get("/v2/health/live").json() == {"live": True}
    assert anonymous.get("/v2/health/ready/").json() == {"ready": True}


def test_server_metadata_name_the_extensions(client: Client, anonymous: Client) -> None:
    wanted = {"name": "dataml", "version": __version__, "extensions": ["binary_tensor_data"]}
    assert client.get("/v2").json() == client.get("/v2/").json() == wanted
    assert refusal(anonymous.get("/v2")) == (401, "missing_token")


def test_metadata_describe_inputs_and_outputs(client: Client, level: dict[str, Any]) -> None:
    assert level["url_name"] == "Level-of-customers"
    metadata = client.get("/v2/models/Level-of-customers").json()
    assert metadata == {
        "name": "Level-of-customers",
        "versions": ["1"],
        "platform": "dataml",
        "inputs": [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in DATATYPES.items()],
        "outputs": [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probability", "datatype": "FP64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
            {"name": "explanation", "datatype": "BYTES", "shape": [-1]},
            {"name": "prediction_id", "datatype": "INT64", "shape": [-1]},
            {"name": "warnings", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    assert client.get("/v2/models/Level-of-customers/versions/v1").json() == metadata


def test_every_output_is_as_the_metadata_say(client: Client, level: Any, spent: Any, buyer: Any) -> None:
    for model in (level, spent, buyer):
        metadata = client.get(f"/v2/models/{model['url_name']}").json()
        names = [{"name": output["name"]} for output in metadata["outputs"]]
        inputs = [
            {"name": i["name"], "datatype": i["datatype"], "shape": [1], "data": [None]} for i in metadata["inputs"]
        ]
        answered = infer(client, model, inputs, outputs=names).json()["outputs"]
        described = [(o["name"], o["datatype"], [1, *o["shape"][1:]]) for o in metadata["outputs"]]
        assert [(o["name"], o["datatype"], o["shape"]) for o in answered] == described


def test_model_is_ready_by_its_name_and_version(client: Client, level: dict[str, Any]) -> None:
    for path in ("", "/versions/1", "/versions/v1"):
        answer = client.get(f"/v2/models/Level-of-customers{path}/ready")
        assert answer.json() == {"name": "Level-of-customers", "ready": True}


@pytest.mark.parametrize("count", [1, 1000])
def test_rows_are_predicted_as_by_the_direct_route(client: Client, level: dict[str, Any], count: int) -> None:
    rows = make_rows(count)
    wanted = direct(client, level, rows).json()["predictions"]
    outputs = outputs_of(infer(client, level, json_inputs(rows), parameters={"probabilities": True}))
    assert list(outputs) == ["prediction", "probability", "probabilities"]
    assert outputs["prediction"] == [row["prediction"] for row in wanted]
    assert outputs["probability"] == [row["probability"] for row in wanted]
    assert outputs["probabilities"] == [value for row in wanted for value in row["probabilities"].values()]


@pytest.mark.parametrize(("count", "encoding"), [(1, None), (1, "gzip"), (1, "deflate"), (1000, "gzip")])
def test_bytes_are_predicted_as_json(client: Client, level: dict[str, Any], count: int, encoding: str | None) -> None:
    rows = make_rows(count)
    headers, body = binary_body(rows, FLOATS, parameters={"binary_data_output": True})
    if encoding is not None:
        headers["Content-Encoding"] = encoding
        body = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    answer = client.post("/v2/models/Level-of-customers/infer", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert outputs_of(answer) == outputs_of(infer(client, level, json_inputs(rows)))


def test_regression_answers_its_number(client: Client, spent: dict[str, Any]) -> None:
    rows = make_rows(7)
    answer = infer(client, spent, json_inputs(rows), id="42").json()
    wanted = [row["prediction"] for row in direct(client, spent, rows).json()["predictions"]]
    assert answer == {
        "model_name": "spent",
        "model_version": "1",
        "id": "42",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [7], "data": wanted}],
    }


def test_two_classes_have_their_threshold(client: Client, buyer: dict[str, Any]) -> None:
    row = {"age": 64, "colour": "red", "price": 12.5}
    inputs = json_inputs([row], {"age": "INT64", "colour": "BYTES", "price": "FP64"})
    for threshold in (0.001, 0.999):
        answer = infer(client, buyer, inputs, parameters={"threshold": threshold}).json()
        wanted = direct(client, buyer, [row], threshold=threshold).json()["predictions"][0]
        assert answer["parameters"] == {"positive_class": "true", "threshold": threshold}
        assert answer["outputs"][0] == {
            "name": "prediction",
            "datatype": "BOOL",
            "shape": [1],
            "data": [wanted["prediction"]],
        }


def test_explanation_is_that_of_the_direct_route(client: Client, level: dict[str, Any]) -> None:
    wanted = [row["explanation"] for row in direct(client, level, [ROW, ROW], explain=True).json()["predictions"]]
    by_parameter = outputs_of(infer(client, level, json_inputs([ROW, ROW]), parameters={"explain": True}))
    by_name = outputs_of(infer(client, level, json_inputs([ROW, ROW]), outputs=[{"name": "explanation"}]))
    assert list(by_parameter) == ["prediction", "probability", "explanation"]
    assert [json.loads(text) for text in by_parameter["explanation"]] == wanted
    assert by_name == {"explanation": by_parameter["explanation"]}


def test_only_requested_outputs_are_answered(client: Client, level: dict[str, Any]) -> None:
    wanted = [
        {"name": "warnings", "parameters": {"binary_data": True}},
        {"name": "prediction_id", "parameters": {"binary_data": False}},
        {"name": "prediction"},
        {"name": "probabilities", "parameters": {"content_type": "np"}},
    ]
    row = ROW | {"colour": "never seen"}
    answer = infer(client, level, json_inputs([row]), outputs=wanted, parameters={"binary_data_output": True})
    outputs = outputs_of(answer)
    assert list(outputs) == ["warnings", "prediction_id", "prediction", "probabilities"]
    assert json.loads(outputs["warnings"][0])[0]["code"] == "unseen_category"
    head = json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])
    assert ["data" in output for output in head["outputs"]] == [False, True, False, False]
    assert json.loads(head["outputs"][3]["parameters"]["classes"]) == ["high", "low", "mid"]
    logged = client.get("/inference/predictions", params={"train_id": level["id"], "limit": 1}).json()["data"][0]
    assert outputs["prediction_id"] == [logged["prediction_id"]]


def test_category_is_read_as_its_own_text(client: Client, level: dict[str, Any]) -> None:
    """`01` is a category, and neither its number nor a code of it."""
    answers = {}
    for colour in ("01", "1", "rot"):
        inputs = json_inputs([ROW | {"colour": colour}])
        answers[colour] = outputs_of(infer(client, level, inputs, outputs=[{"name": "warnings"}]))["warnings"][0]
    assert answers["01"] == answers["rot"] == "[]"
    assert json.loads(answers["1"])[0]["code"] == "unseen_category"


@pytest.mark.parametrize(
    "column",
    [
        {"datatype": "FP32", "data": [60.0]},
        {"datatype": "UINT8", "data": [60]},
        {"datatype": "BYTES", "data": ["60"], "parameters": {"content_type": "str"}},
        {"datatype": "INT32", "shape": [1, 1], "data": [[60]], "parameters": {"content_type": "np"}},
    ],
)
def test_contract_reads_a_column_of_another_datatype(client: Client, level: dict[str, Any], column: Any) -> None:
    inputs = json_inputs([ROW])
    changed = [{"name": "age", "shape": [1]} | column, *inputs[1:]]
    answer = infer(client, level, changed, parameters={"content_type": "pd"}, model_name="x", id=None, outputs=None)
    assert outputs_of(answer) == outputs_of(infer(client, level, inputs))


def test_missing_value_has_one_meaning(client: Client, level: dict[str, Any]) -> None:
    wanted = outputs_of(infer(client, level, json_inputs([dict.fromkeys(DATATYPES)])))
    empty = json_inputs(
        [{"age": float("nan"), "colour": "", "price": float("nan"), "member": "", "joined": ""}], FLOATS
    )
    empty[3]["datatype"] = "BYTES"
    assert "NaN" in json.dumps(empty)
    assert outputs_of(infer(client, level, empty)) == wanted


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"shape": [2]}, "wrong_tensor_data"),
        ({"shape": [1, 2]}, "wrong_shape"),
        ({"shape": []}, "wrong_shape"),
        ({"shape": [0], "data": []}, "wrong_shape"),
        ({"shape": [2], "data": [1, 2]}, "wrong_shape"),
        ({"shape": [1.0]}, "invalid_request"),
        ({"datatype": "INT63"}, "unknown_datatype"),
        ({"datatype": "BYTES"}, "wrong_tensor_data"),
        ({"data": None}, "wrong_tensor_data"),
        ({"data": [2**64]}, "wrong_tensor_data"),
        ({"data": ["x"], "datatype": "BYTES"}, "not_an_integer"),
        ({"data": [0.5], "datatype": "FP64"}, "not_an_integer"),
        ({"data": [float("inf")], "datatype": "FP64"}, "not_finite"),
        ({"data": [2**64 - 1], "datatype": "UINT64"}, "out_of_range"),
        ({"name": "agee"}, "invalid_fields"),
        ({"name": "colour"}, "duplicate_tensor"),
        ({"parameters": {"content_type": "base64"}}, "invalid_request"),
        ({"parameters": {"binary_data_size": 8}}, "wrong_tensor_data"),
        ({"parameters": {"binary_data_size": 8}, "data": None}, "wrong_tensor_data"),
        ({"parameters": {"binary_data_size": -1}, "data": None}, "invalid_request"),
    ],
)
def test_wrong_tensor_is_refused(client: Client, level: dict[str, Any], changes: Any, code: str) -> None:
    first, *others = json_inputs([ROW])
    assert refusal(infer(client, level, [first | changes, *others])) == (422, code)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"outputs": [{"name": "predictions"}]}, (422, "unknown_output")),
        ({"outputs": [{"name": "prediction", "parameters": {"classification": 2}}]}, (422, "invalid_request")),
        ({"parameters": {"probabilites": True}}, (422, "invalid_request")),
        ({"parameters": {"threshold": 0.5}}, (422, "only_with_two_classes")),
        ({"parameters": {"sequence_id": 3}}, (422, "invalid_request")),
        ({"parameters": {"priority": 1, "timeout": 5}}, None),
        ({"inputs": []}, (422, "invalid_request")),
        ({"more": 1}, (422, "invalid_request")),
    ],
)
def test_request_is_read_strictly(client: Client, level: dict[str, Any], changes: Any, refused: Any) -> None:
    body = {"inputs": json_inputs([ROW])} | changes
    answer = client.post("/v2/models/Level-of-customers/infer", json=body)
    assert (refusal(answer) if answer.status_code != 200 else None) == refused


def test_wrong_row_is_named(client: Client, level: dict[str, Any]) -> None:
    answer = infer(client, level, json_inputs([ROW, ROW | {"joined": "yesterday"}]))
    assert refusal(answer) == (422, "not_a_date")
    assert answer.json()["error"].startswith("Row 1, counted from 0: Feature 'joined': ")


def test_limits_are_those_of_the_direct_route(client: Client, level: dict[str, Any]) -> None:
    assert refusal(infer(client, level, json_inputs([ROW] * 1001))) == (422, "too_many_rows")
    many = json_inputs([ROW] * 101)
    assert refusal(infer(client, level, many, parameters={"explain": True})) == (422, "too_many_to_explain")
    assert outputs_of(infer(client, level, many, parameters={"explain": True}, outputs=[{"name": "prediction"}]))
    body = b'{"inputs": "' + b"a" * MAX_JSON_BYTES + b'"}'
    for content, headers in ((body, JSON), (gzip.compress(body), JSON | {"Content-Encoding": "gzip"})):
        answer = client.post("/v2/models/Level-of-customers/infer", content=content, headers=headers)
        assert refusal(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Content-Type": "text/plain"}, (415, "unsupported_media")),
        ({"Content-Encoding": "br"}, (415, "unsupported_encoding")),
        ({"Content-Encoding": "gzip"}, (422, "invalid_compression")),
        *[
            ({"Inference-Header-Content-Length": length}, (422, "wrong_json_length"))
            for length in ("", "-1", "9999", "x", "9" * 30, "1_0")
        ],
        ({"Inference-Header-Content-Length": "0"}, (422, "invalid_json")),
        ({"Inference-Header-Content-Length": "16"}, (422, "wrong_tensor_data")),
    ],
)
def test_wrong_headers_are_refused(client: Client, level: Any, headers: dict[str, str], refused: Any) -> None:
    body = b'{"inputs": [{"name": "age", "shape": [1], "datatype": "INT64", "data": [1]}]}'
    if headers.get("Inference-Header-Content-Length") == "16":
        headers = {"Inference-Header-Content-Length": str(len(body))}
        body += b"more"
    answer = client.post("/v2/models/Level-of-customers/infer", content=body, headers=headers)
    assert refusal(answer) == refused


def test_cut_off_compression_is_refused(client: Client, level: dict[str, Any]) -> None:
    body = gzip.compress(json.dumps({"inputs": json_inputs([ROW])}).encode())
    for content in (body[:-9], body + b"x"):
        answer = client.post(
            "/v2/models/Level-of-customers/infer", content=content, headers=JSON | {"Content-Encoding": "gzip"}
        )
        assert refusal(answer) == (422, "invalid_compression")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Level-of-customer", "predictor_not_found"),
        ("%00", "predictor_not_found"),
        ("Level-of-customers/versions/2", "version_not_found"),
        ("Level-of-customers/versions/v0", "version_not_found"),
        ("Level-of-customers/versions/99999999999999999999", "version_not_found"),
        ("nothing/versions/1", "predictor_not_found"),
        ("%00/versions/1", "predictor_not_found"),
    ],
)
def test_unknown_model_is_not_found(client: Client, level: dict[str, Any], path: str, code: str) -> None:
    body = {"inputs": json_inputs([ROW])}
    answers = [
        client.get(f"/v2/models/{path}"),
        client.get(f"/v2/models/{path}/ready"),
        client.post(f"/v2/models/{path}/infer", json=body),
    ]
    assert [refusal(answer) for answer in answers] == [(404, code)] * 3
    if path == "Level-of-customer":
        assert "did you mean 'Level-of-customers'?" in answers[2].json()["error"]


def test_version_is_chosen_by_its_number(client: Client) -> None:
    train_predictor(client, "versioned", "level")
    row = train_predictor(client, "versioned", "level", new_version=True)
    assert row["version"] == 2
    for version, wanted in {"": "2", "1": "1", "v1": "1", "2": "2"}.items():
        answer = infer(client, row, json_inputs([ROW]), version)
        assert answer.json()["model_version"] == wanted
        by_id = client.post("/inference/", json={"train_id": row["id"] - 2 + int(wanted), "features": ROW}).json()
        assert answer.json()["outputs"][1]["data"] == [by_id["probability"]]
    assert client.get("/v2/models/versioned").json()["versions"] == ["1", "2"]


def test_alias_and_routing_key_choose_a_version(client: Client) -> None:
    for _ in range(2):
        row = train_predictor(client, "aliased", "level", new_version=True)
    client.request("PUT", "/predictors/aliased/aliases/challenger", json={"version": 1})
    answers = [infer(client, row, json_inputs([ROW]), version) for version in ("challenger", "champion", "")]
    assert [answer.json()["model_version"] for answer in answers] == ["1", "2", "2"]
    assert client.get("/v2/models/aliased/versions/challenger/ready").status_code == 200
    split = [{"version": 1, "weight": 50}, {"version": 2, "weight": 50}]
    assert client.request("PUT", "/predictors/aliased/traffic", json={"split": split}).status_code == 200
    path, body = "/v2/models/aliased/infer", {"inputs": json_inputs([ROW])}
    by_key = [
        {client.post(path, json=body, headers={"X-Routing-Key": key}).json()["model_version"] for _ in range(3)}
        for key in "abcdefgh"
    ]
    assert {len(versions) for versions in by_key} == {1}
    assert set.union(*by_key) == {"1", "2"}


def test_other_tenant_and_wrong_token_see_nothing(anonymous: Client, stranger: Client, level: dict[str, Any]) -> None:
    body = {"inputs": json_inputs([ROW])}
    path = "/v2/models/Level-of-customers"
    for other in (path, f"{path}/ready"):
        assert refusal(stranger.get(other)) == (404, "predictor_not_found")
    assert refusal(stranger.post(f"{path}/infer", json=body)) == (404, "predictor_not_found")
    assert refusal(stranger.post(f"{path}/versions/1/infer", json=body)) == (404, "predictor_not_found")
    for user, code in ((anonymous, "missing_token"), (wrong_token(anonymous), "invalid_token")):
        answer = user.post(f"{path}/infer", json=body)
        assert refusal(answer) == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"


def wrong_token(client: Client) -> Client:
    return Client(client.app, client.portal, {"Authorization": "Bearer nothing"})


def test_api_key_predicts_and_another_permission_does_not(client: Client, level: dict[str, Any]) -> None:
    for permission, refused in (("can_predict", None), ("can_view", (403, "missing_permission"))):
        made = client.post("/api-keys", json={"name": "of a service", "permissions": [permission]}).json()
        service = Client(client.app, client.portal, {"Authorization": f"Bearer {made['key']}"})
        answer = infer(service, level, json_inputs([ROW]))
        assert (refusal(answer) if answer.status_code != 200 else None) == refused


def test_forecast_has_metadata_and_another_call(client: Client) -> None:
    name = create_forecast(client)["forecast_name"]
    assert client.get(f"/v2/models/{name}").json()["outputs"] == []
    assert client.get(f"/v2/models/{name}/ready").status_code == 200
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": json_inputs([ROW])})
    assert refusal(answer) == (409, "wrong_problem_type")
    assert "POST /api/v1/inference/forecast" in answer.json()["error"]


def test_unknown_path_and_method_are_errors_of_the_protocol(client: Client) -> None:
    assert refusal(client.get("/v2/nothing")) == (404, "not_found")
    assert refusal(client.post("/v2/models/x/versions/1/infer/more")) == (404, "not_found")
    assert refusal(client.get("/v2/models/x/infer")) == (405, "method_not_allowed")
    assert refusal(client.get("/v2/health/live", params={"a": 1})) == (422, "unknown_parameter")
    assert refusal(client.post("/v2/models/x/infer", params={"a": 1})) == (422, "unknown_parameter")


SAMPLES: dict[str, Any] = {
    "inference_rest.md": {
        "id": "42",
        "inputs": [
            {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "data": [1, 2, 3, 4]},
            {"name": "input1", "shape": [3], "datatype": "BOOL", "data": [True]},
        ],
        "outputs": [{"name": "output0"}],
    },
    "extension_binary_data.md": {
        "model_name": "mymodel",
        "inputs": [
            {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "parameters": {"binary_data_size": 16}},
            {"name": "input1", "shape": [3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}},
        ],
        "outputs": [{"name": "output0", "parameters": {"binary_data": True}}],
    },
}


@pytest.mark.parametrize("name", SAMPLES)
def test_published_samples_are_read_up_to_their_shapes(client: Client, level: dict[str, Any], name: str) -> None:
    """Their form is taken: what is refused is a tensor of two columns, which no model here has."""
    head = json.dumps(SAMPLES[name]).encode()
    has_bytes = "binary" in name
    headers = {"Inference-Header-Content-Length": str(len(head))} if has_bytes else JSON
    body = head + bytes(19) if has_bytes else head
    answer = client.post("/v2/models/Level-of-customers/infer", content=body, headers=headers)
    assert refusal(answer) == (422, "wrong_shape")
    assert "'input0' has the shape [2, 2]" in answer.json()["error"]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(ANY_ROW, min_size=1, max_size=4))
def test_any_rows_are_answered_as_by_the_direct_route(client: Client, level: Any, rows: Any) -> None:
    wanted, answer = direct(client, level, rows), infer(client, level, json_inputs(rows))
    assert answer.status_code == wanted.status_code
    if answer.status_code == 200:
        outputs = outputs_of(answer)
        predictions = wanted.json()["predictions"]
        assert outputs["prediction"] == [row["prediction"] for row in predictions]
        assert outputs["probability"] == [row["probability"] for row in predictions]
    else:
        index = wanted.json()["detail"][0]["loc"][2]
        assert answer.json()["error"].startswith(f"Row {index}, counted from 0: ")
        assert all(field["msg"] in answer.json()["error"] for field in wanted.json()["detail"])


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_any_bytes_are_answered_without_a_mistake(client: Client, level: Any, data: Any) -> None:
    headers, body = binary_body([ROW], FLOATS)
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "add"]))
        if kind == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif kind == "cut" and at:
            del changed[at:]
        else:
            changed[at:at] = data.draw(st.binary(max_size=9))
    if data.draw(st.booleans()):
        headers["Inference-Header-Content-Length"] = str(data.draw(st.integers(0, len(changed) + 2)))
    answer = client.post("/v2/models/Level-of-customers/infer", content=bytes(changed), headers=headers)
    assert answer.status_code in (200, 413, 415, 422), answer.text
    if answer.status_code != 200:
        refusal(answer)


def test_user_without_the_permission_is_refused(client: Client, level: dict[str, Any]) -> None:
    user = create_user(client, roles=[create_role(client, "can_view")["name"]])
    assert refusal(infer(log_in(client, user["username"]), level, json_inputs([ROW]))) == (403, "missing_permission")
