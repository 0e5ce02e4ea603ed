"""Addresses of versions and aliases, split traffic, and shadows."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from dataml.inference.addresses import Address, Target, is_direct, parse_address
from dataml.inference.shadows import MAX_COPIES, ShadowTraffic
from dataml.serving.model_runner import InferenceRequest, InferenceResponse, LogRecord, ServableModel
from tests.client import Client
from tests.inference.series import shop_rows, trained_forecast
from tests.test_every_route import refusal
from tests.train.training import new_predictor, small_dataset, trained

BODY = {"features": {"age": 60, "colour": "red", "price": 5.0}}
PLAIN = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def name(client: Client, dataset_id: int) -> str:
    """A predictor of three versions of different accuracy; its answers show which has answered."""
    name = new_predictor()
    rows = [
        trained(client, dataset_id, predictor_name=name, new_version=True, hyperparameters={"n_estimators": trees})
        for trees in (1, 4, 100)
    ]
    assert len({row["accuracy"] for row in rows}) > 1
    return name


@pytest.fixture(autouse=True)
def undivided_traffic(client: Client, name: str) -> None:
    set_traffic(client, name)


def set_traffic(client: Client, name: str, **body: Any) -> dict[str, Any]:
    answer = client.request("PUT", f"/predictors/{name}/traffic", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def version_that_answers(client: Client, path: str, **request: Any) -> int:
    """Return the version whose training the prediction log has for an answer."""
    answer = client.post(path, json=BODY, **request)
    assert answer.status_code == 200, answer.text
    name = path.split("/")[3].partition("@")[0]
    versions = client.get(f"/predictors/{name}").json()["data"]
    for row in versions:
        logged = client.get("/inference/predictions", params={"train_id": row["train_id"], "limit": 1}).json()["data"]
        if logged and logged[0]["prediction_id"] == answer.json()["prediction_id"]:
            return row["version"]
    raise AssertionError("no version has the prediction in its log")


def test_path_names_a_version_or_an_alias(client: Client, name: str) -> None:
    client.request("PUT", f"/predictors/{name}/aliases/challenger", json={"version": 1})
    root = f"/models/default/{name}"
    paths = (f"{root}/predict", f"{root}/v2/predict", f"{root}@challenger/predict", f"{root}@champion/predict")
    assert [version_that_answers(client, path) for path in (*paths, f"{root}@v1/predict")] == [3, 2, 1, 3, 1]
    assert refusal(client.post(f"{root}/vx/predict", json=BODY)) == (404, "alias_not_found")
    assert refusal(client.post(f"{root}/v9/predict", json=BODY)) == (404, "version_not_found")
    assert refusal(client.post(f"{root}/v{'9' * 400}/predict", json=BODY)) == (404, "version_not_found")
    for alias in ("nobody", "", "%00", "a@b"):
        assert refusal(client.post(f"{root}@{alias}/predict", json=BODY)) == (404, "alias_not_found")
    for path in (f"{root}/champion/predict", f"{root}/v1/v2/predict", f"{root}/v/predict"):
        assert client.post(path, json=BODY).status_code == 404
    client.request("DELETE", f"/predictors/{name}/aliases/challenger")
    assert refusal(client.post(f"{root}@challenger/predict", json=BODY)) == (404, "alias_not_found")


def test_another_tenant_finds_no_version_and_no_alias(client: Client, stranger: Client, name: str) -> None:
    for reference in ("@champion", "/v1"):
        for tenant in ("default", "other"):
            answer = stranger.post(f"/models/{tenant}/{name}{reference}/predict", json=BODY)
            assert refusal(answer) == (404, "predictor_not_found")


def test_promotion_takes_effect_at_once(client: Client, name: str) -> None:
    path = f"/models/default/{name}/predict"
    assert version_that_answers(client, path) == 3
    client.post(f"/predictors/{name}/promote", json={"version": 2})
    assert version_that_answers(client, path) == 2
    client.post(f"/predictors/{name}/rollback")
    assert version_that_answers(client, path) == 3


def test_versions_of_a_forecast_have_addresses(client: Client) -> None:
    name = new_predictor()
    request = {"predictor_name": name, "algorithm": "SeasonalNaive", "new_version": True}
    for days in (60, 50):
        trained_forecast(client, shop_rows(range(days)), PLAIN, **request)
    starts = {}
    for reference in ("", "/v1", "/v2", "@champion"):
        answer = client.post(f"/models/default/{name}{reference}/forecast", json={"steps": 1, "unique_ids": "all"})
        assert answer.status_code == 200, answer.text
        starts[reference] = answer.json()["forecast"][0]["date"]
    assert starts[""] == starts["/v2"] == starts["@champion"] != starts["/v1"]


def test_split_sends_a_key_to_one_version(client: Client, name: str) -> None:
    set_traffic(client, name, split=[{"version": 1, "weight": 50}, {"version": 2, "weight": 50}])
    path = f"/models/default/{name}/predict"
    seen = {
        key: {version_that_answers(client, path, headers={"X-Routing-Key": key}) for _ in range(3)}
        for key in map(str, range(12))
    }
    assert all(len(versions) == 1 for versions in seen.values())
    assert set.union(*seen.values()) == {1, 2}


def test_shadow_is_logged_and_answers_nobody(client: Client, name: str) -> None:
    set_traffic(client, name, shadows=[1])
    path = f"/models/default/{name}/predict"
    rows = [{"age": age, "colour": colour, "price": 5.0} for age in (20, 35, 51, 80) for colour in ("red", "blue")]
    answer = client.post(path, json={"instances": rows})
    assert answer.status_code == 200, answer.text
    answered = answer.json()["predictions"]
    compared = wait_for_comparison(client, name, len(rows))
    assert (compared["version"], compared["requests"], len(compared["answered_by"])) == (1, len(rows), 1)
    by_shadow = client.post(f"/models/default/{name}/v1/predict", json={"instances": rows}).json()["predictions"]
    equal = [one["prediction"] == other["prediction"] for one, other in zip(answered, by_shadow, strict=True)]
    assert compared["agreement"] == pytest.approx(sum(equal) / len(rows))
    shifts = [
        other["probabilities"][str(one["prediction"]).lower()] - one["probability"]
        for one, other in zip(answered, by_shadow, strict=True)
    ]
    assert compared["probability_shift"] == pytest.approx(sum(shifts) / len(rows), abs=1e-6)
    assert compared["shadow_latency_ms"]["p50"] > 0
    assert len(compared["examples"]) == equal.count(False)
    for example in compared["examples"]:
        assert example["answered"] != example["shadow"]
    empty = client.get(f"/predictors/{name}/comparison", params={"version": 2}).json()
    assert (empty["requests"], empty["agreement"], empty["shadow_latency_ms"]) == (0, None, None)
    later = client.get(f"/predictors/{name}/comparison", params={"version": 1, "since": "9999-01-01T00:00:00"}).json()
    assert later["requests"] == 0


def wait_for_comparison(client: Client, name: str, requests: int) -> dict[str, Any]:
    """Return the comparison of version 1 once it has so many requests: copies are sent after the answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        compared = client.get(f"/predictors/{name}/comparison", params={"version": 1}).json()
        if compared["requests"] >= requests:
            return compared
    raise AssertionError("the copies were not logged")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/models/t/p/predict", Address("t", "p")),
        ("/models/t/p@a/predict", Address("t", "p", "a")),
        ("/models/t/p@/forecast", Address("t", "p", "")),
        ("/models/t/p/v12/forecast", Address("t", "p", "v12")),
        ("/models/t/p/12/predict", None),
        ("/models/t/p/v/predict", None),
        ("/models/t/p/v1/x/predict", None),
        ("/models/t/predict", None),
        ("/api/t/p/predict/", None),
    ],
)
def test_addresses_are_read(path: str, address: Address | None) -> None:
    assert (parse_address(path) if is_direct(path) else None) == address


def model(train_id: int) -> ServableModel:
    return ServableModel(train_id, "id", "t", "churn", "churn", 1, "y", "", None, "pool")


def test_requests_are_shared_by_weight() -> None:
    target = Target(((model(1), 10), (model(2), 90)))
    keys = [f"user-{number}" for number in range(20_000)]
    by_key = Counter(target.choose(key).train_id for key in keys)
    by_chance = Counter(target.choose(None).train_id for _ in keys)
    # Five standard deviations of a binomial distribution.
    for counts in (by_key, by_chance):
        assert counts[1] == pytest.approx(2_000, abs=5 * (20_000 * 0.1 * 0.9) ** 0.5)
    assert [target.choose(key).train_id for key in keys[:50]] == [target.choose(key).train_id for key in keys[:50]]


class _SlowShadow:
    """An `InferenceClient` whose version 1 answers, and whose version 2 never does."""

    def __init__(self) -> None:
        self.copies = 0

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        if model.train_id == 1:
            return b'{"prediction": "a", "probability": 0.5, "probabilities": {"a": 0.5}, "prediction_id": 7}'
        self.copies += 1
        await asyncio.Event().wait()
        raise AssertionError


class _Records:
    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def add(self, record: LogRecord) -> None:
        self.records.append(record)


def test_shadow_that_never_answers_holds_nothing_up() -> None:
    slow, records = _SlowShadow(), _Records()

    async def ask() -> None:
        traffic = ShadowTraffic(slow, records)  # type: ignore[arg-type]
        for _ in range(MAX_COPIES + 50):
            response = await traffic.predict(model(1), [model(2)], InferenceRequest(({},), "admin"))
            assert isinstance(response, bytes)
            await asyncio.sleep(0)

    asyncio.run(ask())
    assert slow.copies == MAX_COPIES
    assert records.records == []
