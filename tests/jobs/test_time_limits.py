"""`time_limit_s` of the calls that start jobs, and of the answer about a job."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response

from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome
from tests.dataset.datasets import new_name
from tests.sample_tenant import create_sample_tenant, training_request
from tests.test_every_route import refusal

LIMITS = {"training": 600, "validation": 500, "batch": 700}


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(validate_time_limit_s=500, train_time_limit_s=600, score_time_limit_s=700)


@pytest.fixture(scope="module")
def ids(client: Client) -> dict[str, Any]:
    return create_sample_tenant(client).ids


@pytest.fixture
def start(client: Client, ids: dict[str, Any]) -> Callable[..., Response]:
    """Return a function that starts a training, a validation or a batch with a limit."""

    def call(what: str, **limit: Any) -> Response:
        if what == "training":
            return client.post("/train/", json=training_request(ids["dataset_id"], new_name("limited")) | limit)
        if what == "validation":
            return client.post(f"/dataset/{ids['dataset_id']}/validate", params=limit)
        body = {"train_id": ids["train_id"], "dataset_id": ids["prediction_dataset_id"]}
        return client.post("/inference/batchPrediction", json=body | limit)

    return call


@pytest.mark.parametrize("what", LIMITS)
def test_a_job_has_the_limit_of_the_installation_or_a_smaller_one(
    client: Client, start: Callable[..., Response], what: str
) -> None:
    for limit, expected in (({}, LIMITS[what]), ({"time_limit_s": 450}, 450)):
        answer = start(what, **limit)
        assert answer.is_success, answer.text
        job = wait_for_job(client, answer.json()["job_id"])
        assert (job["state"], job["time_limit_s"]) == ("succeeded", expected)


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_above_that_of_the_installation_is_refused(start: Callable[..., Response], what: str) -> None:
    answer = start(what, time_limit_s=LIMITS[what] + 1)
    assert refusal(answer) == (422, "time_limit_too_long")
    assert str(LIMITS[what]) in answer.json()["detail"]


@pytest.mark.parametrize("what", LIMITS)
@pytest.mark.parametrize("limit_s", [0, -1, 2**31, "soon"])
def test_a_limit_that_is_none_is_refused(start: Callable[..., Response], what: str, limit_s: Any) -> None:
    assert refusal(start(what, time_limit_s=limit_s)) == (422, "invalid_request")
