"""The models that one replica of the pool holds."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from dataml import redaction
from dataml.db.session import Database
from dataml.errors import DatamlError
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.forecast_runner import ForecastRunner
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
from deployments.prediction_log import BufferedLog


class ModelCache:
    """Loads a model at its first question, in milliseconds; when it holds too many, the one unused longest goes."""

    def __init__(self, settings: Settings) -> None:
        redaction.install()
        self._settings = settings
        self._storage = Storage.of(settings)
        self._log = BufferedLog(Database(settings)) if settings.prediction_log else NoLog()
        self._hosts: OrderedDict[int, asyncio.Task[Any]] = OrderedDict()

    async def predict(self, model: ServableModel, questions: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Answers in order; when the model cannot be loaded, that error for each."""
        try:
            host: ModelRunner = await self._host(model, self._load)
        except DatamlError as error:
            return [error] * len(questions)
        return await host.answer(questions)

    async def forecast(self, model: ServableModel, question: ForecastInferenceRequest) -> InferenceResponse:
        """The answer, or why there is none."""
        try:
            host: ForecastRunner = await self._host(model, self._load_forecast)
        except DatamlError as error:
            return error
        return await host.answer(question)

    async def warm(self) -> None:
        """Import what the first prediction needs."""
        await asyncio.to_thread(Predictor.warm, any_model=True)

    async def _host(self, model: ServableModel, load: Callable[[ServableModel], Any]) -> Any:
        task = self._hosts.get(model.train_id)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(load, model))
            task.add_done_callback(lambda done: self._forget_failed(model.train_id, done))
            self._hosts[model.train_id] = task
            while len(self._hosts) > self._settings.pool_models:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(model.train_id)
        return await asyncio.shield(task)

    def _forget_failed(self, train_id: int, task: asyncio.Task[Any]) -> None:
        # The next question tries again.
        if task.cancelled() or task.exception() is not None:
            self._hosts.pop(train_id, None)

    def _load(self, model: ServableModel) -> ModelRunner:
        return ModelRunner(model, Predictor.load(fetch_bundle(self._storage, model)), self._log)

    def _load_forecast(self, model: ServableModel) -> ForecastRunner:
        return ForecastRunner.load(model, self._storage, self._log)
