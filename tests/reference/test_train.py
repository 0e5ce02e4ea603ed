"""Creation, lists, update and deletion of trainings, and what is known of their models."""

from typing import Any

import httpx
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template, new_name, upload
from tests.inference.series import SHOPS
from tests.reference.conftest import SHOP_ROLES, Hold, churn_request, customers_csv, get_row, wait_for_training
from tests.reference.record import RECORD, shows
from tests.reference.test_users import own_tenant
from tests.test_every_route import refusal

FEATURES = {"age": 60, "plan": "basic"}
COLUMNS = [("id", "Integer"), ("age", "Integer"), ("plan", "String"), ("left", "Boolean")]


def rows(client: Client, call: str = "list") -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in client.get(f"/train/{call}", params={"limit": 1000}).json()["data"]}


def train(client: Client, dataset_id: int, **changes: Any) -> httpx.Response:
    return client.post("/train/", json=churn_request(dataset_id, new_name("predictor"), **changes))


def trained(client: Client, dataset_id: int, **changes: Any) -> dict[str, Any]:
    return wait_for_training(client, train(client, dataset_id, **changes))


def predict(client: Client, row: dict[str, Any], **changes: Any) -> httpx.Response:
    body = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "features": FEATURES, "target": "left"}
    return client.post("/inference/", json=body | changes)


def cancel(client: Client, job_id: str) -> None:
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": "training"})
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def strangers_training(stranger: Client) -> httpx.Response:
    """The answer to a training in another tenant."""
    dataset = create_dataset(stranger, ("customers.csv", customers_csv(60)))
    return train(stranger, dataset["id"])


@shows("POST /train")
def test_creation_starts_the_training_of_a_named_predictor(
    client: Client,
    stranger: Client,
    churn_created: httpx.Response,
    age_created: httpx.Response,
    strangers_training: httpx.Response,
    customers: dict[str, Any],
) -> None:
    for answer in (age_created, strangers_training):
        RECORD.replay(answer)
    created = train(client, customers["id"], hyperparameters={"n_estimators": 2}).json()
    assert created["training_status"] == "submitted_to_ray"
    assert (created["dataset_id"], created["created_by"]) == (customers["id"], "admin")
    assert age_created.json()["created_by"] == "colleague"
    assert strangers_training.json()["tenant_id"] == own_tenant(stranger) != created["tenant_id"]
    assert created["created_at"] == created["modified_at"]
    assert wait_for_job(client, created["job_id"])["state"] == "succeeded"
    row = get_row(client, created["id"])
    for name in ("tenant_id", "predictor_name", "problem_type", "created_by", "dataset_id", "created_at"):
        assert row[name] == created[name], name
    assert row["training_status"] == "Completed"
    # The name is unique.
    again = client.post("/train/", json=churn_request(customers["id"], churn_created.json()["predictor_name"]))
    assert refusal(again)[0] == 409


def test_invalid_training_is_refused_before_any_computation(
    client: Client, customers: dict[str, Any], customers_to_predict: dict[str, Any], hold: Hold
) -> None:
    before, jobs = rows(client), client.get("/jobs/list").json()["total"]
    changes: list[tuple[dict[str, Any], int]] = [
        ({"problem_type": "Astrology"}, 422),
        ({"algorithm": "Oracle"}, 422),
        ({"columns": []}, 422),
        ({"columns": [{"column_name": "nothing", "data_type": "String", "attribute_name": "Target"}]}, 422),
        ({"columns": [{"column_name": "left", "data_type": "Float", "attribute_name": "Target"}]}, 422),
        ({"columns": [{"column_name": name, "attribute_name": "Target"} for name in ("left", "plan")]}, 422),
        ({"columns": [{"column_name": "left", "attribute_name": "Boss"}]}, 422),
        ({"problem_type": "Forecast"}, 422),
        ({"problem_type": "Regression"}, 422),
        ({"dataset_id": 999_999}, 404),
        ({"dataset_id": customers_to_predict["id"]}, 409),
        ({"is_incremental": True}, 404),
    ]
    for change, status in changes:
        answer = client.post("/train/", json=churn_request(customers["id"], new_name("never")) | change)
        assert refusal(answer)[0] == status, change
    body = churn_request(customers["id"], new_name())
    for name in ("dataset_id", "predictor_name", "domain", "problem_type", "columns"):
        answer = client.post("/train/", json={field: body[field] for field in body if field != name})
        assert answer.status_code == 422, name
    invalid = create_dataset(client, ("a.csv", b"id\nx\n"), template_id=create_template(client, id="Integer"))
    assert refusal(train(client, invalid["id"]))[0] == 409
    hold("validate")
    unchecked = upload(client, ("customers.csv", customers_csv(30))).json()
    assert refusal(train(client, unchecked["dataset_id"]))[0] == 409
    assert rows(client) == before
    assert client.get("/jobs/list").json()["total"] == jobs + 2


def test_columns_say_what_is_learned_from_what(
    client: Client, churn: dict[str, Any], customers: dict[str, Any]
) -> None:
    form = client.get("/inference/form-based-prediction", params={"id": churn["id"]}).json()
    assert ([header["column_name"] for header in form["headers"]], form["target"]) == (["age", "plan"], "left")
    roles = [("id", "Id"), ("left", "Target"), ("age", "Feature"), ("plan", "Ignore")]
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles]
    row = trained(client, customers["id"], columns=columns, hyperparameters={"n_estimators": 2})
    form = client.get("/inference/form-based-prediction", params={"id": row["id"]}).json()
    assert [header["column_name"] for header in form["headers"]] == ["age"]


def test_words_of_a_request_are_read_in_any_case(client: Client, customers: dict[str, Any]) -> None:
    columns = [
        {"column_name": "left", "data_type": "bool", "attribute_name": "target"},
        {"column_name": "id", "data_type": "INT", "attribute_name": "ID"},
    ]
    changes = {"columns": columns, "problem_type": "classification", "algorithm": "xgboost"}
    row = trained(client, customers["id"], hyperparameters={"n_estimators": 2}, **changes)
    assert (row["problem_type"], row["algorithm"]) == ("Classification", "XGBoost")


def test_incremental_training_continues_the_predictor_on_new_data(client: Client, customers: dict[str, Any]) -> None:
    first = trained(client, customers["id"])
    more = create_dataset(client, ("more.csv", customers_csv(300)))
    body = churn_request(more["id"], first["predictor_name"], is_incremental=True)
    second = wait_for_training(client, client.post("/train/", json=body))
    assert second["predictor_name"] == first["predictor_name"]
    assert second["version"] == first["version"] + 1
    lineage = client.get(f"/train/{second['id']}").json()["lineage"]
    assert lineage["parent"]["id"] == first["id"]
    assert lineage["dataset"]["id"] == more["id"]


@shows("POST /train/get_details")
def test_details_are_the_schema_and_the_attributes_to_configure_with(
    client: Client, customers: dict[str, Any], shops: dict[str, Any]
) -> None:
    request = {
        "dataset_id": customers["id"],
        "predictor_name": "p1",
        "domain": "Churn",
        "problem_type": "Classification",
    }
    answer = client.post("/train/get_details", json=request).json()
    assert answer.items() >= request.items()
    assert [(column["column_name"], column["data_type"]) for column in answer["dataset_schema"]] == COLUMNS
    assert {"Id", "Target", "Feature"} <= set(answer["attributes"])
    forecast = request | {"dataset_id": shops["dataset_id"], "predictor_name": "p2", "domain": "Sales"}
    details = client.post("/train/get_details", json=forecast | {"problem_type": "Forecast"}).json()
    assert [column["column_name"] for column in details["dataset_schema"]] == ["shop", "day", "rain", "sold"]
    # A forecast needs a Time, and every attribute that is listed is taken.
    assert "Time" in details["attributes"]
    assert set(SHOP_ROLES.values()) <= set(details["attributes"])
    assert refusal(client.post("/train/get_details", json=request | {"dataset_id": 999_999}))[0] == 404


def _check_lists(client: Client, stranger: Client, call: str, created: list[httpx.Response]) -> None:
    """Check the list of trainings that has all kinds of them."""
    age, strangers = created
    wait_for_job(stranger, strangers.json()["job_id"])
    shown = rows(client, call)
    assert {row["tenant_id"] for row in shown.values()} == {own_tenant(client)}
    assert {row["tenant_id"] for row in rows(stranger, call).values()} == {own_tenant(stranger)}
    total = client.get(f"/train/{call}", params={"limit": 1}).json()["total"]
    assert total == len(shown)
    row = shown[age.json()["id"]]
    assert (row["created_by"], row["problem_type"], row["domain"]) == ("colleague", "Regression", "People")
    assert (row["dataset_name"], row["data_source"], row["algorithm"]) == ("people", "csv", "XGBoost")
    # A regression has no accuracy.
    assert row["accuracy"] is None
    assert (row["ml_model_status"], row["train_status"], row["training_status"]) == (
        ("completed", "completed", "Completed")
    )
    assert row["created_at"] < row["modified_at"]


@pytest.fixture(scope="module")
def from_lake(client: Client, churn: dict[str, Any]) -> dict[str, Any]:
    """A training on a dataset that was made from a lake table."""
    answer = upload(client, iceberg_table_name="customers", name="from the lake").json()
    wait_for_job(client, answer["job_id"])
    return trained(client, answer["dataset_id"], hyperparameters={"n_estimators": 2})


@shows("GET /train/list")
def test_list_has_historical_and_active_trainings(
    client: Client,
    stranger: Client,
    churn: dict[str, Any],
    age: dict[str, Any],
    from_lake: dict[str, Any],
    age_created: httpx.Response,
    strangers_training: httpx.Response,
    customers: dict[str, Any],
    hold: Hold,
) -> None:
    before = client.get("/train/list").json()["total"]
    held = hold("train")
    active = train(client, customers["id"]).json()
    held.wait_until_begun()
    _check_lists(client, stranger, "list", [age_created, strangers_training])
    shown = rows(client)
    assert len(shown) == before + 1
    row = shown[active["id"]]
    assert row["training_status"] not in ("Completed", "Failed", "Cancelled")
    assert (row["algorithm"], row["accuracy"]) == (None, None)
    cancel(client, active["job_id"])
    held.release()
    row = get_row(client, active["id"])
    assert (row["ml_model_status"], row["train_status"], row["training_status"]) == (
        ("cancelled", "cancelled", "Cancelled")
    )
    row = shown[churn["id"]]
    assert (row["predictor_name"], row["domain"], row["dataset_name"]) == ("churn", "Churn", "customers")
    assert row["algorithm"] == "LightGBM"
    assert 0.5 < row["accuracy"] <= 1
    assert row["preprocess_id"] != shown[age["id"]]["preprocess_id"]
    assert (shown[from_lake["id"]]["data_source"], shown[from_lake["id"]]["dataset_name"]) == (
        ("iceberg", "from the lake")
    )


@shows("GET /train/refresh")
def test_refresh_returns_the_list_with_the_statuses_of_now(
    client: Client,
    stranger: Client,
    churn: dict[str, Any],
    age: dict[str, Any],
    from_lake: dict[str, Any],
    age_created: httpx.Response,
    strangers_training: httpx.Response,
    customers: dict[str, Any],
    hold: Hold,
) -> None:
    held = hold("train")
    active = train(client, customers["id"], hyperparameters={"n_estimators": 2}).json()
    held.wait_until_begun()
    assert rows(client, "refresh")[active["id"]]["training_status"] not in ("Completed", "Failed")
    held.release()
    wait_for_job(client, active["job_id"])
    assert rows(client, "refresh")[active["id"]]["training_status"] == "Completed"
    _check_lists(client, stranger, "refresh", [age_created, strangers_training])
    assert rows(client, "refresh") == rows(client)


@shows("DELETE /train/delete/{id}")
def test_deleted_training_is_gone_with_its_model(client: Client, stranger: Client) -> None:
    dataset = create_dataset(client, ("customers.csv", customers_csv(60)))
    row = trained(client, dataset["id"], hyperparameters={"n_estimators": 2})
    assert predict(client, row).status_code == 200
    assert refusal(stranger.request("DELETE", f"/train/delete/{row['id']}"))[0] == 404
    answer = client.request("DELETE", f"/train/delete/{row['id']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Training job deleted successfully"},
    )
    assert row["id"] not in rows(client)
    assert refusal(predict(client, row))[0] == 404
    by_id = {"params": {"train_id": row["id"]}}
    for path in ("/train/model-summary", "/train/view-feature-importance"):
        assert refusal(client.get(path, **by_id))[0] == 404, path
    assert refusal(client.get(f"/train/download-schema/{row['id']}"))[0] == 404
    assert refusal(client.request("DELETE", f"/train/delete/{row['id']}"))[0] == 404
    # What it has predicted can still be traced to it.
    logged = client.get("/inference/predictions", **by_id).json()["data"]
    assert [entry["predictor_name"] for entry in logged] == [row["predictor_name"]]
    assert client.request("DELETE", f"/dataset/delete/{dataset['id']}").status_code == 200


@shows("POST /train/update")
def test_update_binds_the_model_to_another_preprocessing(
    client: Client, stranger: Client, customers: dict[str, Any], age: dict[str, Any]
) -> None:
    small = {"hyperparameters": {"n_estimators": 2}}
    row, other = trained(client, customers["id"], **small), trained(client, customers["id"], **small)
    assert row["preprocess_id"] != other["preprocess_id"]
    body = {"train_id": row["id"], "preprocess_id": other["preprocess_id"]}
    assert refusal(stranger.post("/train/update/", json=body))[0] == 404
    answer = client.post("/train/update/", json=body)
    assert (answer.status_code, answer.json()) == (
        200,
        {"data": "Model updated successfully", "status_code": 200, "message": "Success"},
    )
    now = get_row(client, row["id"])
    assert now["preprocess_id"] == other["preprocess_id"]
    assert now["modified_at"] > row["modified_at"]
    form = client.get("/inference/form-based-prediction", params={"id": row["id"]}).json()
    assert form["preprocess_id"] == other["preprocess_id"]
    assert predict(client, now).status_code == 200
    assert refusal(predict(client, row))[0] in (409, 422)
    # A preprocessing with other features is of no use to the model.
    assert refusal(client.post("/train/update/", json=body | {"preprocess_id": age["preprocess_id"]}))[0] == 409
    assert refusal(client.post("/train/update/", json=body | {"preprocess_id": 999_999}))[0] == 404
    assert get_row(client, row["id"])["preprocess_id"] == other["preprocess_id"]


@shows("GET /train/download-schema/{train_id}")
def test_schema_has_the_columns_that_were_trained_on(
    client: Client, stranger: Client, churn: dict[str, Any], shops: dict[str, Any]
) -> None:
    answer = client.get(f"/train/download-schema/{churn['id']}")
    assert "attachment" in answer.headers["content-disposition"]
    assert [(column["column_name"], column["data_type"]) for column in answer.json()["schema"]] == COLUMNS
    schema = client.get(f"/train/download-schema/{shops['id']}").json()["schema"]
    assert {column["column_name"]: column["data_type"] for column in schema} == {
        "shop": "String",
        "day": "Date",
        "rain": "Integer",
        "sold": "Integer",
    }
    assert len(SHOPS) == 3
    assert refusal(stranger.get(f"/train/download-schema/{churn['id']}"))[0] == 404


@shows("GET /train/model-summary")
def test_summary_has_the_metrics_of_the_model(client: Client, churn: dict[str, Any], age: dict[str, Any]) -> None:
    answer = client.get("/train/model-summary", params={"train_id": churn["id"]}).json()
    summary, matrix = answer["model_summary"], answer["confusion_matrix"]
    assert "LGBM" in summary["model"] or "LightGBM" in summary["model"]
    # All are of the same rows: the scores follow from the matrix, true classes by predicted ones.
    (true_negative, false_positive), (false_negative, true_positive) = matrix
    precision = true_positive / (true_positive + false_positive)
    recall = true_positive / (true_positive + false_negative)
    assert summary["accuracy"] == pytest.approx((true_positive + true_negative) / sum(map(sum, matrix)))
    assert summary["precision"] == pytest.approx(precision)
    assert summary["recall"] == pytest.approx(recall)
    assert summary["f1_score"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert len({summary[name] for name in ("accuracy", "precision", "recall", "f1_score")}) == 4
    assert summary["accuracy"] == get_row(client, churn["id"])["accuracy"]
    other = client.get("/train/model-summary", params={"train_id": age["id"]}).json()
    assert "XGB" in other["model_summary"]["model"]
    assert (other["model_summary"]["accuracy"], other["confusion_matrix"]) == (None, None)
