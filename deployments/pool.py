"""The shared pool: many models in one replica, so that a model serves as soon as its training has completed."""

import asyncio
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray import serve

from dataml.settings import Settings

if TYPE_CHECKING:
    from dataml.serving.model_runner import (
        ForecastInferenceRequest,
        InferenceRequest,
        InferenceResponse,
        ServableModel,
    )
    from deployments.model_cache import ModelCache


@serve.deployment(
    name="PredictorPool",
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=256,
    max_queued_requests=1024,
    graceful_shutdown_timeout_s=10,
)
class PredictorPool:
    """A deployment around a `ModelCache`, imported only once the API is up so that the platform starts sooner."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loading: asyncio.Task[ModelCache] | None = None

    async def predict(
        self, model: "ServableModel", requests: "Sequence[InferenceRequest]"
    ) -> "list[InferenceResponse]":
        """Return the responses in order; when the model cannot be loaded, that error for each request."""
        return await (await self._models()).predict(model, requests)

    async def forecast(self, model: "ServableModel", request: "ForecastInferenceRequest") -> "InferenceResponse":
        """Return the forecast as JSON, or the error as a value."""
        return await (await self._models()).forecast(model, request)

    async def warm(self) -> None:
        """Import what the first prediction needs."""
        await (await self._models()).warm()

    async def _models(self) -> "ModelCache":
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_cache())
        return await asyncio.shield(self._loading)

    async def _load_cache(self) -> "ModelCache":
        module = await asyncio.to_thread(importlib.import_module, "deployments.model_cache")
        return module.ModelCache(self._settings)
