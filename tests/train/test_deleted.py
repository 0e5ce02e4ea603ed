"""What stays of a training that was deleted, and of the predictions that it has made."""

import hashlib
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.test_every_route import refusal
from tests.train.training import new_predictor, small_dataset, train, trained

FEATURES = {"age": 60, "colour": "red", "price": 5.0}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


def predict(client: Client, row: dict[str, Any]) -> Any:
    body = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "features": FEATURES, "target": "bought"}
    return client.post("/inference/", json=body)


def show(client: Client, train_id: int) -> dict[str, Any]:
    answer = client.get(f"/train/{train_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def delete(client: Client, train_id: int) -> None:
    answer = client.request("DELETE", f"/train/delete/{train_id}")
    assert answer.status_code == 200, answer.text


def log_of(client: Client, train_id: int) -> list[dict[str, Any]]:
    answer = client.get("/inference/predictions", params={"train_id": train_id})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_deleted_training_is_shown_as_it_was(platform: Platform, client: Client) -> None:
    own = small_dataset(client)
    row = trained(client, own)
    before = show(client, row["id"])
    manifest = platform.settings.storage_root / "jobs" / f"{row['job_id'].removeprefix('train-job-')}.1/bundle"
    hashed = hashlib.sha256((manifest / "manifest.json").read_bytes()).hexdigest()
    assert before["lineage"]["bundle_sha256"] == hashed
    assert (before["deleted_at"], before["deleted_by"]) == (None, None)
    delete(client, row["id"])
    after = show(client, row["id"])
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {
        "summary",
        "endpoint",
        "endpoint_url",
        "version_url",
        "is_promoted",
        "deleted_at",
        "deleted_by",
    } | {
        "state",
        "training_status",
        "train_status",
        "ml_model_status",
    }
    assert (after["training_status"], after["deleted_by"], after["summary"]) == ("Deleted", "admin", None)
    assert after["state"] == "deleted"
    assert after["deleted_at"] >= before["modified_at"]
    # It does not hold its dataset, and stays when that is deleted.
    assert client.request("DELETE", f"/dataset/delete/{own}").status_code == 200
    assert show(client, row["id"]) == after
    assert row["id"] not in [listed["id"] for listed in client.get("/train/list").json()["data"]]


def test_hash_of_an_older_bundle_is_taken_before_it_goes(platform: Platform, client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    hashed = show(client, row["id"])["lineage"]["bundle_sha256"]
    execute_sql(platform.settings, "UPDATE training SET bundle_sha256 = NULL WHERE id = ?", row["id"])
    delete(client, row["id"])
    assert show(client, row["id"])["lineage"]["bundle_sha256"] == hashed


def test_predictions_name_their_deleted_model(client: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    prediction_id = predict(client, row).json()["prediction_id"]
    to_score = small_dataset(client, usage="p")
    batch = client.post("/inference/batchPrediction", json={"train_id": row["id"], "dataset_id": to_score}).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    before = log_of(client, row["id"])
    assert {entry["prediction_id"] for entry in before} == {prediction_id, batch["prediction_id"]}
    assert {entry["predictor_version"] for entry in before} == {1}
    delete(client, row["id"])
    deleted_at = show(client, row["id"])["deleted_at"]
    assert log_of(client, row["id"]) == [entry | {"model_deleted_at": deleted_at} for entry in before]
    result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    assert result["train_id"] == row["id"]


def test_version_of_a_deleted_training_is_not_given_again(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    rows = [trained(client, dataset_id, predictor_name=name, new_version=True, seed=seed) for seed in (0, 1)]
    delete(client, rows[1]["id"])
    third = trained(client, dataset_id, predictor_name=name, new_version=True, seed=2)
    assert third["version"] == 3
    for row in (rows[0], third):
        delete(client, row["id"])
    # The name is free: it needs no `new_version`.
    fourth = train(client, dataset_id, predictor_name=name).json()
    assert wait_for_job(client, fourth["job_id"])["state"] == "succeeded"
    assert fourth["version"] == 4
    continued = train(client, dataset_id, predictor_name=name, is_incremental=True, columns=[]).json()
    assert wait_for_job(client, continued["job_id"])["state"] == "succeeded"
    delete(client, fourth["id"])
    parent = show(client, continued["id"])["lineage"]["parent"]
    assert (parent["id"], parent["version"], parent["status"]) == (fourth["id"], 4, "deleted")
    delete(client, continued["id"])
    # As it was when it was deleted.
    children = show(client, fourth["id"])["lineage"]["children"]
    assert [(child["id"], child["status"]) for child in children] == [(continued["id"], "completed")]


def test_deleted_training_of_another_tenant_is_not_found(client: Client, stranger: Client, dataset_id: int) -> None:
    row = trained(client, dataset_id)
    predict(client, row)
    delete(client, row["id"])
    assert refusal(stranger.get(f"/train/{row['id']}")) == (404, "training_not_found")
    log = stranger.get("/inference/predictions", params={"train_id": row["id"]})
    assert refusal(log) == (404, "training_not_found")


def test_record_of_another_version_of_the_platform_is_shown(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    row = trained(client, dataset_id)
    delete(client, row["id"])
    without = "UPDATE deleted_training SET detail = json_remove(detail, '$.summary') WHERE id = ?"
    if not platform.settings.is_sqlite:
        without = "UPDATE deleted_training SET detail = (detail::jsonb - 'summary')::json WHERE id = ?"
    execute_sql(platform.settings, without, row["id"])
    assert show(client, row["id"])["summary"] is None


def test_closing_a_tenant_removes_what_stays(platform: Platform, client: Client, stranger: Client) -> None:
    row = trained(stranger, small_dataset(stranger))
    assert stranger.request("DELETE", f"/train/delete/{row['id']}").status_code == 200
    tenant_id = stranger.post("/login/test-token").json()["tenant_id"]
    count = "SELECT count(*) FROM deleted_training WHERE tenant_id = ?"
    assert execute_sql(platform.settings, count, tenant_id) == [(1,)]
    assert client.request("DELETE", f"/tenants/{tenant_id}").status_code == 200
    assert execute_sql(platform.settings, count, tenant_id) == [(0,)]
