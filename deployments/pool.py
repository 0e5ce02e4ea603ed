"""The shared pool: many models in one replica, so that a model answers the moment its training has completed."""

import asyncio
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray import serve

from dataml.settings import Settings

if TYPE_CHECKING:
    from dataml.serving.model_runner import ServableModel
    from deployments.model_cache import ModelCache


@serve.deployment(
    name="PredictorPool",
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=256,
    max_queued_requests=1024,
    graceful_shutdown_timeout_s=10,
)
class PredictorPool:
    """A thin shell around `ModelCache`, whose imports wait until the API is up: the platform answers sooner."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting: asyncio.Task[ModelCache] | None = None

    async def predict(self, model: "ServableModel", questions: "Sequence[Question]") -> "list[Answer]":
        """Answers in order; when the model cannot be loaded, that error for each."""
        return await (await self._models()).predict(model, questions)

    async def forecast(self, model: "ServableModel", question: "ForecastQuestion") -> "Answer":
        """The answer, or why there is none."""
        return await (await self._models()).forecast(model, question)

    async def warm(self) -> None:
        """Import what the first prediction needs."""
        await (await self._models()).warm()

    async def _models(self) -> "HostedModels":
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> "HostedModels":
        module = await asyncio.to_thread(importlib.import_module, "deployments.model_cache")
        return module.ModelCache(self._settings)
