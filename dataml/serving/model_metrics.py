"""Metrics of models: the time and status of their calls, recorded where they are called, and their loading."""

from collections.abc import Awaitable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Literal

from dataml import tracing
from dataml.errors import DatamlError
from dataml.metrics.definitions import MODEL_LOAD_DURATION, MODEL_LOAD_ERRORS, PREDICTION_DURATION
from dataml.serving.model_runner import (
    DeploymentStatus,
    ForecastInferenceRequest,
    InferenceClient,
    InferenceRequest,
    InferenceResponse,
    ServableModel,
    labels_of,
)


async def measure_call(model: ServableModel, call: Awaitable[InferenceResponse]) -> InferenceResponse:
    """Return the response of a model, and record how long it took and the class of its status."""
    started_at = perf_counter()
    response: InferenceResponse | None = None
    try:
        response = await call
        return response
    finally:
        record_call(model, response, perf_counter() - started_at)


def record_call(model: ServableModel, response: InferenceResponse | None, seconds: float) -> None:
    """Count a call of a model, and how long it took; `response` is None when it has failed."""
    status = "2xx"
    if response is None or isinstance(response, DatamlError):
        status = "5xx" if response is None else f"{response.status // 100}xx"
    PREDICTION_DURATION.observe(seconds, *labels_of(model), model.alias, status)


def _attributes(model: ServableModel) -> tracing.Attributes:
    return {"dataml.predictor": model.predictor_name, "dataml.version": model.version, "dataml.alias": model.alias}


@contextmanager
def measure_load(host: Literal["pool", "own"]) -> Iterator[None]:
    """Record how long it takes to load a model in the pool or in an own deployment, and whether that fails."""
    with MODEL_LOAD_DURATION.time(host):
        try:
            yield
        except Exception:
            MODEL_LOAD_ERRORS.add(host)
            raise


class MeasuredInferenceClient:
    """An `InferenceClient` that records the calls of another one."""

    def __init__(self, client: InferenceClient) -> None:
        self.client = client

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the predictions as JSON, or the error as a value."""
        if not tracing.is_on():
            return await measure_call(model, self.client.predict(model, request))
        with tracing.span("predict", _attributes(model)):
            request = replace(request, traceparent=tracing.current_traceparent())
            return await measure_call(model, self.client.predict(model, request))

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        if not tracing.is_on():
            return await measure_call(model, self.client.forecast(model, request))
        with tracing.span("forecast", _attributes(model)):
            request = replace(request, traceparent=tracing.current_traceparent())
            return await measure_call(model, self.client.forecast(model, request))

    async def list_deployments(
        self, tenant_id: str, predictor_names: Collection[str]
    ) -> Mapping[str, DeploymentStatus]:
        """Return what runs of the own deployments of these predictors. Raises as that of the other client."""
        return await self.client.list_deployments(tenant_id, predictor_names)
