"""Which predictors have a deployment of their own: the newest, and those that a user has asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from httpx import Response

from dataml.db.session import Database
from dataml.endpoint import service
from dataml.endpoint.scaling import Scaling
from dataml.endpoint.service import WantedDeployment
from dataml.metrics.recording import Labels
from dataml.serving.model_runner import DeploymentStatus
from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform
from tests.database import execute_sql
from tests.inference.series import shop_rows, trained_forecast
from tests.train.training import small_dataset, train, trained

PLAIN = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    """One predictor has a deployment because it is the newest, and two may have one on request."""
    return new_home(own_endpoints=1, requested_endpoints=2, requested_max_replicas=3)


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def forecast(client: Client) -> dict[str, Any]:
    return trained_forecast(client, shop_rows(range(100)), PLAIN, predictor_name="shops", algorithm="SeasonalNaive")


@pytest.fixture(scope="module")
def older(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="older")


@pytest.fixture(scope="module", autouse=True)
def newest(client: Client, dataset_id: int, older: dict[str, Any], forecast: dict[str, Any]) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="newest")


@pytest.fixture(autouse=True)
def nothing_requested(platform: Platform) -> None:
    execute_sql(platform.settings, "DELETE FROM endpoint")


def put(client: Client, training: dict[str, Any], **body: Any) -> Response:
    return client.request("PUT", f"/endpoints/{training['id']}", json=body)


def get(client: Client, training: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/endpoints/{training['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def delete(client: Client, training: dict[str, Any]) -> Response:
    return client.request("DELETE", f"/endpoints/{training['id']}")


def list_wanted(platform: Platform) -> list[WantedDeployment]:
    """Return what the deployer sees, of all tenants."""

    async def read() -> list[WantedDeployment]:
        database = Database(platform.settings)
        async with database.reading() as session:
            wanted = list(await service.list_wanted(session, platform.settings))
        await database.close()
        return wanted

    return platform.client.portal.call(read)


def wanted_replicas(platform: Platform) -> dict[int, tuple[int, int]]:
    return {each.training.id: (each.scaling.min_replicas, each.scaling.max_replicas) for each in list_wanted(platform)}


def test_the_newest_has_a_deployment_without_a_request(
    platform: Platform, client: Client, newest: dict[str, Any], older: dict[str, Any]
) -> None:
    assert wanted_replicas(platform) == {newest["id"]: (1, 2)}
    answer = get(client, newest)
    assert (answer["wanted"], answer["min_replicas"], answer["max_replicas"]) == ("newest", 1, 2)
    assert (answer["state"], answer["created_by"]) == ("waiting", None)
    assert answer["endpoint_url"] == newest["endpoint_url"]
    assert get(client, older)["wanted"] is None
    assert get(client, older)["state"] == "pool"


def test_a_predictor_has_a_deployment_on_request(
    platform: Platform, client: Client, forecast: dict[str, Any], newest: dict[str, Any]
) -> None:
    answer = put(client, forecast, min_replicas=2, max_replicas=3)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == get(client, forecast)
    assert (body["wanted"], body["min_replicas"], body["max_replicas"]) == ("requested", 2, 3)
    assert (body["problem_type"], body["created_by"], body["state"]) == ("Forecast", "admin", "waiting")
    assert body["endpoint_url"] == forecast["endpoint_url"]
    assert wanted_replicas(platform) == {forecast["id"]: (2, 3), newest["id"]: (1, 2)}
    listed = client.get("/endpoints").json()
    assert listed["total"] == 2
    assert [row["predictor_name"] for row in listed["data"]] == ["shops", "newest"]
    assert client.get("/endpoints", params={"limit": 1, "offset": 1}).json()["data"] == listed["data"][1:]
    event = client.get("/audit/list", params={"action": "endpoint.request", "limit": 1}).json()["data"][0]
    assert event["subject"] == f"training:{forecast['id']}"
    usual = {"target_ongoing_requests": 0.8, "upscale_delay_s": 5, "downscale_delay_s": 600}
    assert event["detail"] == {"predictor_name": "shops", "min_replicas": 2, "max_replicas": 3} | usual


def test_a_second_request_changes_the_replicas(platform: Platform, client: Client, older: dict[str, Any]) -> None:
    assert put(client, older).json()["max_replicas"] == 2
    assert put(client, older, min_replicas=3).json()["max_replicas"] == 3
    assert wanted_replicas(platform)[older["id"]] == (3, 3)
    assert client.get("/endpoints").json()["total"] == 2


def test_a_request_says_when_the_replicas_change(platform: Platform, client: Client, older: dict[str, Any]) -> None:
    asked = {"target_ongoing_requests": 2.5, "upscale_delay_s": 0, "downscale_delay_s": 30}
    answer = put(client, older, max_replicas=3, **asked).json()
    assert {name: answer[name] for name in asked} == asked
    (scaling,) = (each.scaling for each in list_wanted(platform) if each.training.id == older["id"])
    assert scaling == Scaling(1, 3, 2.5, 0, 30)
    event = client.get("/audit/list", params={"action": "endpoint.request", "limit": 1}).json()["data"][0]
    assert event["detail"].items() >= asked.items()
    # What a later request leaves out is as usual again.
    answer = put(client, older, downscale_delay_s=60).json()
    assert [answer[name] for name in asked] == [0.8, 5, 60]


def test_a_predictor_is_given_back_to_the_pool(
    platform: Platform, client: Client, older: dict[str, Any], newest: dict[str, Any]
) -> None:
    put(client, older)
    put(client, newest, max_replicas=3)
    assert delete(client, older).json()["wanted"] is None
    assert delete(client, newest).json()["wanted"] == "newest"
    assert wanted_replicas(platform) == {newest["id"]: (1, 2)}
    again = delete(client, older)
    assert (again.status_code, again.json()["code"]) == (404, "endpoint_not_found")
    assert client.get("/audit/list", params={"action": "endpoint.withdraw"}).json()["total"] >= 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"max_replicas": 4}, "too_many_replicas"),
        ({"min_replicas": 4}, "too_many_replicas"),
        ({"min_replicas": 3, "max_replicas": 2}, "min_above_max"),
        ({"min_replicas": 0}, "invalid_request"),
        ({"max_replicas": 0}, "invalid_request"),
        ({"max_replicas": "two"}, "invalid_request"),
        ({"replicas": 2}, "invalid_request"),
        ({"target_ongoing_requests": 0}, "invalid_request"),
        ({"target_ongoing_requests": 1001}, "invalid_request"),
        ({"upscale_delay_s": -1}, "invalid_request"),
        ({"upscale_delay_s": 3601}, "invalid_request"),
        ({"downscale_delay_s": -1}, "invalid_request"),
        ({"downscale_delay_s": 86_401}, "invalid_request"),
    ],
    ids=str,
)
def test_scaling_that_cannot_be_is_refused(
    client: Client, older: dict[str, Any], body: dict[str, Any], code: str
) -> None:
    answer = put(client, older, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert get(client, older)["wanted"] is None


def test_a_tenant_may_ask_for_so_many_and_no_more(
    client: Client, older: dict[str, Any], forecast: dict[str, Any], newest: dict[str, Any]
) -> None:
    assert put(client, older).status_code == put(client, forecast).status_code == 200
    refused = put(client, newest)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_endpoints")
    # What was asked for before may be changed, and what is given back makes room.
    assert put(client, older, max_replicas=3).status_code == 200
    delete(client, forecast)
    assert put(client, newest).status_code == 200


def test_a_training_that_has_not_completed_has_no_endpoint(client: Client, dataset_id: int) -> None:
    started = train(client, dataset_id, predictor_name="cancelled").json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": started["job_id"], "usage": "training"})
    if wait_for_job(client, started["job_id"])["state"] == "succeeded":
        pytest.skip("the training was faster than the call that ends it")
    refused = put(client, started)
    assert (refused.status_code, refused.json()["code"]) == (409, "model_not_ready")
    answer = get(client, started)
    assert (answer["state"], answer["endpoint_url"], answer["wanted"]) == ("pool", None, None)


def test_the_deployment_follows_the_newest_version(platform: Platform, client: Client, dataset_id: int) -> None:
    first = trained(client, dataset_id, predictor_name="versions")
    put(client, first, max_replicas=3)
    second = trained(client, dataset_id, predictor_name="versions", new_version=True)
    assert wanted_replicas(platform) == {second["id"]: (1, 3)}
    assert (get(client, second)["wanted"], get(client, first)["wanted"]) == ("requested", None)
    assert get(client, first)["endpoint_url"] is None
    refused = put(client, first)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_promoted")
    assert f"Training {second['id']} does." in refused.json()["detail"]
    # It is the predictor's, whichever version names it.
    assert delete(client, first).status_code == 200
    assert get(client, second)["wanted"] == "newest"


def test_the_request_goes_with_the_last_version(platform: Platform, client: Client, dataset_id: int) -> None:
    def delete_training(training: dict[str, Any]) -> None:
        answer = client.request("DELETE", f"/train/delete/{training['id']}")
        assert answer.status_code == 200, answer.text

    first = trained(client, dataset_id, predictor_name="short-lived")
    second = trained(client, dataset_id, predictor_name="short-lived", new_version=True)
    put(client, second, max_replicas=3)
    delete_training(second)
    assert wanted_replicas(platform)[first["id"]] == (1, 3)
    delete_training(first)
    assert execute_sql(platform.settings, "SELECT predictor_name FROM endpoint") == []
    successor = trained(client, dataset_id, predictor_name="short-lived")
    assert get(client, successor)["wanted"] == "newest"
    delete_training(successor)


def test_requests_of_two_tenants_do_not_mix(
    platform: Platform, client: Client, stranger: Client, older: dict[str, Any]
) -> None:
    other = trained(stranger, small_dataset(stranger), predictor_name="older")
    put(client, older)
    put(stranger, other, max_replicas=3)
    assert wanted_replicas(platform) == {older["id"]: (1, 2), other["id"]: (1, 3)}
    assert [row["train_id"] for row in client.get("/endpoints").json()["data"]] == [older["id"]]
    assert [row["train_id"] for row in stranger.get("/endpoints").json()["data"]] == [other["id"]]
    missing = delete(stranger, older)
    assert (missing.status_code, missing.json()["code"]) == (404, "training_not_found")
    assert get(client, older)["wanted"] == "requested"


@pytest.mark.parametrize(
    ("endpoint", "status", "shown"),
    [
        ("pool", DeploymentStatus("starting", 0), ("starting", 0)),
        ("pool", DeploymentStatus("running", 1), ("starting", 1)),
        ("own", DeploymentStatus("running", 2), ("running", 2)),
        ("own", DeploymentStatus("starting", 2), ("running", 2)),
        ("own", DeploymentStatus("starting", 0), ("starting", 0)),
        ("pool", DeploymentStatus("failed", 0), ("failed", 0)),
        ("pool", DeploymentStatus("stopping", 1), ("stopping", 1)),
    ],
    ids=str,
)
def test_the_state_says_what_answers(
    platform: Platform,
    client: Client,
    older: dict[str, Any],
    endpoint: str,
    status: DeploymentStatus,
    shown: tuple[str, int],
) -> None:
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    runtime = client.app.app.state.inference_client.client  # type: ignore[attr-defined]
    put(client, older)
    execute_sql(platform.settings, f"UPDATE training SET endpoint = '{endpoint}' WHERE id = {older['id']}")
    runtime.deployments[tenant_id, "older"] = replace(status, addresses=("10.0.0.1:30001",) * status.replicas)
    try:
        answer = get(client, older)
        at_replicas = ["http://10.0.0.1:30001/models/default/older/predict"] * shown[1]
        assert answer["replica_urls"] == (at_replicas if shown[0] == "running" else [])
        assert (answer["state"], answer["replicas"]) == shown
        row = next(row for row in client.get("/endpoints").json()["data"] if row["train_id"] == older["id"])
        assert row == answer
    finally:
        runtime.deployments.clear()
        execute_sql(platform.settings, f"UPDATE training SET endpoint = 'pool' WHERE id = {older['id']}")


@pytest.fixture
def requested(client: Client, older: dict[str, Any]) -> Iterator[dict[str, Any]]:
    assert put(client, older).status_code == 200
    yield older
    assert delete(client, older).status_code == 200


def test_an_endpoint_has_the_calls_of_its_version_in_the_last_minutes(
    client: Client, stranger: Client, requested: dict[str, Any]
) -> None:
    before = get(client, requested)["recent_calls"]
    good = {"age": 60, "colour": "red", "price": 5.0}
    for features in (good, good, {"age": "old"}):
        client.post(requested["endpoint_url"], json={"features": features})
    # Without access there is no call of the model.
    stranger.post(requested["endpoint_url"], json={"features": good})
    answer = get(client, requested)
    recent_calls = answer["recent_calls"]
    assert (recent_calls["requests"], recent_calls["errors"]) == (before["requests"] + 3, before["errors"] + 1)
    assert 0 < recent_calls["p50_ms"] <= recent_calls["p99_ms"] <= 30_000
    assert next(row for row in client.get("/endpoints").json()["data"] if row["train_id"] == requested["id"]) == answer


def test_calls_are_null_while_they_are_not_known(
    client: Client, requested: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def know_nothing(versions: Sequence[Labels]) -> list[None]:
        return [None] * len(versions)

    monkeypatch.setattr(client.app.app.state.metrics, "list_recent_calls", know_nothing)  # type: ignore[attr-defined]
    assert get(client, requested)["recent_calls"] is None
    assert {row["recent_calls"] for row in client.get("/endpoints").json()["data"]} == {None}
