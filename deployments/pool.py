"""The shared pool: many models in one replica, so that a model serves as soon as its training has completed."""

import asyncio
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray import serve

from dataml.settings import Settings
from deployments.replica_health import HEALTH_CHECK_PERIOD_S, HEALTH_CHECK_TIMEOUT_S
from deployments.replica_watch import has_replica

if TYPE_CHECKING:
    from dataml.serving.model_runner import (
        ForecastInferenceRequest,
        InferenceRequest,
        InferenceResponse,
        ServableModel,
    )
    from deployments.model_cache import ModelCache

_CLOSE_TIMEOUT_S = 5.0


@serve.deployment(
    name="PredictorPool",
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=256,
    max_queued_requests=1024,
    graceful_shutdown_timeout_s=10,
    health_check_period_s=HEALTH_CHECK_PERIOD_S,
    health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
)
class PredictorPool:
    """A deployment around a `ModelCache`.

    The cache is imported only once the API is up, so that the platform starts sooner. A replica that Serve adds later
    imports it, and all that predictions need, before it takes a request.
    """

    async def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loading: asyncio.Task[ModelCache] | None = None
        if await asyncio.to_thread(_is_api_up):
            await self._warm()

    async def predict(
        self, model: "ServableModel", requests: "Sequence[InferenceRequest]"
    ) -> "list[InferenceResponse]":
        """Return the responses in order; when the model cannot be loaded, that error for each request."""
        return await (await self._models()).predict(model, requests)

    async def forecast(self, model: "ServableModel", request: "ForecastInferenceRequest") -> "InferenceResponse":
        """Return the forecast as JSON, or the error as a value."""
        return await (await self._models()).forecast(model, request)

    async def warm(self) -> None:
        """Start to import what the first prediction needs, and return at once.

        A call that lasts as long as the imports would count as load, for which Serve adds a replica.
        """
        self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        await (await self._models()).warm()

    async def _models(self) -> "ModelCache":
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_cache())
        return await asyncio.shield(self._loading)

    async def _load_cache(self) -> "ModelCache":
        module = await asyncio.to_thread(importlib.import_module, "deployments.model_cache")
        cache: ModelCache = module.ModelCache(self._settings)
        cache.start_reporting()
        return cache

    async def __del__(self) -> None:
        # Serve awaits this when the replica stops.
        if self._loading is not None and self._loading.done():
            await asyncio.wait_for(self._loading.result().close(), _CLOSE_TIMEOUT_S)


def _is_api_up() -> bool:
    """Return whether a replica of the API of this application runs. Blocking."""
    return has_replica(serve.get_replica_context().app_name, "Api")
