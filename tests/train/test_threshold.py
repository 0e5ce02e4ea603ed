"""The decision threshold of two classes: of a request, kept with the model, and the default."""

import csv
import io
import json
import math
import zipfile
from typing import Any

import pytest
from httpx import Response

from dataml.inference.realtime import MODEL_CACHE_S
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.inference.series import shop_rows, trained_forecast
from tests.ml.pages import Page
from tests.train.training import small_dataset, trained

ROWS = [{"age": age, "colour": colour, "price": 5.0} for age in range(20, 80, 4) for colour in ("red", "green")]


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def to_score(client: Client) -> int:
    return small_dataset(client, usage="p")


@pytest.fixture(scope="module")
def row(client: Client, dataset_id: int) -> dict[str, Any]:
    """A completed training of the classes false and true."""
    return trained(client, dataset_id)


@pytest.fixture(autouse=True)
def default_threshold(client: Client, row: dict[str, Any]) -> None:
    assert client.request("DELETE", path_of(row)).status_code == 200


@pytest.fixture(scope="module")
def three_classes(client: Client, dataset_id: int) -> dict[str, Any]:
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "colour", "attribute_name": "Target"}]
    return trained(client, dataset_id, columns=columns)


@pytest.fixture(scope="module")
def regression(client: Client, dataset_id: int) -> dict[str, Any]:
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "price", "attribute_name": "Target"}]
    return trained(client, dataset_id, columns=columns, problem_type="Regression")


def path_of(row: dict[str, Any]) -> str:
    return f"/train/{row['id']}/threshold"


def put(client: Client, row: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = client.request("PUT", path_of(row), json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(client: Client, row: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    answer = client.post(row["endpoint_url"], json={"instances": ROWS} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def ask_one(client: Client, row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = client.post("/inference/", json={"train_id": row["id"], "features": ROWS[0]} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def start_batch(client: Client, row: dict[str, Any], dataset_id: int, **fields: Any) -> Response:
    body = {"train_id": row["id"], "dataset_id": dataset_id} | fields
    return client.post("/inference/batchPrediction", json=body)


def score(client: Client, row: dict[str, Any], dataset_id: int, **fields: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return the answer about a batch, and the lines of its result."""
    started = start_batch(client, row, dataset_id, **fields)
    assert started.status_code == 202, started.text
    assert wait_for_job(client, started.json()["job_id"])["state"] == "succeeded"
    result = client.get("/inference/result", params={"prediction_id": started.json()["prediction_id"]}).json()
    content = client.get("/files/download", params={"file_path": result["result_path"]}).text
    return result, list(csv.DictReader(io.StringIO(content)))


def decide(probabilities: dict[str, float], threshold: float) -> str:
    return "true" if probabilities["true"] >= threshold else "false"


def label_of(answer: dict[str, Any]) -> str:
    return str(answer["prediction"]).lower()


def code_of(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_without_a_threshold_the_more_probable_class_is_predicted(client: Client, row: dict[str, Any]) -> None:
    for each in ask(client, row):
        assert label_of(each) == max(each["probabilities"], key=each["probabilities"].__getitem__)
        assert each["threshold"] == 0.5
    detail = client.get(f"/train/{row['id']}").json()
    assert (detail["threshold"], detail["threshold_source"]) == (0.5, "default")


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.9, 0.99])
def test_threshold_of_a_request_decides_its_rows(client: Client, row: dict[str, Any], threshold: float) -> None:
    answers = ask(client, row, threshold=threshold)
    for each in answers:
        assert label_of(each) == decide(each["probabilities"], threshold)
        assert each["probability"] == each["probabilities"][label_of(each)]
        assert (each["threshold"], each["positive_class"]) == (threshold, "true")
    assert [each["probabilities"] for each in answers] == [each["probabilities"] for each in ask(client, row)]
    single = ask_one(client, row, threshold=threshold)
    assert (single["prediction"], single["threshold"]) == (answers[0]["prediction"], threshold)


def test_probability_that_equals_the_threshold_is_positive(client: Client, row: dict[str, Any]) -> None:
    probabilities = [each["probabilities"]["true"] for each in ask(client, row)]
    threshold = next(p for p in probabilities if 0 < p < 1)
    position = probabilities.index(threshold)
    assert ask(client, row, threshold=threshold)[position]["prediction"] is True
    above = math.nextafter(threshold, 1.0)
    assert ask(client, row, threshold=above)[position]["prediction"] is False


def test_threshold_of_a_request_comes_before_the_kept_one(client: Client, row: dict[str, Any]) -> None:
    put(client, row, threshold=0.99)
    kept, asked = ask(client, row), ask(client, row, threshold=0.01)
    assert {each["threshold"] for each in kept} == {0.99}
    assert {each["threshold"] for each in asked} == {0.01}
    assert [label_of(each) for each in kept] == [decide(each["probabilities"], 0.99) for each in kept]
    assert [label_of(each) for each in asked] == [decide(each["probabilities"], 0.01) for each in asked]
    assert ask_one(client, row)["threshold"] == 0.99
    assert ask_one(client, row, threshold=None)["threshold"] == 0.99


def test_effects_do_not_depend_on_the_threshold(client: Client, row: dict[str, Any]) -> None:
    plain, low, high = (
        [each["explanation"] for each in ask(client, row, explain=True, **fields)]
        for fields in ({}, {"threshold": 0.01}, {"threshold": 0.99})
    )
    assert plain == low == high


def test_kept_threshold_is_shown_and_removed(client: Client, row: dict[str, Any]) -> None:
    expected = {"train_id": row["id"], "threshold": 0.3, "threshold_source": "custom", "positive_class": "true"}
    assert put(client, row, threshold=0.3) == expected
    for path in (f"/train/{row['id']}", f"/train/{row['id']}/report"):
        shown = client.get(path).json()
        assert (shown["threshold"], shown["threshold_source"]) == (0.3, "custom")
    default = expected | {"threshold": 0.5, "threshold_source": "default"}
    for body in ({"threshold": None}, {"criterion": "default"}, {"criterion": None}):
        put(client, row, threshold=0.3)
        assert put(client, row, **body) == default
    put(client, row, threshold=0.3)
    assert client.request("DELETE", path_of(row)).json() == default
    assert ask_one(client, row)["threshold"] == 0.5


@pytest.mark.parametrize("criterion", ["best_f1", "best_youden"])
def test_criterion_takes_the_threshold_of_the_report(client: Client, row: dict[str, Any], criterion: str) -> None:
    best = client.get(f"/train/{row['id']}/report").json()["report"]["thresholds"][criterion]["threshold"]
    kept = put(client, row, criterion=criterion)
    assert (kept["threshold"], kept["threshold_source"]) == (best, criterion)
    assert {each["threshold"] for each in ask(client, row)} == {best}


def test_report_has_the_default_by_which_its_metrics_are_computed(client: Client, row: dict[str, Any]) -> None:
    report = client.get(f"/train/{row['id']}/report").json()
    default, metrics = report["report"]["thresholds"]["default"], report["summary"]["metrics"]
    assert default["threshold"] == 0.5
    for name in ("precision", "recall", "f1_score"):
        assert default[name] == pytest.approx(metrics[name])


def test_page_of_the_report_names_the_kept_threshold(client: Client, row: dict[str, Any]) -> None:
    def text() -> str:
        return " ".join(" ".join(Page(client.get(f"/train/{row['id']}/report?format=html").text).texts).split())

    assert "So are the predictions of the model." in text()
    put(client, row, threshold=0.313)
    assert "Predictions of the model use 0.313." in text()
    put(client, row, criterion="best_f1")
    assert "the threshold with the best F1." in text()


def test_batch_is_decided_by_its_own_threshold_or_the_kept_one(
    client: Client, row: dict[str, Any], to_score: int
) -> None:
    put(client, row, threshold=0.9)
    for fields, expected, source in (({}, 0.9, "custom"), ({"threshold": 0.1}, 0.1, "request")):
        result, lines = score(client, row, to_score, **fields)
        assert result["threshold"] == expected
        assert (result["request"]["threshold"], result["request"]["threshold_source"]) == (expected, source)
        decided = [decide({"true": float(line["probability_true"])}, expected) for line in lines]
        assert [line["prediction"] for line in lines] == decided
    client.request("DELETE", path_of(row))
    result, lines = score(client, row, to_score)
    assert (result["threshold"], result["request"]["threshold_source"]) == (0.5, "default")
    assert {line["prediction"] for line in lines} == {"true", "false"}
    for line in lines:
        assert line["prediction"] == (
            "true" if float(line["probability_true"]) > float(line["probability_false"]) else "false"
        )


def test_batch_explains_the_same_whatever_the_threshold(client: Client, row: dict[str, Any], to_score: int) -> None:
    plain, strict = (score(client, row, to_score, explain=True, **fields)[1] for fields in ({}, {"threshold": 0.99}))
    assert [line["prediction"] for line in plain] != [line["prediction"] for line in strict]
    for line in (*plain, *strict):
        del line["prediction"]
    assert plain == strict


def test_prediction_log_has_the_threshold_that_decided(client: Client, row: dict[str, Any]) -> None:
    plain, strict = ask_one(client, row), ask_one(client, row, threshold=0.99)
    logged = client.get("/inference/predictions", params={"train_id": row["id"], "limit": 100}).json()["data"]
    outputs = {each["prediction_id"]: json.loads(each["output_data"]) for each in logged if each["output_data"]}
    shown = {name: plain[name] for name in ("prediction", "probability")}
    assert outputs[plain["prediction_id"]] == shown
    shown = {name: strict[name] for name in ("prediction", "probability", "threshold")}
    assert outputs[strict["prediction_id"]] == shown


def test_export_has_the_kept_threshold(client: Client, row: dict[str, Any]) -> None:
    def export() -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(client.get(f"/train/{row['id']}/export").content))

    with export() as archive:
        assert not [name for name in archive.namelist() if name.endswith("threshold.json")]
        manifest = archive.read("manifest.json")
    put(client, row, threshold=0.3)
    with export() as archive:
        for name in ("threshold.json", "mlflow/data/threshold.json"):
            assert json.loads(archive.read(name)) == {"threshold": 0.3}
        assert archive.read("manifest.json") == manifest


@pytest.mark.parametrize("field", ["new_version", "is_incremental"])
def test_another_version_has_a_threshold_of_its_own(client: Client, dataset_id: int, field: str) -> None:
    first = trained(client, dataset_id)
    put(client, first, threshold=0.3)
    second = trained(client, dataset_id, predictor_name=first["predictor_name"], **{field: True})
    shown = client.get(f"/train/{second['id']}").json()
    assert (shown["threshold"], shown["threshold_source"]) == (0.5, "default")
    assert client.get(f"/train/{first['id']}").json()["threshold"] == 0.3


def test_deleted_training_shows_the_threshold_that_it_had(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    put(client, row, threshold=0.3)
    assert client.request("DELETE", f"/train/delete/{row['id']}").status_code == 200
    shown = client.get(f"/train/{row['id']}").json()
    assert (shown["threshold"], shown["threshold_source"]) == (0.3, "custom")
    assert code_of(client.request("PUT", path_of(row), json={"threshold": 0.2})) == (404, "training_not_found")


def test_change_of_another_replica_is_in_force_after_a_second(
    client: Client, platform: Platform, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask_one(client, row)["threshold"] == 0.5
    execute_sql(platform.settings, "UPDATE training SET threshold = 0.3 WHERE id = ?", row["id"])
    assert MODEL_CACHE_S <= 1.0
    monkeypatch.setattr("dataml.db.outage_cache.time.monotonic", _later(MODEL_CACHE_S + 0.1))
    assert ask_one(client, row)["threshold"] == 0.3


def _later(seconds: float) -> Any:
    import time

    now = time.monotonic
    return lambda: now() + seconds


@pytest.mark.parametrize("kind", ["three_classes", "regression"])
def test_model_without_two_classes_has_no_threshold(
    client: Client, to_score: int, kind: str, request: pytest.FixtureRequest
) -> None:
    row = request.getfixturevalue(kind)
    features = {name: value for name, value in ROWS[0].items() if name in ("age", "price", "colour")}
    refused = (422, "only_with_two_classes")
    assert code_of(client.request("PUT", path_of(row), json={"threshold": 0.3})) == refused
    assert code_of(client.request("PUT", path_of(row), json={"criterion": "best_f1"})) == refused
    assert code_of(client.request("DELETE", path_of(row))) == refused
    left_out = {"three_classes": "colour", "regression": "price"}[kind]
    features.pop(left_out)
    features |= {"bought": "yes"}
    body = {"train_id": row["id"], "features": features}
    assert code_of(client.post("/inference/", json=body | {"threshold": 0.3})) == refused
    assert code_of(client.post(row["endpoint_url"], json={"features": features, "threshold": 0.3})) == refused
    assert code_of(client.post(row["endpoint_url"], json={"instances": [features], "threshold": 0.3})) == refused
    answer = client.post("/inference/", json=body)
    assert (answer.status_code, answer.json()["threshold"]) == (200, None)
    shown = client.get(f"/train/{row['id']}").json()
    assert (shown["threshold"], shown["threshold_source"]) == (None, None)


@pytest.mark.parametrize("text", ["0", "1", "-0.1", "1.5", "NaN", "Infinity", '"much"', "[]", "1e999"])
def test_number_that_is_no_threshold_is_refused(client: Client, row: dict[str, Any], to_score: int, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    train_id = row["id"]
    bodies = {
        ("PUT", path_of(row)): f'{{"threshold": {text}}}',
        ("POST", row["endpoint_url"]): f'{{"features": {json.dumps(ROWS[0])}, "threshold": {text}}}',
        ("POST", "/inference/"): f'{{"train_id": {train_id}, "features": {json.dumps(ROWS[0])}, "threshold": {text}}}',
        (
            "POST",
            "/inference/batchPrediction",
        ): f'{{"train_id": {train_id}, "dataset_id": {to_score}, "threshold": {text}}}',
    }
    for (method, path), body in bodies.items():
        answer = client.request(method, path, content=body, headers=headers)
        assert answer.status_code in (400, 422), (path, answer.text)
        assert answer.json()["code"] in ("invalid_request", "invalid_json"), (path, answer.text)
    assert client.get(f"/train/{train_id}").json()["threshold"] == 0.5


@pytest.mark.parametrize("body", [{}, {"threshold": 0.3, "criterion": "best_f1"}])
def test_either_a_number_or_a_criterion_is_sent(client: Client, row: dict[str, Any], body: dict[str, Any]) -> None:
    assert code_of(client.request("PUT", path_of(row), json=body)) == (422, "threshold_or_criterion")
    assert code_of(client.request("PUT", path_of(row), json={"criterion": "best"})) == (422, "invalid_request")


def test_training_that_has_not_completed_has_no_threshold(client: Client, platform: Platform, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    execute_sql(platform.settings, "UPDATE training SET status = 'failed' WHERE id = ?", row["id"])
    for body in ({"threshold": 0.3}, {"criterion": "best_f1"}):
        assert code_of(client.request("PUT", path_of(row), json=body)) == (409, "model_not_ready")
    assert code_of(client.request("DELETE", path_of(row))) == (409, "model_not_ready")
    shown = client.get(f"/train/{row['id']}").json()
    assert shown["train_status"] == "failed"


def test_report_without_a_best_threshold_is_a_conflict(
    client: Client, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ({"best_f1": None}, {"best_f1": {"threshold": 0.0}}, {}):
        report = type("Report", (), {"report": {"thresholds": value} if value else {}})
        monkeypatch.setattr("dataml.train.reports.read_report", lambda *_, report=report: report)
        assert code_of(client.request("PUT", path_of(row), json={"criterion": "best_f1"})) == (409, "no_best_threshold")


def test_best_threshold_of_1_is_kept_as_the_largest_number_below(
    client: Client, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = type("Report", (), {"report": {"thresholds": {"best_f1": {"threshold": 1.0}}}})
    monkeypatch.setattr("dataml.train.reports.read_report", lambda *_: report)
    assert put(client, row, criterion="best_f1")["threshold"] == math.nextafter(1.0, 0.0)


def test_only_those_who_may_train_change_it_and_only_in_their_tenant(
    client: Client, analyst: Client, stranger: Client, row: dict[str, Any]
) -> None:
    put(client, row, threshold=0.3)
    for method, body in (("PUT", {"threshold": 0.2}), ("DELETE", None)):
        answer = analyst.request(method, path_of(row), json=body)
        assert code_of(answer) == (403, "missing_permission")
    assert code_of(stranger.request("PUT", path_of(row), json={"threshold": 0.2})) == (404, "training_not_found")
    assert code_of(stranger.request("PUT", path_of(row), json={"criterion": "best_f1"})) == (404, "training_not_found")
    assert code_of(stranger.request("DELETE", path_of(row))) == (404, "training_not_found")
    assert analyst.get(f"/train/{row['id']}").json()["threshold"] == 0.3


def test_change_is_audited_with_what_was_before(client: Client, row: dict[str, Any]) -> None:
    put(client, row, threshold=0.3)
    put(client, row, threshold=0.2)
    query = {"subject": f"training:{row['id']}", "action": "training.set_threshold", "limit": 1}
    (event,) = client.get("/audit/list", params=query).json()["data"]
    assert event["detail"] == {"threshold": 0.2, "source": "custom", "before": 0.3}


def test_forecast_has_no_threshold(client: Client) -> None:
    row = trained_forecast(client, shop_rows(range(60)))
    refused = (422, "only_with_two_classes")
    assert code_of(client.request("PUT", path_of(row), json={"threshold": 0.3})) == refused
    batch = {"train_id": row["id"], "threshold": 0.3}
    assert code_of(client.post("/inference/batchPrediction", json=batch)) == refused
    direct = {"steps": 2, "unique_ids": "all", "threshold": 0.3}
    assert code_of(client.post(row["endpoint_url"], json=direct)) == (422, "invalid_request")
    body = {"train_id": row["id"], "features": {}, "threshold": 0.3}
    assert code_of(client.post("/inference/", json=body)) == (409, "wrong_problem_type")
    assert client.get(f"/train/{row['id']}").json()["threshold"] is None
