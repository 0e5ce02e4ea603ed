"""Asks the host of a model: its own deployment when it has one, the pool otherwise."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from dataml.errors import DatamlError, Unavailable
from dataml.serving.model_runner import ForecastInferenceRequest, InferenceRequest, InferenceResponse, ServableModel
from deployments.deployer import application_name

# An own deployment that does not answer by then has no replica up: the pool takes the question.
_OWN_S = 1.0
_MAX_BATCH = 64
_MAX_WAITING = 1024
log = logging.getLogger(__name__)


class RayInferenceClient:
    """The `InferenceClient` of a Ray cluster."""

    def __init__(self, pool: DeploymentHandle, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._lanes: dict[tuple[str, int], Batcher] = {}

    async def predict(self, model: ServableModel, question: InferenceRequest) -> InferenceResponse:
        """The answer, or an `Unavailable` as a value when no host answers in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._lane(model).ask(question)
        except TimeoutError:
            return Unavailable("The model did not answer in time; try again.", code="prediction_timeout")

    async def forecast(self, model: ServableModel, question: ForecastInferenceRequest) -> InferenceResponse:
        """The answer of the pool: forecasts have no deployment of their own."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._pool.forecast.remote(model, question)
        except TimeoutError:
            return Unavailable("The model did not answer in time; try again.", code="prediction_timeout")
        except BackPressureError:
            return _busy()
        except (RayError, RayServeException):
            return _gone()

    async def warm(self) -> None:
        """Open the way to the pool, so that the first prediction finds it open."""
        await self._pool.warm.remote()

    def _lane(self, model: ServableModel) -> "Lane":
        key = (model.endpoint, model.train_id)
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) > 1000:
                self._lanes.clear()
            ask = self._ask_own if model.endpoint == "own" else self._ask_pool
            lane = self._lanes[key] = Batcher(lambda questions: ask(model, questions), self._timeout_s)
        return lane

    async def _ask_pool(
        self, model: ServableModel, questions: Sequence[InferenceRequest]
    ) -> Sequence[InferenceResponse]:
        try:
            return await self._pool.predict.remote(model, questions)
        except BackPressureError:
            return [_busy()] * len(questions)
        except (RayError, RayServeException):
            return [_gone()] * len(questions)

    async def _ask_own(
        self, model: ServableModel, questions: Sequence[InferenceRequest]
    ) -> Sequence[InferenceResponse]:
        try:
            application = application_name(model.tenant_id, model.predictor_name)
            # Not asked whether it exists: that would block the event loop, and the call tells.
            handle = serve.get_deployment_handle("Predictor", application, _check_exists=False)
            async with asyncio.timeout(_OWN_S):
                answers = await handle.predict.remote(model.train_id, questions)
        except (RayError, RayServeException, TimeoutError):
            answers = None
        return answers if answers is not None else await self._ask_pool(model, questions)


def _busy() -> DatamlError:
    return Unavailable("Too many predictions wait; try again.", code="too_many_predictions")


def _gone() -> DatamlError:
    return Unavailable("No model host is up; try again in a moment.", code="no_model_host")


class Batcher:
    """Natural batching: while a call is under way, the questions that come wait, and go together in the next one.

    A lone question is sent at once and waits for nobody; under load all that ride in a call share its cost.
    """

    def __init__(
        self, call: Callable[[Sequence[InferenceRequest]], Awaitable[Sequence[InferenceResponse]]], timeout_s: float
    ) -> None:
        self._call = call
        self._timeout_s = timeout_s
        self._waiting: list[tuple[InferenceRequest, asyncio.Future[InferenceResponse]]] = []
        self._driver: asyncio.Task[None] | None = None

    async def ask(self, question: InferenceRequest) -> InferenceResponse:
        if len(self._waiting) >= _MAX_WAITING:
            return _busy()
        future: asyncio.Future[InferenceResponse] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
        return await future

    async def _drive(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                if riding := [(question, future) for question, future in batch if not future.done()]:
                    await self._ride(riding)
        finally:
            # A call that failed in an unforeseen way ends this task; whoever came meanwhile gets another.
            self._driver = asyncio.create_task(self._drive()) if self._waiting else None

    async def _ride(self, batch: list[tuple[InferenceRequest, "asyncio.Future[Answer]"]]) -> None:
        answers: Sequence[InferenceResponse] = ()
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await self._call([question for question, _ in batch])
        except TimeoutError:
            log.warning("%d predictions were not answered in time", len(batch))
        finally:
            # Whatever the call came to, nobody is left waiting for it.
            lost: InferenceResponse = _gone()
            for index, (_, future) in enumerate(batch):
                # A caller that has given up has cancelled its future.
                if not future.done():
                    future.set_result(answers[index] if index < len(answers) else lost)
