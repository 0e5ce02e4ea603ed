"""The direct route of a model's own deployment reveals no more than the API does without one."""

import itertools
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Authenticator
from dataml.access.tokens import TokenKeys
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.inference import service as inference
from dataml.inference.realtime import MODEL_CACHE_S
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.model_runner import ModelRunner, NoLog, ServableModel, fetch_bundle
from dataml.storage.storage import Storage
from deployments.predictor import DirectRoute
from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.train.training import small_dataset, trained

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
    authenticator = Authenticator(database, TokenKeys.load(platform.settings.key_file), 5.0)
    yield DirectRoute(cast(ModelRunner, SimpleNamespace(model=MODEL)), authenticator, database, platform.settings)
    platform.client.portal.call(database.close)


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


def test_own_deployment_decides_by_the_threshold_that_is_kept_while_it_runs(
    platform: Platform, client: Client, deployment: DirectRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trained(client, small_dataset(client))
    columns = "SELECT tenant_id, url_name, bundle FROM training WHERE id = ?"
    ((tenant_id, name, bundle),) = execute_sql(platform.settings, columns, row["id"])
    model = ServableModel(row["id"], tenant_id, "default", name, name, 1, "bought", bundle, None, "own")
    predictor = Predictor.load(fetch_bundle(Storage.from_settings(platform.settings), model))
    route = DirectRoute(
        ModelRunner(model, predictor, NoLog()), deployment._authenticator, deployment._database, platform.settings
    )
    lookups: list[int] = []
    original = inference.refresh_threshold

    async def counted(session: AsyncSession, scope: Scope, model: ServableModel) -> ServableModel:
        lookups.append(model.train_id)
        return await original(session, scope, model)

    monkeypatch.setattr(inference, "refresh_threshold", counted)

    async def ask(**fields: Any) -> Any:
        body = {"features": {"age": 60, "colour": "red", "price": 5.0}} | fields
        transport = httpx.ASGITransport(route)
        async with httpx.AsyncClient(transport=transport, base_url="http://dataml", headers=client.headers) as http:
            answer = await http.post(row["endpoint_url"], json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def threshold_of(**fields: Any) -> float:
        return client.portal.call(lambda: ask(**fields))["threshold"]

    now, passed_s = time.monotonic, 0.0
    monkeypatch.setattr("dataml.db.outage_cache.time.monotonic", lambda: now() + passed_s)
    assert threshold_of() == 0.5
    client.request("PUT", f"/train/{row['id']}/threshold", json={"threshold": 0.3})
    passed_s = MODEL_CACHE_S + 0.1
    before = len(lookups)
    assert [threshold_of(), threshold_of(), threshold_of(threshold=0.9)] == [0.3, 0.3, 0.9]
    assert len(lookups) - before <= 2, "it is not looked up for each request"
    # Until its deployment is removed, a deleted model answers as it did.
    assert client.request("DELETE", f"/train/delete/{row['id']}").status_code == 200
    passed_s += MODEL_CACHE_S + 0.1
    assert threshold_of() == 0.3
