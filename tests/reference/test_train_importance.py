"""Feature importance: its computation, view and deletion; and the callbacks of the engine."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.reference.conftest import Hold, get_row
from tests.reference.record import shows
from tests.reference.test_train import predict, trained
from tests.test_every_route import refusal

QUICK = {"hyperparameters": {"n_estimators": 5}}


@pytest.fixture(scope="module")
def row(client: Client, customers: dict[str, Any]) -> dict[str, Any]:
    """A training without a feature importance."""
    return trained(client, customers["id"], **QUICK)


def view(client: Client, train_id: int) -> dict[str, Any]:
    return client.get("/train/view-feature-importance", params={"train_id": train_id}).json()


def generate(client: Client, train_id: int) -> str:
    answer = client.get("/train/generate-feature-importance", params={"train_id": train_id})
    assert (answer.status_code, answer.json()["status"]) == (202, "success")
    return answer.json()["shap_job_id"]


@shows("GET /train/generate-feature-importance")
@shows("GET /train/view-feature-importance")
@shows("DELETE /train/delete-feature-importance/{train_id}")
def test_importance_is_computed_by_a_job_viewed_and_deleted(
    client: Client, stranger: Client, row: dict[str, Any], hold: Hold
) -> None:
    before = view(client, row["id"])
    assert (before["feature_importance"], before["status"]) == ({}, "not_started")
    held = hold("explain")
    job = generate(client, row["id"])
    # While it runs, the same job answers.
    assert generate(client, row["id"]) == job
    assert view(client, row["id"])["status"] == "running"
    held.release()
    assert wait_for_job(client, job)["state"] == "succeeded"
    found = view(client, row["id"])
    assert found["status"] == "completed"
    # The age decides; every feature is there, and nothing else; the shares add up.
    assert found["feature_importance"].keys() == {"age", "plan"}
    assert all(share > 0.1 for share in found["feature_importance"].values())
    assert sum(found["feature_importance"].values()) == pytest.approx(1)
    assert list(found["feature_importance"].values()) == sorted(found["feature_importance"].values(), reverse=True)

    path = f"/train/delete-feature-importance/{row['id']}"
    assert refusal(stranger.request("DELETE", path))[0] == 404
    answer = client.request("DELETE", path)
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Feature importance results deleted successfully"},
    )
    after = view(client, row["id"])
    assert (after["feature_importance"], after["status"]) == ({}, "not_started")
    assert get_row(client, row["id"])["training_status"] == "Completed"
    again = generate(client, row["id"])
    assert again != job
    wait_for_job(client, again)
    assert view(client, row["id"])["feature_importance"] == found["feature_importance"]


def test_shap_enabled_computes_the_importance_after_the_training(client: Client, customers: dict[str, Any]) -> None:
    row = trained(client, customers["id"], shap_enabled=True, **QUICK)
    jobs = client.get("/jobs/list", params={"kind": "explain"}).json()["data"]
    wait_for_job(client, next(job["job_id"] for job in jobs if job["subject_id"] == row["id"]))
    assert view(client, row["id"])["feature_importance"].keys() == {"age", "plan"}


def grant(platform: Platform, client: Client, job_id: str) -> Client:
    """Return a client with the token of an engine that works on this job, which has begun anew."""
    number = int(job_id.rpartition("-")[2])
    # Another attempt: the supervisor may still be at the end of the first one.
    folders = platform.settings.storage_root / "jobs"
    if (folders / f"{number}.1").exists():
        (folders / f"{number}.1").rename(folders / f"{number}.2")
    running = "UPDATE job SET state = 'running', attempt = 2, finished_at = NULL WHERE id = ?"
    execute_sql(platform.settings, running, number)
    token = client.post(f"/jobs/{job_id}/callback-token").json()["token"]
    return Client(client.app, client.portal, {"Authorization": f"Bearer {token}"})


def restart_training(platform: Platform, client: Client, row: dict[str, Any]) -> Client:
    cleared = "status = 'submitted_to_ray', bundle = NULL, summary = NULL, metrics = NULL, algorithm = NULL"
    execute_sql(platform.settings, f"UPDATE training SET {cleared} WHERE id = ?", row["id"])
    return grant(platform, client, row["job_id"])


@shows("POST /train/result")
def test_result_of_the_engine_completes_the_training(
    platform: Platform, client: Client, customers: dict[str, Any]
) -> None:
    row = trained(client, customers["id"], **QUICK)
    engine = restart_training(platform, client, row)
    assert refusal(predict(client, row))[0] == 409
    metrics = {"accuracy": row["accuracy"]}
    body = {"result": {"metrics": metrics, "checkpoint": None, "error": None, "path": None}, "train_id": row["id"]}
    assert refusal(client.post("/train/result", json=body))[0] == 401
    wrong = body | {"result": body["result"] | {"metrics": {"accuracy": row["accuracy"] / 2}}}
    assert refusal(engine.post("/train/result", json=wrong))[0] == 422
    answer = engine.post("/train/result", json=body | {"preprocess_id": f"preprocess-{row['preprocess_id']}"})
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "Result received"})
    now = get_row(client, row["id"])
    assert (now["training_status"], now["accuracy"], now["algorithm"]) == ("Completed", row["accuracy"], "LightGBM")
    assert predict(client, row).status_code == 200


@shows("POST /train/result")
def test_error_of_the_engine_fails_the_training(platform: Platform, client: Client, customers: dict[str, Any]) -> None:
    row = trained(client, customers["id"], **QUICK)
    engine = restart_training(platform, client, row)
    body = {"result": {"metrics": {}, "checkpoint": None, "error": "Out of memory.", "path": None}}
    assert engine.post("/train/result", json=body).status_code == 200
    now = get_row(client, row["id"])
    assert (now["training_status"], now["train_status"], now["ml_model_status"]) == ("Failed", "failed", "failed")
    assert "Out of memory." in now["error"]
    assert refusal(predict(client, row))[0] == 409


@shows("POST /train/shap-result")
def test_shap_result_of_the_engine_is_stored(platform: Platform, client: Client, row: dict[str, Any]) -> None:
    job = generate(client, row["id"])
    wait_for_job(client, job)
    engine = grant(platform, client, job)
    body = {"training_id": row["id"], "result": {"age": 0.45, "plan": 0.15}}
    assert refusal(client.post("/train/shap-result", json=body))[0] == 401
    assert refusal(engine.post("/train/shap-result", json=body | {"training_id": 999_999}))[0] == 409
    answer = engine.post("/train/shap-result", json=body)
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "SHAP result received"})
    shown = view(client, row["id"])
    assert (shown["feature_importance"], shown["status"]) == ({"age": 0.75, "plan": 0.25}, "completed")
