"""The log of an attempt at a job, over the API, the console and the command line."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.console.browser import signed_in
from tests.train.training import small_dataset, train


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    """A training that has ended."""
    started = train(client, small_dataset(client))
    return wait_for_job(client, started.json()["job_id"])


def test_log_says_what_the_attempt_did(client: Client, job: dict[str, Any]) -> None:
    answer = client.get(f"/jobs/{job['job_id']}/log")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["job_id"], shown["attempt"]) == (job["job_id"], 1)
    for text in (
        "Attempt 1 begins",
        "Reading the dataset",
        "LightGBM has a log loss of 0.",
        "Writing the bundle",
        "Done",
    ):
        assert text in shown["log"]
    assert client.get(f"/jobs/{job['job_id']}/log", params={"attempt": 1}).json() == shown


def test_attempt_that_was_not_has_no_log(client: Client, job: dict[str, Any]) -> None:
    answer = client.get(f"/jobs/{job['job_id']}/log", params={"attempt": 2})
    assert (answer.status_code, answer.json()["code"]) == (404, "log_not_found")


def test_log_is_only_for_the_tenant(stranger: Client, job: dict[str, Any]) -> None:
    answer = stranger.get(f"/jobs/{job['job_id']}/log")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_page_of_the_job_shows_the_log(client: Client, anonymous: Client, job: dict[str, Any]) -> None:
    admin = signed_in(anonymous, "admin")
    page = admin.get(f"/jobs/{job['job_id']}").text
    assert "LightGBM has a log loss of 0." in page
    assert "There is no log" in admin.get(f"/jobs/{job['job_id']}?attempt=7").text
