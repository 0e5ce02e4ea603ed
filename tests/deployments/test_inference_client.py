"""Dynamic batching, and which deployment answers: every caller gets a response."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve
from ray.serve.exceptions import RayServeException

from dataml.errors import Conflict, Unavailable
from dataml.serving.model_runner import ForecastInferenceRequest, InferenceRequest, InferenceResponse, ServableModel
from dataml.settings import load_settings
from deployments import away_deployments, inference_client
from deployments.inference_client import Batcher, RayInferenceClient


def request(number: int) -> InferenceRequest:
    return InferenceRequest(({"number": number},), "tester")


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 10))


class Model:
    """Responds with each request's number; a call lasts until `gate` is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = asyncio.Event()

    async def __call__(self, requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
        self.calls.append(len(requests))
        await self.gate.wait()
        return [str(r.rows[0]["number"]).encode() for r in requests]


def test_requests_that_arrive_during_a_call_share_the_next_one() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(batcher.submit(request(number))) for number in range(1, 20)]
        await asyncio.sleep(0)
        model.gate.set()
        assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(20)]
        assert model.calls == [1, 19]

    run(body)


def test_as_many_calls_are_under_way_as_replicas_may_take() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5, max_calls=2)
        tasks = []
        for number in range(20):
            tasks.append(asyncio.create_task(batcher.submit(request(number))))
            for _ in range(3):
                await asyncio.sleep(0)
        assert model.calls == [1, 1]
        model.gate.set()
        assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(20)]
        assert model.calls == [1, 1, 18]

    run(body)


def test_a_failed_call_stops_no_other_one() -> None:
    async def body() -> None:
        gate = asyncio.Event()

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            await gate.wait()
            if requests[0].rows[0]["number"] == 0:
                raise TypeError("unforeseen")
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5, max_calls=2)
        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(batcher.submit(request(number))))
            for _ in range(3):
                await asyncio.sleep(0)
        gate.set()
        first, *others = await asyncio.gather(*tasks)
        assert isinstance(first, Unavailable)
        assert others == [b"fine"] * 3
        assert await batcher.submit(request(5)) == b"fine"

    run(body)


def test_a_cancelled_request_does_not_affect_the_others() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        model.gate.set()
        assert await asyncio.gather(*tasks[1:]) == [b"1", b"2"]

    run(body)


def test_a_failed_call_returns_unavailable_and_the_next_one_is_made() -> None:
    async def body() -> None:
        broken = True

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            if broken:
                raise TypeError("unforeseen")
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5)
        assert isinstance(await batcher.submit(request(1)), Unavailable)
        broken = False
        assert await batcher.submit(request(2)) == b"fine"

    run(body)


def test_a_call_that_never_ends_times_out() -> None:
    async def body() -> None:
        batcher = Batcher(Model(), 0.01)
        response = await batcher.submit(request(1))
        assert isinstance(response, Unavailable)
        assert response.code == "prediction_timeout"

    run(body)


def test_a_call_that_nobody_waits_for_is_cancelled_and_the_next_one_is_made() -> None:
    async def body() -> None:
        cancelled = asyncio.Event()
        is_stuck = True

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            if is_stuck:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert not cancelled.is_set()
        tasks[1].cancel()
        await cancelled.wait()
        is_stuck = False
        assert await batcher.submit(request(3)) == b"fine"

    run(body)


class FakeMethod:
    """A method of a handle: responds with a value, raises an exception of Serve, or never responds."""

    def __init__(self, response: Any) -> None:
        self.response = response

    async def remote(self, *_: Any) -> Any:
        if self.response is NEVER:
            await asyncio.Event().wait()
        if isinstance(self.response, RayServeException):
            raise self.response
        return self.response


NEVER = object()
FORECAST = ForecastInferenceRequest(1, None, None, 0.9, "none", False, "tester")


@pytest.mark.parametrize(
    ("endpoint", "serves", "own", "answer"),
    [
        ("own", True, b"own", b"own"),
        ("pool", True, b"own", b"pool"),
        ("own", False, None, b"pool"),
        ("own", NEVER, NEVER, b"pool"),
        ("own", RayServeException("gone"), NEVER, b"pool"),
        ("own", True, RayServeException("gone"), b"pool"),
        ("own", True, Conflict("no"), Conflict),
    ],
    ids=["up", "not its own", "another version", "no replica", "removed", "died", "refused"],
)
def test_a_forecast_is_answered_by_its_own_deployment_or_else_by_the_pool(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, serves: Any, own: Any, answer: Any
) -> None:
    monkeypatch.setattr(inference_client, "_ASK_AFTER_S", 0.02)
    monkeypatch.setattr(inference_client, "_ASK_TIMEOUT_S", 0.02)
    handle = SimpleNamespace(serves=FakeMethod(serves), forecast=FakeMethod(own))
    monkeypatch.setattr(serve, "get_deployment_handle", lambda *_, **__: handle)
    pool: Any = SimpleNamespace(forecast=FakeMethod(b"pool"), app_name="dataml", deployment_name="PredictorPool")
    model = ServableModel(1, "t", "tenant", "p", "p", 1, "y", "bundle", None, endpoint, "Forecast")

    async def body() -> None:
        response = await RayInferenceClient(pool, load_settings()).forecast(model, FORECAST)
        assert isinstance(response, answer) if isinstance(answer, type) else response == answer

    run(body)


class OwnDeployment:
    """A handle of an own deployment whose replica may be away: Serve lets each call wait for the next replica."""

    def __init__(self) -> None:
        self.is_up = asyncio.Event()
        self.calls = 0
        self.duration_s = 0.0
        self.serves = SimpleNamespace(remote=self._answer)
        self.predict = SimpleNamespace(remote=self._predict)
        self.forecast = SimpleNamespace(remote=self._forecast)

    async def _answer(self, *_: Any) -> bool:
        await self.is_up.wait()
        return True

    async def _predict(self, *_: Any) -> list[bytes]:
        return [await self._forecast()]

    async def _forecast(self, *_: Any) -> bytes:
        self.calls += 1
        await self.is_up.wait()
        await asyncio.sleep(self.duration_s)
        return b"own"


def client_of(own: OwnDeployment, monkeypatch: pytest.MonkeyPatch) -> RayInferenceClient:
    monkeypatch.setattr(inference_client, "_ASK_AFTER_S", 0.02)
    monkeypatch.setattr(inference_client, "_ASK_TIMEOUT_S", 0.02)
    monkeypatch.setattr(serve, "get_deployment_handle", lambda *_, **__: own)
    pool: Any = SimpleNamespace(
        predict=FakeMethod([b"pool"]), forecast=FakeMethod(b"pool"), app_name="dataml", deployment_name="PredictorPool"
    )
    return RayInferenceClient(pool, load_settings())


async def ask(client: RayInferenceClient, problem_type: str) -> InferenceResponse:
    model = ServableModel(1, "t", "tenant", "p", "p", 1, "y", "bundle", None, "own", problem_type)
    if problem_type == "Forecast":
        return await client.forecast(model, FORECAST)
    return await client.predict(model, request(1))


@pytest.mark.parametrize("problem_type", ["Classification", "Forecast"])
def test_no_request_waits_for_an_own_deployment_that_is_away(
    monkeypatch: pytest.MonkeyPatch, problem_type: str
) -> None:
    async def body() -> None:
        own = OwnDeployment()
        client = client_of(own, monkeypatch)
        assert [await ask(client, problem_type) for _ in range(3)] == [b"pool"] * 3
        assert own.calls == 1, "only the first request has asked it"
        own.is_up.set()
        await asyncio.sleep(0.05)
        assert await ask(client, problem_type) == b"own"
        assert len(client._away) == 0

    run(body)


@pytest.mark.parametrize("problem_type", ["Classification", "Forecast"])
def test_an_own_deployment_that_takes_long_is_not_away(monkeypatch: pytest.MonkeyPatch, problem_type: str) -> None:
    async def body() -> None:
        own = OwnDeployment()
        own.is_up.set()
        own.duration_s = 0.3
        client = client_of(own, monkeypatch)
        assert await ask(client, problem_type) == b"own"
        assert len(client._away) == 0

    run(body)


def test_an_own_deployment_that_no_request_wants_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away_deployments, "_FORGET_AFTER_S", 0.1)
    monkeypatch.setattr(away_deployments, "_ASK_TIMEOUT_S", 0.02)
    monkeypatch.setattr(away_deployments, "_ASK_AGAIN_S", 0.02)

    async def body() -> None:
        client = client_of(OwnDeployment(), monkeypatch)
        assert await ask(client, "Classification") == b"pool"
        assert len(client._away) == 1
        await asyncio.sleep(0.4)
        assert len(client._away) == 0

    run(body)


def test_a_pool_without_a_replica_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_client, "has_replica", lambda *_: False)
    pool: Any = SimpleNamespace(
        predict=FakeMethod(NEVER), forecast=FakeMethod(NEVER), app_name="dataml", deployment_name="PredictorPool"
    )
    model = ServableModel(1, "t", "tenant", "p", "p", 1, "y", "bundle", None, "pool")

    async def body() -> None:
        client = RayInferenceClient(pool, load_settings())
        for response in (await client.predict(model, request(1)), await client.forecast(model, FORECAST)):
            assert isinstance(response, Unavailable)
            assert response.code == "no_model_host"
            assert response.headers["Retry-After"] == "1"

    run(body)
