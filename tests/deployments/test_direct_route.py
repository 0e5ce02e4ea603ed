"""The direct route of a model's own deployment reveals no more than the API does without one."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from dataml.inference.addresses import Address, Target, resolve_address
from dataml.inference.realtime import MODEL_CACHE_S, RealTimeApp
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.model_runner import ModelRunner, NoLog, ServableModel, fetch_bundle
from dataml.storage.storage import Storage
from deployments.predictor import DirectRoute, LocalClient
from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.fakes import InProcessInferenceClient
from tests.train.training import new_predictor, small_dataset, trained

MODEL = SimpleNamespace(
    tenant_id="a tenant's id",
    tenant_name="acme",
    predictor_name="churn",
    url_name="churn",
    problem_type="Classification",
)
PATHS = [
    "/models/acme/churn",
    "/models/acme/churn/",
    "/models/acme/churn/x/predict",
    "/models/acme/churn/predict",
    "/models/acme/churn/predict/",
    "/models/acme/churn/predict//",
    "/models/acme/churn/predict/x",
    "/models/acme/churn/forecast",
    "/models/acme/churn/metrics",
    "/models/acme/churn/v1/predict",
    "/models/acme/churn/v1/v2/predict",
    "/models/acme/churn/champion/predict",
]
BODIES: list[dict[str, Any]] = [
    {},
    {"json": {"features": {}}},
    {"content": b"{", "headers": {"Content-Type": "application/json"}},
    {"content": b"x", "headers": {"Content-Type": "text/plain"}},
    {"content": b"x" * 1_100_000, "headers": {"Content-Type": "application/json"}},
]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]


@pytest.fixture
def deployment(platform: Platform) -> Iterator[DirectRoute]:
    database = Database(platform.settings)
    yield direct_route(platform, database, cast(ModelRunner, SimpleNamespace(model=MODEL)))
    platform.client.portal.call(database.close)


def direct_route(platform: Platform, database: Database, runner: ModelRunner) -> DirectRoute:
    """Return the direct route of a replica, beside which a pool runs in this process."""
    settings = platform.settings
    pool = InProcessInferenceClient(Storage.from_settings(settings), NoLog())
    keys = TokenKeys.load(settings.key_file)
    return DirectRoute(runner, RealTimeApp(database, settings, keys, LocalClient(runner, pool), NoLog()))


@pytest.mark.parametrize("signed_in", [False, True], ids=["nobody", "another tenant"])
def test_without_permission_own_deployment_and_api_respond_the_same(
    deployment: DirectRoute, anonymous: Client, stranger: Client, signed_in: bool
) -> None:
    caller = stranger if signed_in else anonymous
    different = {}

    async def by_deployment(method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(deployment)
        async with httpx.AsyncClient(transport=transport, base_url="http://dataml", headers=caller.headers) as http:
            return await http.request(method, path, **request)

    for method, path, parts in itertools.product(METHODS, PATHS, BODIES):
        request = parts | {"headers": {"X-Request-ID": "same"} | parts.get("headers", {})}
        by_api = caller.request(method, path, **request)
        by_route = caller.portal.call(by_deployment, method, path, request)
        answers = [(a.status_code, a.content, _headers(a)) for a in (by_api, by_route)]
        if answers[0] != answers[1]:
            different[f"{method} {path} {list(parts)}"] = answers
    assert different == {}


def _headers(answer: httpx.Response) -> dict[str, str]:
    return dict(sorted(answer.headers.items()))


def load_runner(platform: Platform, row: dict[str, Any]) -> ModelRunner:
    columns = "SELECT tenant_id, url_name, bundle FROM training WHERE id = ?"
    ((tenant_id, name, bundle),) = execute_sql(platform.settings, columns, row["id"])
    model = ServableModel(row["id"], tenant_id, "default", name, name, 1, "bought", bundle, None, "own")
    return ModelRunner(model, Predictor.load(fetch_bundle(Storage.from_settings(platform.settings), model)), NoLog())


@dataclass
class Asker:
    """Asks a direct route with the token of a client."""

    route: DirectRoute
    client: Client

    def post(self, path: str, **fields: Any) -> httpx.Response:
        body = {"features": {"age": 60, "colour": "red", "price": 5.0}} | fields

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.route)
            headers = self.client.headers
            async with httpx.AsyncClient(transport=transport, base_url="http://dataml", headers=headers) as http:
                return await http.post(path, json=body)

        return self.client.portal.call(ask)


@dataclass
class Clock:
    """The clock of the caches; a test sets how much later it is."""

    passed_s: float = 0.0

    def expire(self) -> None:
        """Let what is cached now be looked up again."""
        self.passed_s += MODEL_CACHE_S + 0.1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, now = Clock(), time.monotonic
    monkeypatch.setattr("dataml.db.outage_cache.time.monotonic", lambda: now() + clock.passed_s)
    return clock


@pytest.fixture
def database(platform: Platform) -> Iterator[Database]:
    database = Database(platform.settings)
    yield database
    platform.client.portal.call(database.close)


def test_own_deployment_decides_by_the_threshold_that_is_kept_while_it_runs(
    platform: Platform, client: Client, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trained(client, small_dataset(client))
    asker = Asker(direct_route(platform, database, load_runner(platform, row)), client)
    lookups: list[Address] = []

    async def counted(session: AsyncSession, user: Principal, address: Address) -> Target:
        lookups.append(address)
        return await resolve_address(session, user, address)

    monkeypatch.setattr("dataml.inference.realtime.resolve_address", counted)

    def threshold_of(**fields: Any) -> float:
        return asker.post(row["endpoint_url"], **fields).json()["threshold"]

    assert threshold_of() == 0.5
    client.request("PUT", f"/train/{row['id']}/threshold", json={"threshold": 0.3})
    clock.expire()
    before = len(lookups)
    assert [threshold_of(), threshold_of(), threshold_of(threshold=0.9)] == [0.3, 0.3, 0.9]
    assert len(lookups) - before <= 2, "it is not looked up for each request"
    # A deleted model does not answer any more, though its deployment still runs.
    assert client.request("DELETE", f"/train/delete/{row['id']}").status_code == 200
    clock.expire()
    assert asker.post(row["endpoint_url"]).status_code == 404


def test_own_deployment_lets_the_pool_answer_for_other_versions(
    platform: Platform, client: Client, database: Database, clock: Clock
) -> None:
    dataset_id, name = small_dataset(client), new_predictor()
    first = trained(client, dataset_id, predictor_name=name, hyperparameters={"n_estimators": 1})
    second = trained(client, dataset_id, predictor_name=name, new_version=True)
    assert first["accuracy"] != second["accuracy"]
    asker = Asker(direct_route(platform, database, load_runner(platform, second)), client)

    def accuracy(path: str) -> float:
        answer = asker.post(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["accuracy"]

    root = f"/models/default/{name}"
    # The runner of this test was loaded without the accuracy of its model.
    assert [accuracy(f"{root}/{call}") for call in ("predict", "v1/predict", "v2/predict")] == [
        None,
        first["accuracy"],
        None,
    ]
    client.post(f"/predictors/{name}/promote", json={"version": 1})
    clock.expire()
    assert accuracy(f"{root}/predict") == first["accuracy"]
    client.post(f"/predictors/{name}/rollback")
    clock.expire()
    assert accuracy(f"{root}/predict") is None
