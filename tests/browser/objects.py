"""Requests that make the objects which pages are about, and their ids by the names in the routes of pages."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tests.client import Client, wait_for_job
from tests.sample_tenant import create_role

Objects = Sequence[Mapping[str, Any]]
"""Objects that belong together: their ids, by the names that parameters of the console's routes have."""


def post(client: Client, path: str, **request: Any) -> dict[str, Any]:
    """Send a request that must succeed, and return its answer."""
    answer = client.post(path, **request)
    assert answer.is_success, answer.text
    return answer.json()


def wait(client: Client, answer: Mapping[str, Any], job: str = "job_id") -> None:
    """Wait for the job of an answer, which must succeed."""
    ended = wait_for_job(client, answer[job])
    assert ended["state"] == "succeeded", ended


def train(
    client: Client, dataset_id: int, name: str, roles: Mapping[str, str], domain: str, **changes: Any
) -> dict[str, Any]:
    """Train a classification, unless the changes say something else, and return it."""
    body = {
        "dataset_id": dataset_id,
        "predictor_name": name,
        "domain": domain,
        "problem_type": "Classification",
        "columns": [{"column_name": column, "attribute_name": role} for column, role in roles.items()],
    }
    training = post(client, "/train/", json=body | changes)
    wait(client, training)
    return training


def explain(client: Client, training: Mapping[str, Any]) -> None:
    """Compute the feature importance of a training."""
    wait(client, post(client, "/train/generate-feature-importance", params={"train_id": training["id"]}), "shap_job_id")


def score(client: Client, training: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Score a dataset by a batch, and return the answer that started it."""
    body = {"train_id": training["id"], "dataset_id": dataset["id"]}
    batch = post(client, "/inference/batchPrediction", json=body)
    wait(client, batch)
    return batch


def list_ids(
    client: Client,
    dataset: Mapping[str, Any],
    training: Mapping[str, Any],
    other: Mapping[str, Any],
    batch: Mapping[str, Any],
    user: Mapping[str, Any],
    key_name: str,
    table: str,
) -> dict[str, Any]:
    """Return the ids of objects that belong together; a role and an API key are made for it."""
    files = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"]
    return {
        "dataset_id": dataset["id"],
        "file_id": files[0]["id"],
        "train_id": training["id"],
        "quoted_name": quote(training["predictor_name"], safe=""),
        "other_train_id": other["id"],
        "job_id": training["job_id"],
        "prediction_id": batch["prediction_id"],
        "tenant_id": post(client, "/login/test-token")["tenant_id"],
        "user_id": user["id"],
        "role_id": create_role(client, "can_view", "can_predict")["id"],
        "key_id": post(client, "/api-keys", json={"name": key_name})["id"],
        "session_id": client.get("/sessions/list").json()["data"][-1]["id"],
        "sample": "sample-churn",
        "schema": "silver",
        "table": table,
    }
