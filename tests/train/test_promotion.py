"""Which version of a predictor serves: only that one is promoted and shows the path that answers."""

from typing import Any

import pytest

from tests.client import Client
from tests.inference.series import ask, shop_rows, trained_forecast
from tests.test_every_route import refusal
from tests.train.training import new_predictor, row_of, small_dataset, train, trained

FEATURES = {"features": {"age": 60, "colour": "red", "price": 5.0}}
ROLES = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def forecast(client: Client) -> dict[str, Any]:
    return trained_forecast(client, shop_rows(range(60)), ROLES, algorithm="SeasonalNaive")


def test_only_the_version_that_answers_shows_the_path(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    assert first["endpoint_url"] == f"/models/default/{name}/predict"
    second = trained(client, dataset_id, predictor_name=name, new_version=True, seed=1)
    assert client.post(second["endpoint_url"], json=FEATURES).json()["accuracy"] == second["accuracy"]
    first = row_of(client, first["id"])
    assert (first["is_promoted"], first["endpoint"], first["endpoint_url"]) == (True, "pool", None)
    for row in (first, second):
        assert client.get(f"/train/{row['id']}").json()["endpoint_url"] == row["endpoint_url"]


def test_previous_version_shows_the_path_again(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    second = trained(client, dataset_id, predictor_name=name, new_version=True, seed=1)
    assert client.post(f"/predictors/{name}/rollback").status_code == 200
    rows = [row_of(client, row["id"]) for row in (first, second)]
    assert [row["endpoint_url"] for row in rows] == [first["endpoint_url"], None]


def test_training_that_was_cancelled_is_not_promoted(client: Client, dataset_id: int) -> None:
    made = train(client, dataset_id, hyperparameters={"n_estimators": 5000}).json()
    terminated = client.post("/ray/terminate_ray_job", params={"ray_job_id": made["job_id"], "usage": "training"})
    assert terminated.status_code == 200
    row = row_of(client, made["id"])
    assert (row["training_status"], row["is_promoted"]) == ("Cancelled", False)
    assert (row["endpoint"], row["endpoint_url"]) == (None, None)


def test_path_of_a_forecast_answers_as_the_call_by_id(client: Client, forecast: dict[str, Any]) -> None:
    assert forecast["endpoint_url"] == f"/models/default/{forecast['predictor_name']}/forecast"
    question = {"steps": 3, "unique_ids": "all", "level": 80}
    by_name = client.post(forecast["endpoint_url"], json=question)
    assert by_name.status_code == 200, by_name.text
    by_id = ask(client, forecast, **question)
    assert by_name.json()["forecast"] == by_id.json()["forecast"]
    assert len(by_name.json()["forecast"]) == 9
    log = client.get("/inference/predictions", params={"train_id": forecast["id"]}).json()["data"]
    assert by_name.json()["prediction_id"] in [row["prediction_id"] for row in log]


def test_path_of_a_forecast_reads_its_body_strictly(client: Client, forecast: dict[str, Any]) -> None:
    path = forecast["endpoint_url"]
    assert client.post(path, json={"steps": 0}).json()["code"] == "invalid_request"
    assert client.post(path, json={"steps": 3, "train_id": 1}).json()["code"] == "invalid_request"
    assert refusal(client.post(path, json={"steps": 3})) == (422, "one_or_several")
    assert refusal(client.post(path, content=b"{", headers={"content-type": "application/json"}))[1] == "invalid_json"


def test_other_call_by_name_is_refused(client: Client, forecast: dict[str, Any], dataset_id: int) -> None:
    row = trained(client, dataset_id)
    wrong = client.post(forecast["endpoint_url"].removesuffix("forecast") + "predict", json=FEATURES)
    assert refusal(wrong) == (409, "wrong_problem_type")
    wrong = client.post(row["endpoint_url"].removesuffix("predict") + "forecast", json={"steps": 3})
    assert refusal(wrong) == (409, "wrong_problem_type")


def test_forecast_of_another_tenant_is_not_found(stranger: Client, forecast: dict[str, Any]) -> None:
    for path in (forecast["endpoint_url"], "/models/default/nothing/forecast", "/models/other/nothing/forecast"):
        assert refusal(stranger.post(path, json={"steps": 3})) == (404, "predictor_not_found")
