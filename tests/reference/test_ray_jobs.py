"""The termination of jobs."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, get_dataset, new_name
from tests.reference.conftest import Hold, churn_request, get_row
from tests.reference.record import shows
from tests.test_every_route import refusal


def terminate(client: Client, job_id: str, usage: str) -> Any:
    return client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": usage})


@shows("POST /ray/terminate_ray_job")
def test_terminated_jobs_end_without_a_result(
    client: Client, stranger: Client, customers: dict[str, Any], hold: Hold
) -> None:
    dataset = create_dataset(client, ("a.csv", b"n\n1\n"))
    training, description = hold("train"), hold("describe")
    row = client.post("/train/", json=churn_request(customers["id"], new_name("ended"))).json()
    described = client.post("/dataset/generate_statistics", params={"dataset_id": dataset["id"]}).json()["job_id"]
    for held in (training, description):
        held.wait_until_begun()
    assert refusal(terminate(stranger, row["job_id"], "training"))[0] == 404
    # The usage must be that of the job.
    assert refusal(terminate(client, row["job_id"], "statistics"))[0] == 409
    assert client.get(f"/jobs/{row['job_id']}").json()["state"] == "running"
    for job, usage in ((row["job_id"], "training"), (described, "statistics")):
        answer = terminate(client, job, usage)
        assert (answer.status_code, answer.json()["status"]) == (200, "success")
        assert answer.json()["message"] == f"Termination request for Ray job '{job}' has been sent."
        assert client.get(f"/jobs/{job}").json()["state"] == "cancelled"
    for held in (training, description):
        held.release()
    assert get_row(client, row["id"])["training_status"] == "Cancelled"
    answer = client.get("/dataset/statistics", params={"dataset_id": dataset["id"]}).json()
    assert (answer["status"], answer["statistics"]) == ("cancelled", None)
    assert get_dataset(client, dataset["id"])["is_valid"]
    # The worker is free for the next job.
    again = client.post("/dataset/generate_statistics", params={"dataset_id": dataset["id"]}).json()["job_id"]
    assert again != described
    assert wait_for_job(client, again)["state"] == "succeeded"


def test_ended_job_stays_as_it_is(client: Client, churn: dict[str, Any]) -> None:
    assert terminate(client, churn["job_id"], "training").status_code == 200
    assert get_row(client, churn["id"])["training_status"] == "Completed"
    assert refusal(terminate(client, "train-job-999999", "training"))[0] == 404


@pytest.mark.parametrize("missing", ["ray_job_id"])
def test_job_must_be_named(client: Client, missing: str) -> None:
    query = {"ray_job_id": "train-job-1", "usage": "training"}
    del query[missing]
    assert client.post("/ray/terminate_ray_job", params=query).status_code == 422
