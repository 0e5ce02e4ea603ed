"""Trainings: what is refused before any compute, and what a completed training shows."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import CHURN, create_dataset, upload
from tests.train.training import CHURN_COLUMNS, SMALL_COLUMNS, row_of, small_csv, small_dataset, train, trained


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def small(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="small", algorithm="auto", shap_enabled=True)


@pytest.fixture(scope="module")
def churn(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, (CHURN.name, CHURN.read_bytes()))
    return trained(client, dataset["id"], predictor_name="churn", columns=CHURN_COLUMNS)


def trainings(client: Client) -> int:
    return client.get("/train/list").json()["total"]


def test_churn_example_reaches_its_auc_on_held_out_rows(client: Client, churn: dict[str, Any]) -> None:
    answer = client.get("/train/model-summary", params={"train_id": churn["id"]}).json()
    summary = answer["model_summary"]
    assert summary["metrics"]["roc_auc"] >= 0.83
    assert summary["rows"]["test"] >= 1400
    assert summary["model"] in ("XGBoostClassifier", "LightGBMClassifier", "CatBoostClassifier", "BlendClassifier")
    assert {"accuracy", "precision", "recall", "f1_score"} <= summary.keys()
    assert sum(map(sum, answer["confusion_matrix"])) == summary["rows"]["test"]
    assert len(answer["classes"]) == 2


def test_completed_training_has_its_algorithm_and_predicts(small: dict[str, Any]) -> None:
    assert small["training_status"] == "Completed"
    assert (small["train_status"], small["ml_model_status"]) == ("completed", "completed")
    assert small["algorithm"] in ("XGBoost", "LightGBM", "CatBoost", "Linear", "Blend")
    assert small["accuracy"] > 0.75
    assert (small["progress"], small["error"]) == (1.0, None)
    assert small["endpoint_url"] == "/models/default/small/predict"


def test_refresh_returns_the_same_as_list(client: Client, small: dict[str, Any]) -> None:
    for job in client.get("/jobs/list", params={"kind": "explain"}).json()["data"]:
        wait_for_job(client, job["job_id"])
    assert client.get("/train/refresh").json() == client.get("/train/list").json()


def test_feature_importance_follows_a_training_with_shap_enabled(client: Client, small: dict[str, Any]) -> None:
    (job,) = client.get("/jobs/list", params={"kind": "explain"}).json()["data"]
    wait_for_job(client, job["job_id"])
    answer = client.get("/train/view-feature-importance", params={"train_id": small["id"]}).json()
    assert answer["status"] == "completed"
    assert sum(answer["feature_importance"].values()) == pytest.approx(1.0)
    assert list(answer["feature_importance"])[:2] == ["age", "colour"] or "colour" in answer["feature_importance"]
    assert list(answer["feature_importance"].values()) == sorted(answer["feature_importance"].values(), reverse=True)
    assert answer["sample_rows"] == answer["total_rows"] == 300


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_feature_importance_is_computed_on_request(client: Client, churn: dict[str, Any], method: str) -> None:
    query = {"train_id": churn["id"]}
    answer = client.request(method, "/train/generate-feature-importance", params=query)
    assert answer.status_code == 202
    assert answer.json()["shap_job_id"].startswith("shap-job-")
    wait_for_job(client, answer.json()["shap_job_id"])
    view = client.get("/train/view-feature-importance", params=query).json()
    assert (view["status"], view["sample_rows"], view["total_rows"]) == ("completed", 2000, 7043)


def test_feature_importance_is_empty_before_the_first_request(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    answer = client.get("/train/view-feature-importance", params={"train_id": row["id"]}).json()
    assert (answer["status"], answer["feature_importance"]) == ("not_started", {})


def test_schema_of_a_training_is_downloaded_as_a_file(client: Client, small: dict[str, Any]) -> None:
    answer = client.get(f"/train/download-schema/{small['id']}")
    assert answer.json()["schema"][0] == {"column_name": "id", "data_type": "String"}
    assert "small-schema.json" in answer.headers["content-disposition"]


def test_details_list_the_columns_and_their_possible_roles(client: Client, dataset_id: int) -> None:
    body = {"dataset_id": dataset_id, "predictor_name": "x", "domain": "d", "problem_type": "classification"}
    answer = client.post("/train/get_details", json=body).json()
    assert {"column_name": "age", "data_type": "Integer"} in answer["dataset_schema"]
    assert {"Id", "Target", "Feature"} <= set(answer["attributes"])
    assert answer["problem_type"] == "Classification"


def test_regression_has_no_accuracy(client: Client, dataset_id: int) -> None:
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    row = trained(client, dataset_id, problem_type="Regression", columns=columns, algorithm="xgboost")
    assert (row["accuracy"], row["algorithm"]) == (None, "XGBoost")
    answer = client.get("/train/model-summary", params={"train_id": row["id"]}).json()
    assert answer["confusion_matrix"] is None
    assert {"rmse", "mae", "r2"} <= answer["model_summary"]["metrics"].keys()


def role(name: str, attribute: str, **more: str) -> dict[str, str]:
    return {"column_name": name, "attribute_name": attribute} | more


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"columns": [role("nothing", "Target")]}, "invalid_columns"),
        ({"columns": [role("id", "Id")]}, "no_target"),
        ({"columns": [role("bought", "Target"), role("age", "Target")]}, "several_targets"),
        ({"columns": [role("bought", "Target"), role("bought", "Feature")]}, "invalid_columns"),
        ({"columns": [role("bought", "Goal")]}, "invalid_columns"),
        ({"columns": [role("bought", "Target", data_type="Float")]}, "invalid_columns"),
        ({"columns": [role("bought", "Target", data_type="Complex")]}, "unknown_data_type"),
        (
            {"columns": [role(name, "Ignore") for name in ("id", "age", "colour", "price")] + SMALL_COLUMNS[1:]},
            "no_features",
        ),
        ({"problem_type": "Clustering"}, "unknown_problem_type"),
        ({"problem_type": "Regression"}, "target_not_numeric"),
        ({"columns": [role("price", "Target")]}, "target_not_a_class"),
        ({"algorithm": "ResNet"}, "unknown_algorithm"),
        ({"predictor_name": "a\nb"}, "invalid_request"),
        ({"predictor_name": ""}, "invalid_request"),
        ({"seed": -1}, "invalid_request"),
        ({"unheard_of": 1}, "invalid_request"),
    ],
)
def test_invalid_request_is_refused_and_stores_nothing(
    client: Client, dataset_id: int, changes: dict[str, Any], code: str
) -> None:
    before = trainings(client), client.get("/jobs/list").json()["total"]
    answer = train(client, dataset_id, **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (trainings(client), client.get("/jobs/list").json()["total"]) == before


def test_constant_target_is_refused_before_any_compute(client: Client) -> None:
    content = small_csv().replace(b",no\n", b",yes\n")
    dataset_id = create_dataset(client, ("constant.csv", content))["id"]
    answer = train(client, dataset_id)
    assert (answer.status_code, answer.json()["code"]) == (422, "constant_target")


def test_hyperparameters_are_checked_before_any_compute(client: Client, dataset_id: int) -> None:
    unknown = train(client, dataset_id, algorithm="LightGBM", hyperparameters={"num_leeves": 7})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_hyperparameter")
    assert "num_leeves" in unknown.json()["detail"]
    invalid = train(client, dataset_id, hyperparameters={"learning_rate": 0})
    assert (invalid.status_code, invalid.json()["code"]) == (422, "invalid_hyperparameter")


def test_unsuitable_dataset_is_refused(client: Client) -> None:
    missing = train(client, 10**9)
    assert (missing.status_code, missing.json()["code"]) == (404, "dataset_not_found")
    for_prediction = train(client, small_dataset(client, usage="p"))
    assert (for_prediction.status_code, for_prediction.json()["code"]) == (409, "wrong_dataset_usage")
    invalid = upload(client, ("bad.csv", b"n\n1\n"), template_id=999)
    assert invalid.status_code == 404


def test_name_is_unique_unless_a_new_version_is_requested(
    client: Client, dataset_id: int, small: dict[str, Any]
) -> None:
    again = train(client, dataset_id, predictor_name="small")
    assert (again.status_code, again.json()["code"]) == (409, "predictor_exists")
    second = trained(client, dataset_id, predictor_name="small", new_version=True)
    assert second["version"] == 2


def test_unfinished_model_is_reported_as_not_ready(client: Client, dataset_id: int) -> None:
    row = train(client, dataset_id).json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": row["job_id"], "usage": "training"})
    job = wait_for_job(client, row["job_id"])
    state = row_of(client, row["id"])["training_status"]
    assert (job["state"], state) in (("cancelled", "Cancelled"), ("succeeded", "Completed"))
    if job["state"] == "cancelled":
        answer = client.get("/train/model-summary", params={"train_id": row["id"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "model_not_ready")


def test_name_of_a_cancelled_training_is_free(client: Client, dataset_id: int) -> None:
    row = train(client, dataset_id, predictor_name="twice").json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": row["job_id"], "usage": "training"})
    if wait_for_job(client, row["job_id"])["state"] == "cancelled":
        assert train(client, dataset_id, predictor_name="twice").status_code == 201
