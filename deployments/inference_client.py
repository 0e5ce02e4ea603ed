"""The inference client of a Ray cluster: calls a model's own deployment when it has one, the pool otherwise."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from dataml.errors import DatamlError, Unavailable
from dataml.serving.model_runner import (
    DeploymentStatus,
    ForecastInferenceRequest,
    InferenceRequest,
    InferenceResponse,
    ServableModel,
)
from dataml.settings import Settings
from deployments.applications import RecentApplications, application_name, describe
from deployments.away_deployments import AwayDeployments, is_answered
from deployments.replica_watch import NoReplica, ReplicaWatch, has_replica

# An own deployment that has not responded within the first time is asked whether it takes requests. When it does not
# answer that within the second time, it has no replica up, or one that hangs: the pool takes the requests. Both times
# and the pool's response stay below a second. Serve would let the requests wait for the next replica.
_ASK_AFTER_S = 0.25
_ASK_TIMEOUT_S = 0.4
_MAX_BATCH_SIZE = 64
_MAX_QUEUED = 1024
_MAX_BATCHERS = 1000
log = logging.getLogger(__name__)

T = TypeVar("T")
SendBatch = Callable[[Sequence[InferenceRequest]], Awaitable[Sequence[InferenceResponse]]]


class RayInferenceClient:
    """The `InferenceClient` of a Ray cluster."""

    def __init__(self, pool: DeploymentHandle, settings: Settings) -> None:
        self._pool = pool
        self._pool_watch = ReplicaWatch(lambda: has_replica(pool.app_name, pool.deployment_name))
        # The pool answers for these.
        self._away = AwayDeployments()
        self._applications = RecentApplications()
        self._timeout_s = settings.request_timeout_s
        # One call at a time would never use a second replica.
        self._max_calls = {"own": settings.endpoint_max_replicas, "pool": settings.pool_max_replicas}
        self._batchers: dict[tuple[str, int], Batcher] = {}

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the response, or an `Unavailable` as a value when no replica responds in time."""
        return await self._batcher(model).submit(request)

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the response, or an `Unavailable` as a value when no replica responds in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._forecast_by_own(model, request) if model.endpoint == "own" else None
                if response is not None:
                    return response
                return await self._pool_watch.run(lambda: self._pool.forecast.remote(model, request))
        except TimeoutError:
            return _timed_out()
        except BackPressureError:
            return _too_many_predictions()
        except (RayError, RayServeException, NoReplica):
            return _no_model_host()

    async def list_deployments(
        self, tenant_id: str, predictor_names: Collection[str]
    ) -> Mapping[str, DeploymentStatus]:
        """Return what ran of the own deployments of these predictors some moments ago, without those that have none.

        Raises:
            Unavailable: Serve cannot be asked.
        """
        try:
            running = await self._applications.read()
        except (RayError, RayServeException) as error:
            raise Unavailable(
                "The states of endpoints are unknown; try again.", code="endpoints_unavailable"
            ) from error
        statuses: dict[str, DeploymentStatus] = {}
        for name in predictor_names:
            own = application_name(tenant_id, name)
            if own in running.applications:
                statuses[name] = describe(running.applications[own], running.addresses.get(own, ()))
        return statuses

    async def warm(self) -> None:
        """Connect to the pool and load its libraries, so that the first prediction is fast."""
        await self._pool.warm.remote()

    def _batcher(self, model: ServableModel) -> "Batcher":
        key = (model.endpoint, model.train_id)
        batcher = self._batchers.get(key)
        if batcher is None:
            if len(self._batchers) > _MAX_BATCHERS:
                self._batchers.clear()
            call = self._call_own if model.endpoint == "own" else self._call_pool
            batcher = self._batchers[key] = Batcher(
                lambda requests: call(model, requests), self._timeout_s, self._max_calls[model.endpoint]
            )
        return batcher

    async def _call_pool(
        self, model: ServableModel, requests: Sequence[InferenceRequest]
    ) -> Sequence[InferenceResponse]:
        try:
            return await self._pool_watch.run(lambda: self._pool.predict.remote(model, requests))
        except BackPressureError:
            return [_too_many_predictions()] * len(requests)
        except (RayError, RayServeException, NoReplica):
            return [_no_model_host()] * len(requests)

    async def _call_own(
        self, model: ServableModel, requests: Sequence[InferenceRequest]
    ) -> Sequence[InferenceResponse]:
        responses = None
        if _application(model) not in self._away:
            handle = _own_deployment(model)
            try:
                responses = await _while_up(handle, model, lambda: handle.predict.remote(model.train_id, requests))
            except (RayError, RayServeException, TimeoutError):
                self._use_pool_for_now(model)
        return responses if responses is not None else await self._call_pool(model, requests)

    async def _forecast_by_own(
        self, model: ServableModel, request: ForecastInferenceRequest
    ) -> InferenceResponse | None:
        """Return the response of the model's own deployment; None when the pool has to answer."""
        if _application(model) in self._away:
            return None
        handle = _own_deployment(model)
        try:
            return await _while_up(handle, model, lambda: handle.forecast.remote(model.train_id, request))
        except (RayError, RayServeException, TimeoutError):
            self._use_pool_for_now(model)
            return None

    def _use_pool_for_now(self, model: ServableModel) -> None:
        self._away.add(_application(model), lambda: _own_deployment(model).serves.remote(model.train_id))


async def _while_up(handle: DeploymentHandle, model: ServableModel, call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call of a model's own deployment, however long it takes.

    Raises:
        TimeoutError: the deployment takes no requests.
        RayError, RayServeException: it has none, or its replica has died.
    """
    running = asyncio.ensure_future(call())
    try:
        while not (await asyncio.wait((running,), timeout=_ASK_AFTER_S))[0]:
            asking = asyncio.create_task(is_answered(lambda: handle.serves.remote(model.train_id), _ASK_TIMEOUT_S))
            try:
                await asyncio.wait((running, asking), return_when=asyncio.FIRST_COMPLETED)
                if not running.done() and not asking.result():
                    raise TimeoutError
            finally:
                asking.cancel()
        return running.result()
    finally:
        running.cancel()


def _own_deployment(model: ServableModel) -> DeploymentHandle:
    # Serve does not check whether it exists: that would block the event loop, and the call fails anyway.
    return serve.get_deployment_handle("Predictor", _application(model), _check_exists=False)


def _application(model: ServableModel) -> str:
    return application_name(model.tenant_id, model.predictor_name)


def _too_many_predictions() -> DatamlError:
    return Unavailable("Too many predictions wait; try again.", code="too_many_predictions")


def _timed_out() -> DatamlError:
    return Unavailable("The model did not answer in time; try again.", code="prediction_timeout")


def _no_model_host() -> DatamlError:
    return Unavailable("No model host is up; try again in a moment.", code="no_model_host")


class Batcher:
    """Dynamic batching: requests that arrive while all calls are under way are sent together in the next call.

    A lone request is sent at once and waits for no other; under load all requests of a batch share the cost of the
    call. At most `max_calls` are under way, each of which Serve gives to a replica. A request waits at most
    `timeout_s`, in the queue and for its call together. A call is cancelled when no caller waits for it any more.
    """

    def __init__(self, call: SendBatch, timeout_s: float, max_calls: int = 1) -> None:
        self._call = call
        self._timeout_s = timeout_s
        self._max_calls = max_calls
        self._queue: list[tuple[InferenceRequest, asyncio.Future[InferenceResponse]]] = []
        self._senders: set[asyncio.Task[None]] = set()

    async def submit(self, request: InferenceRequest) -> InferenceResponse:
        """Return the response to a request, or an `Unavailable` as a value: too many requests wait, or it timed out."""
        if len(self._queue) >= _MAX_QUEUED:
            return _too_many_predictions()
        future: asyncio.Future[InferenceResponse] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future))
        if len(self._senders) < self._max_calls:
            self._start_sender()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            return _timed_out()

    def _start_sender(self) -> None:
        self._senders.add(asyncio.create_task(self._send_queue()))

    async def _send_queue(self) -> None:
        sender = asyncio.current_task()
        assert sender is not None
        try:
            while self._queue:
                batch, self._queue = self._queue[:_MAX_BATCH_SIZE], self._queue[_MAX_BATCH_SIZE:]
                if pending := [(request, future) for request, future in batch if not future.done()]:
                    await self._send_batch(pending)
        finally:
            self._senders.discard(sender)
            # A call that failed unexpectedly ends this task; the requests that arrived meanwhile get another one.
            if self._queue:
                self._start_sender()

    async def _send_batch(self, batch: list[tuple[InferenceRequest, "asyncio.Future[InferenceResponse]"]]) -> None:
        responses: Sequence[InferenceResponse] = ()
        requests, futures = zip(*batch, strict=True)
        call, callers = asyncio.ensure_future(self._call(requests)), asyncio.gather(*futures, return_exceptions=True)
        try:
            await asyncio.wait((call, callers), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                responses = call.result()
            else:
                log.warning("%d predictions were not answered in time", len(batch))
        finally:
            call.cancel()
            # Every caller gets a response, whatever happened to the call.
            missing: InferenceResponse = _no_model_host()
            for index, future in enumerate(futures):
                # The future of a caller that no longer waits is cancelled.
                if not future.done():
                    future.set_result(responses[index] if index < len(responses) else missing)
