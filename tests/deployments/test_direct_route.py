"""The direct route of a model's own deployment reveals no more than the API does without one."""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from dataml.access.service import Authenticator
from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from dataml.serving.model_runner import ModelRunner
from deployments.predictor import DirectRoute
from tests.client import Client
from tests.conftest import Platform

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
