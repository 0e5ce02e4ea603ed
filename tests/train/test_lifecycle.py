"""The detail of a training, its binding to another preprocessing, and its deletion."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.train.lifecycle import service
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset
from tests.runner.test_orphans import collect, list_folders
from tests.test_every_route import read_stored_rows, refusal
from tests.train.training import (
    SMALL_COLUMNS,
    new_predictor,
    row_of,
    small_csv,
    small_dataset,
    train,
    trained,
)

# As a job is while a worker is at it: another attempt, for the supervisor may be at the end of the first one.
RUNNING = "UPDATE job SET state = 'running', attempt = 2, finished_at = NULL WHERE id = ?"
FEATURES = {"age": 60, "colour": "red", "price": 5.0}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def to_score(client: Client) -> int:
    return small_dataset(client, usage="p")


def delete(client: Client, train_id: int) -> Any:
    return client.request("DELETE", f"/train/delete/{train_id}")


def deleted(client: Client, train_id: int) -> None:
    answer = delete(client, train_id)
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Training job deleted successfully"},
    )


def predict(client: Client, row: dict[str, Any]) -> Any:
    body = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "features": FEATURES, "target": "bought"}
    return client.post("/inference/", json=body)


def predict_by_name(client: Client, name: str) -> Any:
    return client.post(f"/models/default/{name}/predict", json={"features": FEATURES})


def detail(client: Client, train_id: int) -> dict[str, Any]:
    answer = client.get(f"/train/{train_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def explained(client: Client, train_id: int) -> None:
    job = client.post("/train/generate-feature-importance", params={"train_id": train_id}).json()["shap_job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"


def change(platform: Platform, statement: str, *values: Any) -> None:
    execute_sql(platform.settings, statement, *values)


def list_preprocess_ids(platform: Platform) -> list[int]:
    return [key for (key,) in execute_sql(platform.settings, "SELECT id FROM preprocess")]


def folder_of(platform: Platform, row: dict[str, Any]) -> Path:
    return platform.settings.storage_root / "jobs" / f"{row['job_id'].removeprefix('train-job-')}.1"


def test_deleted_model_is_removed_with_its_files_and_its_name_is_free(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    name = new_predictor()
    row = trained(client, dataset_id, predictor_name=name)
    explained(client, row["id"])
    assert predict(client, row).status_code == predict_by_name(client, name).status_code == 200
    assert (folder_of(platform, row) / "bundle").is_dir()
    assert row["preprocess_id"] in list_preprocess_ids(platform)
    deleted(client, row["id"])
    assert not folder_of(platform, row).exists()
    for answer in (predict(client, row), delete(client, row["id"])):
        assert refusal(answer) == (404, "training_not_found")
    assert refusal(predict_by_name(client, name)) == (404, "predictor_not_found")
    view = client.get("/train/view-feature-importance", params={"train_id": row["id"]})
    assert refusal(view) == (404, "training_not_found")
    assert row["preprocess_id"] not in list_preprocess_ids(platform)
    again = trained(client, dataset_id, predictor_name=name)
    assert (again["version"], again["id"] > row["id"]) == (2, True)


def test_previous_version_serves_after_a_deletion(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    second = trained(client, dataset_id, predictor_name=name, new_version=True, seed=1)
    assert predict_by_name(client, name).json()["accuracy"] == second["accuracy"]
    deleted(client, second["id"])
    assert predict_by_name(client, name).json()["accuracy"] == first["accuracy"]
    assert refusal(train(client, dataset_id, predictor_name=name)) == (409, "predictor_exists")


def test_deletions_are_audited(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    deleted(client, row["id"])
    event = client.get("/audit/list", params={"subject": f"training:{row['id']}"}).json()["data"][0]
    assert (event["action"], event["username"]) == ("training.delete", "admin")
    assert event["detail"] == {"predictor_name": row["predictor_name"], "version": 1}


def test_predictions_and_result_files_outlive_their_model(
    platform: Platform, client: Client, dataset_id: int, to_score: int
) -> None:
    row = trained(client, dataset_id)
    asked = predict(client, row).json()["prediction_id"]
    batch = client.post("/inference/batchPrediction", json={"train_id": row["id"], "dataset_id": to_score}).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    query = {"prediction_id": batch["prediction_id"]}
    before = client.get("/inference/result", params=query).json()
    content = client.get("/files/download", params={"file_id": before["file_id"]}).content
    deleted(client, row["id"])
    assert client.get("/inference/result", params=query).json() == before
    assert client.get("/files/download", params={"file_id": before["file_id"]}).content == content
    log = read_stored_rows(platform)["prediction"]
    assert {asked, batch["prediction_id"]} <= {prediction[0] for prediction in log}


def test_running_training_is_not_deleted(platform: Platform, client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    change(platform, "UPDATE training SET status = 'submitted_to_ray' WHERE id = ?", row["id"])
    before = read_stored_rows(platform)
    assert refusal(delete(client, row["id"])) == (409, "training_in_progress")
    assert read_stored_rows(platform) == before
    change(platform, "UPDATE training SET status = 'cancelled', bundle = NULL WHERE id = ?", row["id"])
    deleted(client, row["id"])


def test_model_of_a_running_batch_is_not_deleted(
    platform: Platform, client: Client, dataset_id: int, to_score: int
) -> None:
    row = trained(client, dataset_id)
    batch = client.post("/inference/batchPrediction", json={"train_id": row["id"], "dataset_id": to_score}).json()
    wait_for_job(client, batch["job_id"])
    # As the row is while its job waits or runs.
    running = "UPDATE prediction SET status = ? WHERE id = ?"
    change(platform, running, "running", batch["prediction_id"])
    assert refusal(delete(client, row["id"])) == (409, "training_in_use")
    assert predict(client, row).status_code == 200
    change(platform, running, "completed", batch["prediction_id"])
    deleted(client, row["id"])


def test_explanation_of_a_deleted_model_is_cancelled(platform: Platform, client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    explained(client, row["id"])
    job = client.get("/jobs/list", params={"kind": "explain"}).json()["data"][0]
    number = int(job["job_id"].removeprefix("shap-job-"))
    change(platform, RUNNING, number)
    deleted(client, row["id"])
    assert client.get(f"/jobs/{number}").json()["state"] == "cancelled"


def test_files_of_a_model_deleted_just_before_a_crash_are_removed_a_day_later(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    row = trained(client, dataset_id)
    collect(platform, hours=25)
    tenant_id = client.post("/login/test-token").json()["tenant_id"]

    async def delete_and_die() -> None:
        database, scope = Database(platform.settings), Scope(tenant_id, "admin")
        async with database.transaction() as session:
            training = await service.hold_deletable(session, scope, row["id"])
            await service.delete(session, scope, training, {})
        await database.close()

    client.portal.call(delete_and_die)
    left = folder_of(platform, row).relative_to(platform.settings.storage_root).as_posix()
    assert refusal(predict(client, row)) == (404, "training_not_found")
    assert left in list_folders(platform)
    assert left not in collect(platform, hours=23)
    assert left in collect(platform, hours=25)


def test_model_without_files_can_be_deleted(platform: Platform, client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    shutil.rmtree(folder_of(platform, row))
    deleted(client, row["id"])


def test_dataset_can_be_deleted_after_its_trainings(client: Client) -> None:
    own = small_dataset(client)
    row = trained(client, own)
    assert refusal(client.request("DELETE", f"/dataset/delete/{own}")) == (409, "dataset_in_use")
    deleted(client, row["id"])
    assert client.request("DELETE", f"/dataset/delete/{own}").status_code == 200


def test_one_of_many_concurrent_deletions_succeeds(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    with ThreadPoolExecutor(8) as threads:
        codes = sorted(threads.map(lambda _: delete(client, row["id"]).status_code, range(8)))
    assert codes == [200] + [404] * 7


def test_one_of_twenty_identical_concurrent_requests_trains(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: train(client, dataset_id, predictor_name=name), range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"predictor_exists"}
    (row,) = [r for r in client.get("/train/list").json()["data"] if r["predictor_name"] == name]
    assert wait_for_job(client, row["job_id"])["state"] == "succeeded"


def test_only_a_valid_dataset_of_the_tenant_is_trained_on(
    platform: Platform, client: Client, stranger: Client, dataset_id: int, to_score: int
) -> None:
    own = small_dataset(client)
    change(platform, "UPDATE dataset SET state = 'validating' WHERE id = ?", own)
    before = read_stored_rows(platform)
    assert refusal(train(client, own)) == (409, "dataset_not_validated")
    assert refusal(train(client, to_score)) == (409, "wrong_dataset_usage")
    assert refusal(train(stranger, dataset_id)) == (404, "dataset_not_found")
    assert read_stored_rows(platform) == before


def test_feature_importance_can_be_deleted_and_computed_again(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    path = f"/train/delete-feature-importance/{row['id']}"
    assert refusal(client.request("DELETE", path)) == (404, "feature_importance_not_found")
    explained(client, row["id"])
    answer = client.request("DELETE", path)
    done = {"status_code": 200, "message": "Feature importance results deleted successfully"}
    assert (answer.status_code, answer.json()) == (200, done)
    view = client.get("/train/view-feature-importance", params={"train_id": row["id"]}).json()
    assert (view["status"], view["feature_importance"], view["sample_rows"]) == ("not_started", {}, None)
    event = client.get("/audit/list", params={"subject": f"training:{row['id']}"}).json()["data"][0]
    assert event["action"] == "training.delete_importance"
    explained(client, row["id"])
    view = client.get("/train/view-feature-importance", params={"train_id": row["id"]}).json()
    assert view["status"] == "completed"


def test_feature_importance_is_not_deleted_while_it_is_computed(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    row = trained(client, dataset_id)
    explained(client, row["id"])
    job = client.get("/jobs/list", params={"kind": "explain"}).json()["data"][0]
    number = int(job["job_id"].removeprefix("shap-job-"))
    change(platform, RUNNING, number)
    path = f"/train/delete-feature-importance/{row['id']}"
    assert refusal(client.request("DELETE", path)) == (409, "explanation_running")
    change(platform, "UPDATE job SET state = 'succeeded' WHERE id = ?", number)
    assert client.request("DELETE", path).status_code == 200


def test_model_is_bound_to_another_preprocessing_with_the_same_layout(client: Client, dataset_id: int) -> None:
    first, second = trained(client, dataset_id), trained(client, dataset_id, seed=3)
    own_schema = client.get(f"/train/download-schema/{first['id']}").json()
    own_id, bound_id = first["preprocess_id"], second["preprocess_id"]
    assert (own_schema["preprocess_id"], own_schema["bound_preprocess_id"]) == (own_id, own_id)
    body = {"train_id": first["id"], "preprocess_id": second["preprocess_id"]}
    answer = client.post("/train/update/", json=body)
    done = {"data": "Model updated successfully", "status_code": 200, "message": "Success"}
    assert (answer.status_code, answer.json()) == (200, done)
    assert refusal(predict(client, first)) == (422, "wrong_preprocess_id")
    assert predict(client, row_of(client, first["id"])).status_code == 200
    deleted(client, second["id"])
    # The preprocessing stays as long as a model is bound to it.
    assert predict(client, row_of(client, first["id"])).status_code == 200
    lineage = detail(client, first["id"])["lineage"]
    assert (lineage["preprocess_id"], lineage["own_preprocess_id"]) == (bound_id, own_id)
    schema = client.get(f"/train/download-schema/{first['id']}").json()
    assert schema == own_schema | {"bound_preprocess_id": bound_id}
    # It can be bound to its own again, which is then the only one.
    assert client.post("/train/update/", json=body | {"preprocess_id": own_id}).status_code == 200
    lineage = detail(client, first["id"])["lineage"]
    assert (lineage["preprocess_id"], lineage["own_preprocess_id"]) == (own_id, own_id)
    deleted(client, first["id"])


def test_preprocessing_goes_with_the_last_training_that_refers_to_it(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    first, second = trained(client, dataset_id), trained(client, dataset_id, seed=3)
    ids = [row["preprocess_id"] for row in (first, second)]
    for row, other in zip((first, second), reversed(ids), strict=True):
        body = {"train_id": row["id"], "preprocess_id": other}
        assert client.post("/train/update/", json=body).status_code == 200

    def stored() -> list[int]:
        return [key for key in ids if key in list_preprocess_ids(platform)]

    deleted(client, first["id"])
    assert stored() == ids
    assert client.get(f"/train/download-schema/{second['id']}").json()["preprocess_id"] == ids[1]
    deleted(client, second["id"])
    assert stored() == []


@pytest.mark.parametrize(
    ("content", "columns", "told"),
    [
        (small_csv().replace(b"colour", b"paint"), SMALL_COLUMNS, ["'colour' is missing", "'paint' is not among"]),
        (small_csv().replace(b",price,", b",age2,"), SMALL_COLUMNS, ["'price' is missing"]),
        (small_csv().replace(b",red,", b",7,").replace(b",green,", b",8,").replace(b",blue,", b",9,"),
         SMALL_COLUMNS, ["'colour' is Integer, it was String"]),
        (small_csv(), [*SMALL_COLUMNS, {"column_name": "price", "attribute_name": "Ignore"}],
         ["'price' is Ignore, it was Feature"]),
        (small_csv(), SMALL_COLUMNS[1:], ["'id' is Feature, it was Id"]),
    ],
    ids=["renamed", "another", "type", "role", "id"],
)  # fmt: skip
def test_different_layout_is_refused_with_the_difference(
    client: Client, dataset_id: int, content: bytes, columns: list[dict[str, str]], told: list[str]
) -> None:
    row = trained(client, dataset_id)
    other = trained(client, create_dataset(client, ("other.csv", content))["id"], columns=columns)
    answer = client.post("/train/update", json={"train_id": row["id"], "preprocess_id": other["preprocess_id"]})
    assert refusal(answer) == (409, "layout_differs")
    assert [part for part in told if part not in answer.json()["detail"]] == []
    assert row_of(client, row["id"])["preprocess_id"] == row["preprocess_id"]


def test_detail_of_a_training_has_its_lineage(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id, algorithm="LightGBM", hyperparameters={"num_leaves": 7}, seed=5)
    found = detail(client, row["id"])
    assert {name: found[name] for name in row} == row
    assert found["roles"] == {"id": "Id", "age": "Feature", "colour": "Feature", "price": "Feature", "bought": "Target"}
    assert found["hyperparameters"] == {"num_leaves": 7}
    assert found["requested"]["seed"] == 5
    assert found["summary"]["rows"]["total"] == 300
    lineage = found["lineage"]
    dataset = lineage["dataset"]
    assert (dataset["id"], dataset["version"], dataset["current_version"]) == (dataset_id, 1, 1)
    assert (dataset["template_id"], len(dataset["parquet_sha256"])) == (None, 64)
    assert [(file["name"], file["records"]) for file in dataset["files"]] == [("small.csv", 300)]
    assert (lineage["parent"], lineage["children"]) == (None, [])
    assert (lineage["job"]["job_id"], lineage["job"]["attempts"]) == (row["job_id"], 1)
    assert lineage["job"]["finished_at"] is not None
    assert lineage["code_version"] == "0.1.0"
    assert "lightgbm" in lineage["library_versions"]


def test_detail_of_a_failed_training_has_what_is_known(platform: Platform, client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    change(platform, "UPDATE training SET status = 'failed', summary = NULL, requested = NULL, dataset_sha256 = NULL,"
           " code_version = NULL, bundle = NULL WHERE id = ?", row["id"])  # fmt: skip
    found = detail(client, row["id"])
    assert (found["summary"], found["hyperparameters"], found["lineage"]["code_version"]) == (None, {}, None)
    body = {"train_id": row["id"], "preprocess_id": row["preprocess_id"]}
    assert refusal(client.post("/train/update", json=body)) == (409, "model_not_ready")


def test_version_that_is_not_promoted_is_kept_and_serves_by_its_id_only(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    second = trained(client, dataset_id, predictor_name=name, new_version=True, seed=1)
    assert client.post(f"/predictors/{name}/rollback").status_code == 200
    assert predict(client, second).status_code == 200
    assert [row_of(client, row["id"])["is_promoted"] for row in (first, second)] == [True, False]
    deleted(client, first["id"])
    assert refusal(predict_by_name(client, name)) == (404, "predictor_not_found")
