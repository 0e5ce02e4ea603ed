"""An unmodified tritonclient, over HTTP and gRPC. It needs other versions of packages than the platform has.

`DATAML_TEST_TRITON` names a Python that has it: `make test-triton`.
"""

import json
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataml.inference.open_inference.grpc_server import OpenInferenceServer
from tests.client import Client
from tests.conftest import Platform
from tests.dataset.datasets import CHURN, create_dataset
from tests.fuzz.__main__ import served
from tests.inference.open_inference.samples import DATATYPES, make_rows, train_predictor
from tests.test_readme import ROOT, blocks
from tests.train.training import CHURN_COLUMNS, trained

PYTHON = os.environ.get("DATAML_TEST_TRITON")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(PYTHON is None, reason="DATAML_TEST_TRITON names no Python with tritonclient: make test-triton"),
]
PROGRAM = Path(__file__).with_name("triton_program.py")
NAME = "Level-of-customers"
ROW = {"age": 60, "colour": "01", "price": 12.5, "member": True, "joined": "2021-03-04"}
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["http", "grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def urls(platform: Platform) -> Iterator[dict[str, str]]:
    gateway: Any = platform.client.app

    async def start() -> OpenInferenceServer:
        server = OpenInferenceServer(gateway.open_inference.calls, "127.0.0.1", 0)
        await server.start()
        return server

    server = platform.client.portal.call(start)
    with served(platform) as (url, _):
        yield {"http": url.removeprefix("http://"), "grpc": f"127.0.0.1:{server.port}"}
    platform.client.portal.call(server.stop, 1.0)


@pytest.fixture(scope="module")
def run(protocol: str, urls: dict[str, str], client: Client) -> Run:
    """Make calls in one run of the program, by default as the administrator of the tenant."""

    def run(*calls: list[Any], user: Client | None = client) -> list[dict[str, Any]]:
        token = None if user is None else user.headers["Authorization"].removeprefix("Bearer ")
        request = {"protocol": protocol, "url": urls[protocol], "token": token, "calls": calls}
        assert PYTHON is not None
        command = [PYTHON, "-I", str(PROGRAM)]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def level(client: Client) -> dict[str, Any]:
    train_predictor(client, "Level of customers", "level")
    return train_predictor(client, "Level of customers", "level", new_version=True)


def columns_of(rows: list[dict[str, Any]]) -> dict[str, tuple[str, list[Any]]]:
    """Return the columns as a caller with missing values sends them: numbers as FP64 with NaN, the rest as text."""
    columns = {}
    for name, datatype in DATATYPES.items():
        values = [row[name] for row in rows]
        if datatype in ("INT64", "FP64"):
            columns[name] = ("FP64", [math.nan if value is None else value for value in values])
        else:
            columns[name] = ("BYTES", ["" if value is None else str(value).lower() for value in values])
    return columns


def result(answers: list[dict[str, Any]]) -> Any:
    (answer,) = answers
    assert "result" in answer, answer
    return answer["result"]


def test_server_and_model_are_ready(run: Run, level: dict[str, Any]) -> None:
    calls = [["is_live"], ["is_ready"], ["is_model_ready", NAME], ["is_model_ready", NAME, "1"], ["server"]]
    *ready, server = [answer["result"] for answer in run(*calls)]
    assert ready == [True] * 4
    assert (server["name"], server["extensions"]) == ("dataml", ["binary_tensor_data"])
    assert [answer["result"] for answer in run(["is_live"], ["is_ready"], user=None)] == [True, True]


def test_metadata_name_the_inputs(run: Run, client: Client, level: dict[str, Any]) -> None:
    described = client.get(f"/v2/models/{NAME}").json()
    assert described["versions"] == ["1", "2"]
    for version in ("", "1", "2"):
        assert result(run(["model", NAME, version])) == described


@pytest.mark.parametrize("count", [1, 1000])
def test_rows_are_predicted_as_by_the_direct_route(run: Run, client: Client, level: Any, count: int) -> None:
    rows = make_rows(count)
    wanted = client.post(level["endpoint_url"], json={"instances": rows}).json()["predictions"]
    columns, options = columns_of(rows), {"parameters": {"probabilities": True}, "request_id": "42"}
    answer = result(run(["infer", NAME, columns, options]))
    outputs = answer.pop("outputs")
    assert answer == {"model_name": NAME, "model_version": "2", "id": "42"}
    assert outputs["prediction"] == [row["prediction"] for row in wanted]
    assert outputs["probability"] == [row["probability"] for row in wanted]
    assert outputs["probabilities"] == [list(row["probabilities"].values()) for row in wanted]


def test_every_way_to_send_gives_the_same(run: Run, level: dict[str, Any]) -> None:
    typed = {name: (datatype, [ROW[name]]) for name, datatype in DATATYPES.items()}
    narrow = typed | {"age": ("INT32", [60]), "price": ("FP32", [12.5])}
    wanted = result(run(["infer", NAME, typed]))
    ways: list[list[Any]] = [
        ["infer", NAME, narrow],
        ["infer", NAME, {name: (datatype, [values]) for name, (datatype, values) in typed.items()}],
        ["infer", NAME, typed, {"compression": "gzip"}],
        ["infer", NAME, typed, {"compression": "deflate"}],
        ["infer", NAME, typed, {"is_binary": False}],
        ["infer", NAME, typed, {"outputs": ["prediction", "probability"]}],
        ["infer", NAME, typed, {"outputs": ["prediction", "probability"], "is_binary": False}],
        ["infer", NAME, typed, {"version": "2"}],
    ]
    assert [answer.get("result", answer) for answer in run(*ways)] == [wanted] * len(ways)


def test_json_with_nan_is_read(run: Run, level: dict[str, Any]) -> None:
    columns = columns_of([ROW | {"age": None, "price": None}])
    binary, as_json = run(["infer", NAME, columns], ["infer", NAME, columns, {"is_binary": False}])
    assert as_json == binary
    assert "result" in binary


def test_version_is_chosen(run: Run, client: Client, level: dict[str, Any]) -> None:
    for version, train_id in (("1", level["id"] - 1), ("v1", level["id"] - 1), ("2", level["id"])):
        answer = result(run(["infer", NAME, columns_of([ROW]), {"version": version}]))
        by_id = client.post("/inference/", json={"train_id": train_id, "features": ROW}).json()
        assert answer["model_version"] == version.removeprefix("v")
        assert answer["outputs"]["probability"] == [by_id["probability"]]


def test_explanation_is_an_output(run: Run, level: dict[str, Any]) -> None:
    outputs = result(run(["infer", NAME, columns_of([ROW]), {"outputs": ["explanation"]}]))["outputs"]
    assert set(json.loads(outputs["explanation"][0])) == set(ROW)


def test_refusals_are_read(run: Run, protocol: str, level: dict[str, Any]) -> None:
    columns = columns_of([ROW])
    missing = {name: column for name, column in columns.items() if name != "age"}
    calls: list[list[Any]] = [
        ["infer", NAME, columns, {"version": "7"}],
        ["infer", "nothing", columns],
        ["infer", NAME, columns | {"colours": ("BYTES", ["a"])}],
        ["infer", NAME, missing],
        ["infer", NAME, columns | {"age": ("BYTES", ["x"])}],
        ["infer", NAME, columns | {"age": ("FP64", [1.0, 2.0])}],
        ["infer", NAME, columns | {"age": ("FP64", [[1.0, 2.0]])}],
        ["infer", NAME, columns, {"outputs": ["predictions"]}],
        ["infer", NAME, columns_of([ROW] * 1001)],
    ]
    not_found, wrong = ("404", "422") if protocol == "http" else ("StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT")
    texts = [
        "This predictor has no such version.",
        "There is no predictor of this name.",
        "There is no feature 'colours'; did you mean 'colour'?",
        "Feature 'age': it is missing",
        "Feature 'age': it is not a whole number",
        "Tensor 'colour' has 1 rows, and 'age' has 2.",
        "Tensor 'age' has the shape [1, 2]",
        "There is no output 'predictions'; did you mean 'prediction'?",
        "At most 1,000 rows",
    ]
    answers = run(*calls)
    assert [answer["status"] for answer in answers] == [not_found] * 2 + [wrong] * 7
    for answer, text in zip(answers, texts, strict=True):
        assert text in answer["error"]


def test_examples_of_the_guide_run(client: Client, urls: dict[str, str]) -> None:
    dataset = create_dataset(client, ("churn.csv", CHURN.read_bytes()))
    trained(client, dataset["id"], predictor_name="churn", columns=CHURN_COLUMNS)
    code = blocks(ROOT / "docs/how-to/open-inference-protocol.md", "python")
    code = code.replace("127.0.0.1:8000", urls["http"]).replace("127.0.0.1:8001", urls["grpc"])
    token = client.headers["Authorization"].removeprefix("Bearer ")
    assert PYTHON is not None
    command, environment = [PYTHON, "-I", "-c", code], {**os.environ, "TOKEN": token}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    by_http, by_grpc = done.stdout.splitlines()
    assert by_http == by_grpc
    assert by_http.startswith("[")


def test_other_tenant_and_wrong_token_see_nothing(
    run: Run, protocol: str, client: Client, stranger: Client, level: dict[str, Any]
) -> None:
    calls: list[list[Any]] = [["infer", NAME, columns_of([ROW])], ["model", NAME]]
    denied = "401" if protocol == "http" else "StatusCode.UNAUTHENTICATED"
    absent = "404" if protocol == "http" else "StatusCode.NOT_FOUND"
    wrong = Client(client.app, client.portal, {"Authorization": "Bearer nothing"})
    for user, status in ((None, denied), (wrong, denied), (stranger, absent)):
        assert [answer["status"] for answer in run(*calls, user=user)] == [status] * 2
