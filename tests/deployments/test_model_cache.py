"""The cache of models in a replica of the pool: each is loaded once, and the least recently used is evicted."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dataml.errors import DatamlError, Unavailable
from dataml.serving.model_runner import InferenceRequest, InferenceResponse, ServableModel
from deployments.model_cache import ModelCache
from tests.conftest import NewHome

REQUEST = InferenceRequest(({"x": 1.0},), "tester")


class FakeRunner:
    async def predict(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        return [b"{}"] * len(requests)


@pytest.fixture
def loads() -> list[int]:
    """Trainings whose models were loaded, in order."""
    return []


@pytest.fixture
def cache(new_home: NewHome, loads: list[int], monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    def load(self: ModelCache, model: ServableModel) -> Any:
        loads.append(model.train_id)
        if model.train_id < 0 and loads.count(model.train_id) == 1:
            raise Unavailable("The store is away.", code="storage_unavailable")
        return FakeRunner()

    monkeypatch.setattr(ModelCache, "_load", load)
    return ModelCache(new_home(pool_models=2, prediction_log=False))


def model(train_id: int) -> ServableModel:
    return ServableModel(train_id, "t", "tenant", "predictor", "predictor", 1, "y", "bundle", None, "pool")


def predict(cache: ModelCache, *train_ids: int) -> list[list[InferenceResponse]]:
    async def run() -> list[list[InferenceResponse]]:
        return [await cache.predict(model(train_id), [REQUEST, REQUEST]) for train_id in train_ids]

    return asyncio.run(run())


def test_a_model_is_loaded_once(cache: ModelCache, loads: list[int]) -> None:
    assert predict(cache, 1, 1) == [[b"{}", b"{}"]] * 2
    assert loads == [1]


def test_requests_at_the_same_time_load_a_model_once(cache: ModelCache, loads: list[int]) -> None:
    async def run() -> None:
        await asyncio.gather(*(cache.predict(model(1), [REQUEST]) for _ in range(5)))

    asyncio.run(run())
    assert loads == [1]


def test_the_least_recently_used_model_is_evicted(cache: ModelCache, loads: list[int]) -> None:
    predict(cache, 1, 2, 1, 3, 1, 2)
    assert loads == [1, 2, 3, 2]


def test_a_failed_load_is_the_response_and_is_tried_again(cache: ModelCache, loads: list[int]) -> None:
    first, second = predict(cache, -1, -1)
    assert all(isinstance(response, DatamlError) for response in first)
    assert second == [b"{}", b"{}"]
    assert loads == [-1, -1]
