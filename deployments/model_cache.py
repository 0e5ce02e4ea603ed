"""The LRU cache of loaded models in one replica of the pool."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from dataml import redaction, tracing
from dataml.db.session import Database
from dataml.errors import DatamlError
from dataml.metrics.definitions import POOL_EVICTIONS, POOL_MODELS
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.forecast_runner import ForecastRunner
from dataml.serving.model_metrics import measure_load
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
    InferenceRequest,
    InferenceResponse,
    ModelRunner,
    NoLog,
    ServableModel,
    fetch_bundle,
)
from dataml.settings import Settings
from dataml.storage.storage import Storage
from deployments.metrics_reports import MetricsReporter
from deployments.prediction_log import BufferedLog
from deployments.supervisor_lookup import find_supervisor


class ModelCache:
    """Loads a model at its first request, in milliseconds, and evicts the least recently used above `pool_models`."""

    def __init__(self, settings: Settings) -> None:
        redaction.install()
        tracing.start(settings.otlp_endpoint, "pool")
        self._settings = settings
        self._storage = Storage.from_settings(settings)
        database = Database(settings)
        self._log = BufferedLog(database) if settings.prediction_log else NoLog()
        self._runners: OrderedDict[int, asyncio.Task[Any]] = OrderedDict()
        self._reporter = MetricsReporter("pool", lambda: find_supervisor(database), self._measure)

    async def predict(self, model: ServableModel, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Return the responses in order; when the model cannot be loaded, that error for each request."""
        try:
            runner: ModelRunner = await self._get(model, self._load)
        except DatamlError as error:
            return [error] * len(requests)
        return await runner.predict(requests)

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        try:
            runner: ForecastRunner = await self._get(model, self._load_forecast)
        except DatamlError as error:
            return error
        return await runner.forecast(request)

    def start_reporting(self) -> None:
        """Report metrics until the process ends."""
        self._reporter.start()

    async def close(self) -> None:
        """Send what waits: records of the prediction log, and metrics."""
        if isinstance(self._log, BufferedLog):
            await self._log.flush()
        await self._reporter.report()

    async def warm(self) -> None:
        """Import what the first prediction needs."""
        await asyncio.to_thread(Predictor.preload, any_model=True)

    async def _get(self, model: ServableModel, load: Callable[[ServableModel], Any]) -> Any:
        task = self._runners.get(model.train_id)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(load, model))
            task.add_done_callback(lambda done: self._evict_failed(model.train_id, done))
            self._runners[model.train_id] = task
            while len(self._runners) > self._settings.pool_models:
                self._runners.popitem(last=False)
                POOL_EVICTIONS.add()
        self._runners.move_to_end(model.train_id)
        return await asyncio.shield(task)

    def _evict_failed(self, train_id: int, task: asyncio.Task[Any]) -> None:
        # The next request loads the model again.
        if task.cancelled() or task.exception() is not None:
            self._runners.pop(train_id, None)

    def _measure(self) -> None:
        POOL_MODELS.set(len(self._runners))
        if isinstance(self._log, BufferedLog):
            self._log.measure()

    def _load(self, model: ServableModel) -> ModelRunner:
        with measure_load("pool"):
            return ModelRunner(model, Predictor.load(fetch_bundle(self._storage, model)), self._log)

    def _load_forecast(self, model: ServableModel) -> ForecastRunner:
        with measure_load("pool"):
            return ForecastRunner.load(model, self._storage, self._log)
