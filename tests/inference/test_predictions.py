"""Predictions of one row, several rows and a dataset, with the same numbers by every route."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import CHURN, create_dataset
from tests.train.training import CHURN_COLUMNS, row_of, small_dataset, train, trained

JSON = {"content-type": "application/json"}
ROW = {"age": 64, "colour": "red", "price": 12.5}


@pytest.fixture(scope="module")
def model(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client), predictor_name="buyer")


@pytest.fixture(scope="module")
def churn(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, (CHURN.name, CHURN.read_bytes()))
    return trained(client, dataset["id"], predictor_name="churn", columns=CHURN_COLUMNS)


def ask(client: Client, model: dict[str, Any], features: dict[str, Any], **changes: Any) -> Any:
    body = {
        "train_id": model["id"],
        "preprocess_id": model["preprocess_id"],
        "features": features,
        "target": "bought" if model["predictor_name"] == "buyer" else "churn",
    }
    # JSON as the standard library writes it: httpx itself cannot send every string that JSON can hold.
    return client.post("/inference/", content=json.dumps(body | changes), headers=JSON)


def test_prediction_has_the_type_of_the_target(client: Client, model: dict[str, Any]) -> None:
    answer = ask(client, model, ROW).json()
    assert answer["prediction"] is True
    assert answer["accuracy"] == model["accuracy"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    assert answer["probability"] == max(answer["probabilities"].values())
    assert 0 < answer["prediction_id"] < 2**63
    assert "explanation" not in answer


def test_prediction_has_an_explanation_on_request(client: Client, model: dict[str, Any]) -> None:
    answer = ask(client, model, ROW, explain=True).json()
    assert set(answer["explanation"]) <= set(ROW)
    assert any(answer["explanation"].values())


def test_predictions_are_logged_newest_first(client: Client, model: dict[str, Any]) -> None:
    ids = [ask(client, model, ROW | {"price": price}).json()["prediction_id"] for price in (1.0, 2.0)]
    rows = client.get("/inference/predictions", params={"train_id": model["id"], "limit": 2}).json()["data"]
    assert [row["prediction_id"] for row in rows] == ids[::-1]
    assert rows[0]["prediction_type"] == "realtime"
    assert '"price":2.0' in rows[0]["input_data"]
    assert rows[0]["no_of_records"] == 1


def test_direct_route_predicts_one_row_or_several(client: Client, model: dict[str, Any]) -> None:
    one = client.post(model["endpoint_url"], json={"features": ROW}).json()
    several = client.post(model["endpoint_url"] + "/", json={"instances": [ROW, ROW | {"age": 20}]}).json()
    assert one["prediction"] is True
    assert several["predictions"][0]["probability"] == one["probability"]
    assert len(several["predictions"]) == 2


def test_csv_json_and_form_give_the_identical_prediction(client: Client, churn: dict[str, Any]) -> None:
    """One contract parses them all: text from a form, typed JSON, and a scored dataset."""
    lines = CHURN.read_text().splitlines()[:301]
    content = "\n".join(line.rpartition(",")[0] for line in lines).encode()
    template_columns = client.get("/inference/form-based-prediction", params={"id": churn["id"]}).json()["headers"]
    schema = [{"column_name": c["column_name"], "data_type": c["data_type"]} for c in template_columns]
    schema.append({"column_name": "customer_id", "data_type": "String"})
    body = {"template_name": "churn-features", "template_schema": schema}
    template_id = client.post("/template/", json=body).json()["id"]
    dataset = create_dataset(client, ("rows.csv", content), usage="p", template_id=template_id)
    scored = batch(client, churn["id"], dataset["id"])

    form_rows = list(csv.DictReader(io.StringIO(content.decode())))
    typed_rows = client.get("/dataset/view", params={"dataset_id": dataset["id"], "limit": 300}).json()["preview"]
    typed_by_id = {row["customer_id"]: row for row in typed_rows}
    for form_row, scored_row in zip(form_rows, scored, strict=True):
        by_form = ask(client, churn, form_row).json()
        by_json = ask(client, churn, typed_by_id[form_row["customer_id"]]).json()
        assert by_form["probabilities"] == by_json["probabilities"]
        assert scored_row["customer_id"] == form_row["customer_id"]
        assert float(scored_row["probability_true"]) == by_form["probabilities"]["true"]
        assert scored_row["prediction"] == str(by_form["prediction"]).lower()


def batch(
    client: Client, train_id: int, dataset_id: int, path: str = "batchPrediction", **more: Any
) -> list[dict[str, str]]:
    """Rows of the result of a batch that was scored and downloaded."""
    started = client.post(f"/inference/{path}", json={"train_id": train_id, "dataset_id": dataset_id} | more)
    assert started.status_code == 202, started.text
    wait_for_job(client, started.json()["job_id"])
    query = {"prediction_id": started.json()["prediction_id"]}
    result = client.get("/inference/result", params=query).json()
    assert (result["status"], result["error"]) == ("completed", None)
    assert result["dataset_id"] == dataset_id
    content = client.get("/files/download/", params={"file_path": result["result_path"]})
    assert content.status_code == 200
    return list(csv.DictReader(io.StringIO(content.text)))


@pytest.mark.parametrize("path", ["batchPrediction", "batch-prediction", "batch-prediction/"])
def test_batch_scores_every_row_in_order(client: Client, model: dict[str, Any], path: str) -> None:
    rows = batch(client, model["id"], small_dataset(client, usage="p"), path)
    assert [row["id"] for row in rows] == [f"A{number}" for number in range(300)]
    assert {row["prediction"] for row in rows} == {"true", "false"}
    assert not any(row["error"] for row in rows)


def test_batch_has_explanations_on_request(client: Client, model: dict[str, Any]) -> None:
    rows = batch(client, model["id"], small_dataset(client, usage="p"), explain=True)
    preview = client.get("/inference/form-based-prediction", params={"id": model["id"]}).json()["headers"]
    features = {field["column_name"] for field in preview}
    for row in rows:
        names = [row[f"explanation_{number}_feature"] for number in range(1, 6)]
        assert (set(names[:3]), names[3:]) == (features, ["", ""])
        effects = [abs(float(row[f"explanation_{number}_effect"])) for number in range(1, 4)]
        assert effects == sorted(effects, reverse=True)
        assert effects[0] > 0
    plain = batch(client, model["id"], small_dataset(client, usage="p"))
    assert list(plain[0]) == ["id", "prediction", "probability_false", "probability_true", "error"]


def test_result_is_downloaded_as_typed_parquet(client: Client, stranger: Client, model: dict[str, Any]) -> None:
    body = {"train_id": model["id"], "dataset_id": small_dataset(client, usage="p"), "explain": True}
    started = client.post("/inference/batchPrediction", json=body).json()
    wait_for_job(client, started["job_id"])
    query = {"prediction_id": started["prediction_id"]}
    plain = client.get("/inference/result/download", params=query)
    rows = list(csv.DictReader(io.StringIO(plain.text)))
    answer = client.get("/inference/result/download", params=query | {"format": "parquet"})
    assert answer.status_code == 200, answer.text
    assert f"prediction_{started['prediction_id']}.parquet" in answer.headers["Content-Disposition"]
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == list(rows[0])
    assert table.column("id").to_pylist() == [row["id"] for row in rows]
    assert table.column("probability_true").to_pylist() == [float(row["probability_true"]) for row in rows]
    assert table.column("prediction").to_pylist() == [row["prediction"] == "true" for row in rows]
    assert table.column("error").null_count == len(rows)
    assert table.schema.field("explanation_1_effect").type == pa.float64()
    for caller in (client, stranger):
        unknown = caller.get("/inference/result/download", params={"prediction_id": 1})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "prediction_not_found")
    assert stranger.get("/inference/result/download", params=query).status_code == 404


def test_batch_is_one_entry_of_the_log(client: Client, model: dict[str, Any]) -> None:
    dataset_id = small_dataset(client, usage="p")
    batch(client, model["id"], dataset_id)
    newest = client.get("/inference/predictions", params={"train_id": model["id"], "limit": 1}).json()["data"][0]
    assert (newest["prediction_type"], newest["status"], newest["no_of_records"]) == ("batch", "completed", 300)
    assert newest["input_data"] == f"dataset_id:{dataset_id}"


def test_batch_takes_only_a_dataset_of_usage_p(client: Client, model: dict[str, Any]) -> None:
    body = {"train_id": model["id"], "dataset_id": small_dataset(client)}
    answer = client.post("/inference/batchPrediction", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_dataset_usage")


def test_form_lists_the_features_only(client: Client, model: dict[str, Any]) -> None:
    answer = client.get("/inference/form-based-prediction", params={"id": model["id"]}).json()
    assert [field["column_name"] for field in answer["headers"]] == ["age", "colour", "price"]
    assert (answer["target"], answer["preprocess_id"]) == ("bought", model["preprocess_id"])


@pytest.mark.parametrize(
    ("features", "field", "code"),
    [
        ({"age": 64, "colour": "red"}, "price", "missing_feature"),
        (ROW | {"shoe": 42}, "shoe", "unknown_feature"),
        (ROW | {"age": "old"}, "age", "not_an_integer"),
        (ROW | {"age": 1.5}, "age", "not_an_integer"),
        (ROW | {"age": True}, "age", None),
        (ROW | {"price": [1]}, "price", "wrong_type"),
        (ROW | {"price": "1e309"}, "price", None),
    ],
)
def test_wrong_feature_is_located(
    client: Client, model: dict[str, Any], features: dict[str, Any], field: str, code: str | None
) -> None:
    answer = ask(client, model, features)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["detail"]
    assert error["loc"] == ["body", "features", field]
    assert code is None or error["type"] == code


def test_all_wrong_features_are_located_at_once(client: Client, model: dict[str, Any]) -> None:
    answer = ask(client, model, {"age": "old", "shoe": 1})
    assert {error["loc"][2] for error in answer.json()["detail"]} == {"age", "colour", "price", "shoe"}


def test_wrong_instance_is_located_by_its_index(client: Client, model: dict[str, Any]) -> None:
    answer = client.post(model["endpoint_url"], json={"instances": [ROW, ROW | {"age": "old"}]})
    assert answer.json()["detail"][0]["loc"] == ["body", "instances", 1, "age"]


@pytest.mark.parametrize("value", [10**30, "\ud800", [[]], {"a": None}])
def test_unused_column_may_have_any_value(client: Client, model: dict[str, Any], value: Any) -> None:
    answer = ask(client, model, ROW | {"id": value})
    assert answer.status_code == 200, answer.text
    unknown = ask(client, model, ROW | {"\ud800": value})
    assert unknown.status_code == 422


def test_integer_beyond_64_bits_is_accepted_as_a_float(client: Client, model: dict[str, Any]) -> None:
    assert ask(client, model, ROW | {"price": 10**20}).status_code == 200


def test_number_of_explained_instances_is_limited(client: Client, model: dict[str, Any]) -> None:
    body = {"instances": [ROW] * 101, "explain": True}
    answer = client.post(model["endpoint_url"], json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_to_explain")
    assert client.post(model["endpoint_url"], json={"instances": [ROW] * 1000}).status_code == 200


def test_ids_and_the_target_are_accepted_and_ignored(client: Client, model: dict[str, Any]) -> None:
    plain = ask(client, model, ROW).json()
    with_id = ask(client, model, ROW | {"id": "A7", "bought": "no"}).json()
    assert with_id["probabilities"] == plain["probabilities"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"train_id": 10**9}, 404, "training_not_found"),
        ({"train_id": 2**70}, 404, "training_not_found"),
        ({"train_id": "1 OR 1=1"}, 422, "invalid_request"),
        ({"preprocess_id": 10**9}, 422, "wrong_preprocess_id"),
        ({"target": "age"}, 422, "wrong_target"),
        ({"features": [1]}, 422, "invalid_request"),
        ({"more": 1}, 422, "invalid_request"),
    ],
)
def test_request_that_does_not_fit_the_model_is_refused(
    client: Client, model: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(client, model, **({"features": ROW} | changes))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_the_training_says_need_not_be_sent(client: Client, model: dict[str, Any]) -> None:
    answer = client.post("/inference", json={"train_id": model["id"], "features": ROW})
    assert answer.status_code == 200, answer.text
    assert answer.json()["probabilities"] == ask(client, model, ROW).json()["probabilities"]
    empty = client.post("/inference", json={"train_id": model["id"]})
    assert {error["type"] for error in empty.json()["detail"]} == {"missing_feature"}


def test_unknown_feature_is_named_first_with_the_one_that_was_meant(client: Client, model: dict[str, Any]) -> None:
    features = {("Age" if name == "age" else name): value for name, value in ROW.items()}
    assert "Age" in features
    (first, *_) = ask(client, model, features).json()["detail"]
    assert (first["type"], first["msg"]) == ("unknown_feature", "There is no feature 'Age'; did you mean 'age'?")


@pytest.mark.parametrize("status", [401, 422, 404])
def test_errors_of_the_fast_path_are_problems_where_asked_for(
    client: Client, anonymous: Client, model: dict[str, Any], status: int
) -> None:
    user = anonymous if status == 401 else client
    body = {"train_id": 10**9 if status == 404 else model["id"], "features": {}}
    answer = user.post("/inference", json=body, headers={"Accept": "application/problem+json"})
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert isinstance(answer.json()["detail"], str)


def test_body_that_is_not_strict_json_is_refused(client: Client, model: dict[str, Any]) -> None:
    for body, status in ((b"{", 422), (b'{"features": {"age": NaN}}', 422), (b"x" * 1_100_000, 413)):
        answer = client.post(model["endpoint_url"], content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text
    form = client.post(model["endpoint_url"], data={"age": "1"})
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media")


def test_features_and_instances_together_are_refused(client: Client, model: dict[str, Any]) -> None:
    for body in ({}, {"features": ROW, "instances": [ROW]}):
        answer = client.post(model["endpoint_url"], json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "features_or_instances")


def test_model_of_another_tenant_is_not_found(client: Client, stranger: Client, model: dict[str, Any]) -> None:
    assert ask(stranger, model, ROW).status_code == 404
    by_name = stranger.post(model["endpoint_url"], json={"features": ROW})
    assert (by_name.status_code, by_name.json()["code"]) == (404, "predictor_not_found")
    absent = stranger.post("/models/nobody/buyer/predict", json={"features": ROW})
    assert absent.json()["detail"] == by_name.json()["detail"]


def test_unfinished_model_does_not_predict(client: Client) -> None:
    row = train(client, small_dataset(client)).json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": row["job_id"], "usage": "training"})
    if wait_for_job(client, row["job_id"])["state"] == "cancelled":
        answer = ask(client, row_of(client, row["id"]) | {"predictor_name": "buyer"}, ROW)
        assert (answer.status_code, answer.json()["code"]) == (409, "model_not_ready")


def test_newest_version_serves_the_direct_route(client: Client, model: dict[str, Any]) -> None:
    dataset_id = small_dataset(client)
    trained(client, dataset_id, predictor_name="versioned", seed=1)
    newer = trained(client, dataset_id, predictor_name="versioned", seed=2, new_version=True)
    client.post(newer["endpoint_url"], json={"features": ROW})
    logged = client.get("/inference/predictions", params={"train_id": newer["id"]}).json()
    assert logged["total"] >= 1
