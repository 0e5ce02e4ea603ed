"""`usage` of a call that ends a job is checked against the job."""

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import upload
from tests.test_every_route import refusal


@pytest.fixture(scope="module")
def job_id(client: Client) -> str:
    """A validation that has ended."""
    job_id = upload(client, ("a.csv", b"n\n1\n")).json()["job_id"]
    wait_for_job(client, job_id)
    return job_id


@pytest.mark.parametrize("usage", ["", "validation", "Validation", "validate", " VALIDATE "])
def test_usage_of_the_job_is_accepted(client: Client, job_id: str, usage: str) -> None:
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": usage})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("usage", ["training", "train", "statistics", "feature-importance", "prediction", "forecast"])
def test_usage_of_another_job_is_refused(client: Client, job_id: str, usage: str) -> None:
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": usage})
    assert refusal(answer) == (409, "wrong_job_usage")
    assert "'validation'" in answer.json()["detail"]


def test_unknown_usage_is_refused(client: Client, job_id: str) -> None:
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": "cooking"})
    assert refusal(answer) == (422, "unknown_job_usage")


def test_job_of_another_usage_is_not_ended(client: Client) -> None:
    dataset = upload(client, ("a.csv", b"n\n1\n")).json()
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": dataset["job_id"], "usage": "training"})
    assert refusal(answer) == (409, "wrong_job_usage")
    assert wait_for_job(client, dataset["job_id"])["state"] == "succeeded"
