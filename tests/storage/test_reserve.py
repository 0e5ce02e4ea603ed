"""Less than the reserve of the disk is free: what is refused, what goes on, what waits.

A smaller free space than any disk has stands for it.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from httpx import Response

from dataml.storage.space import DiskSpace
from tests.client import Client, wait_for_job
from tests.conftest import Platform, log_in
from tests.dataset.datasets import create_dataset, upload
from tests.storage.nodes import predict
from tests.train.training import small_csv, train, trained


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def upload_small(client: Client, rows: int = 300) -> Response:
    return upload(client, ("small.csv", small_csv(rows)))


@pytest.fixture(scope="module")
def low_space() -> Iterator[Callable[[bool], None]]:
    with pytest.MonkeyPatch.context() as patch:
        free = DiskSpace.free_bytes

        def set_low(is_low: bool) -> None:
            patch.setattr(DiskSpace, "free_bytes", (lambda self: 1000) if is_low else free)

        yield set_low


@pytest.fixture(scope="module")
def model(client: Client) -> dict[str, Any]:
    return trained(client, create_dataset(client, ("small.csv", small_csv()))["id"])


def test_work_that_needs_space_is_refused_and_the_rest_goes_on(
    platform: Platform, client: Client, model: dict[str, Any], low_space: Callable[[bool], None]
) -> None:
    dataset = model["dataset_id"]
    scored = create_dataset(client, ("rows.csv", small_csv(target=False)), usage="p")
    lake_table = {"dataset_name": "from the lake", "usage": "t", "iceberg_table_name": "silver.l"}
    before = client.get("/jobs/list").json()["total"]
    low_space(True)
    calls = [
        upload_small(client),
        client.post("/files/add", params={"dataset_id": dataset}, files=[("files", ("a.csv", small_csv()))]),
        client.post("/dataset/upload", params=lake_table),
        train(client, dataset),
        client.post("/inference/batch-prediction", json={"train_id": model["id"], "dataset_id": scored["id"]}),
        client.post("/dataset/generate_statistics", params={"dataset_id": dataset}),
        client.post("/train/generate-feature-importance", params={"train_id": model["id"]}),
        client.post(f"/dataset/{dataset}/validate"),
    ]
    assert [refusal(answer) for answer in calls] == [(507, "storage_full")] * len(calls)
    assert "1.0 kB" in calls[0].json()["detail"]
    assert client.get("/jobs/list").json()["total"] == before
    health = platform.anonymous.get("/utils/health-check/")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "space" in health.json()["message"]
    assert predict(client, model)
    assert log_in(platform.anonymous, "analyst").get("/dataset/list").status_code == 200
    assert client.get("/dataset/view", params={"dataset_id": dataset}).status_code == 200
    assert client.request("DELETE", f"/dataset/delete/{scored['id']}").status_code == 200
    low_space(False)
    assert platform.anonymous.get("/utils/health-check/").json()["status"] == "ok"
    assert upload_small(client).status_code == 201


def test_caller_without_the_permission_learns_nothing_of_the_disk(
    analyst: Client, anonymous: Client, low_space: Callable[[bool], None]
) -> None:
    low_space(True)
    assert refusal(upload_small(analyst)) == (403, "missing_permission")
    assert refusal(upload_small(anonymous)) == (401, "missing_token")
    low_space(False)


def test_queued_job_waits_until_there_is_space(
    client: Client, model: dict[str, Any], low_space: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The call is taken just before the disk gets low.
    monkeypatch.setattr(DiskSpace, "require", lambda self, upload_bytes=0: None)
    low_space(True)
    job_id = upload_small(client).json()["job_id"]
    job = _wait_for_message(client, job_id, "Waiting for free space")
    assert (job["state"], job["attempts"]) == ("queued", 0)
    low_space(False)
    assert wait_for_job(client, job_id)["state"] == "succeeded"


def _wait_for_message(client: Client, job_id: str, message: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = client.get(f"/jobs/{job_id}").json()
        if job["phrase"] == message:
            return job
        time.sleep(0.02)
    raise AssertionError(job)
