"""A predictor's own deployment: one model, its own replicas, its own HTTP route."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ray import serve
from starlette.types import Receive, Scope, Send

from dataml import redaction, tracing
from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from dataml.errors import DatamlError, MethodNotAllowed, NotFound
from dataml.http.headers import request_id_of
from dataml.http.request_metrics import measure_request
from dataml.inference.realtime import RealTimeApp, send_response
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.forecast_runner import ForecastRunner
from dataml.serving.model_metrics import MeasuredInferenceClient, measure_load
from dataml.serving.model_runner import (
    DeploymentStatus,
    ForecastInferenceRequest,
    InferenceClient,
    InferenceRequest,
    InferenceResponse,
    ModelRunner,
    NoLog,
    PredictionLog,
    ServableModel,
    fetch_bundle,
)
from dataml.settings import Settings
from dataml.storage.storage import Storage
from deployments import direct_protocol
from deployments.direct_batch import DirectBatch
from deployments.inference_client import RayInferenceClient
from deployments.metrics_reports import MetricsReporter
from deployments.prediction_log import BufferedLog
from deployments.replica_health import HEALTH_CHECK_PERIOD_S, HEALTH_CHECK_TIMEOUT_S
from deployments.supervisor_lookup import find_supervisor

_CLOSE_TIMEOUT_S = 5.0


@serve.deployment(
    name="Predictor",
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=256,
    max_queued_requests=1024,
    graceful_shutdown_timeout_s=10,
    health_check_period_s=HEALTH_CHECK_PERIOD_S,
    health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
)
@serve.ingress()
class PredictorDeployment:
    """Serves its direct route over HTTP, and the API by handle."""

    def __init__(self, settings: Settings, model: ServableModel, pool_application: str) -> None:
        """Load the model. `pool_application` is the Serve application of the pool."""
        redaction.install()
        tracing.start(settings.otlp_endpoint, "predictor")
        self._model = model
        self._settings = settings
        self._pool_application = pool_application
        self._database = Database(settings)
        self._log = BufferedLog(self._database) if settings.prediction_log else NoLog()
        self._runner = _load_runner(model, Storage.from_settings(settings), self._log)
        self._reporter = MetricsReporter("predictor", lambda: find_supervisor(self._database), self._measure)
        self._reporter.start()

    async def serves(self, train_id: int) -> bool:
        """Return whether this deployment serves that version of the predictor, and no other by now."""
        return train_id == self._model.train_id

    async def predict(self, train_id: int, requests: Sequence[InferenceRequest]) -> list[InferenceResponse] | None:
        """Return the responses in order; None when this deployment serves another version of the predictor by now."""
        if train_id != self._model.train_id or not isinstance(self._runner, ModelRunner):
            return None
        return await self._runner.predict(requests)

    async def forecast(self, train_id: int, request: ForecastInferenceRequest) -> InferenceResponse | None:
        """Return the response; None when this deployment serves another version of the predictor by now."""
        if train_id != self._model.train_id or not isinstance(self._runner, ForecastRunner):
            return None
        return await self._runner.forecast(request)

    def __serve_build_asgi_app__(self) -> "DirectRoute":
        """Return the application of the direct route; Serve calls this."""
        pool = serve.get_deployment_handle("PredictorPool", self._pool_application)
        client = MeasuredInferenceClient(LocalClient(self._runner, RayInferenceClient(pool, self._settings)))
        keys = TokenKeys.load(self._settings.key_file)
        realtime = RealTimeApp(self._database, self._settings, keys, client, self._log)
        if isinstance(self._runner, ModelRunner):
            direct_protocol.install(DirectBatch(self._runner, realtime))
        return DirectRoute(self._runner, realtime)

    async def __del__(self) -> None:
        # Serve awaits this when the replica stops.
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            if isinstance(self._log, BufferedLog):
                await self._log.flush()
            await self._reporter.report()

    def _measure(self) -> None:
        if isinstance(self._log, BufferedLog):
            self._log.measure()


def _load_runner(model: ServableModel, storage: Storage, log: PredictionLog) -> ModelRunner | ForecastRunner:
    """Load a model. Raises as `fetch_bundle` and the loaders. Blocking."""
    with measure_load("own"):
        if model.problem_type == "Forecast":
            return ForecastRunner.load(model, storage, log)
        return ModelRunner(model, Predictor.load(fetch_bundle(storage, model)), log)


class LocalClient:
    """The `InferenceClient` of a model's own replica: its model answers here, all others where they run."""

    def __init__(self, runner: ModelRunner | ForecastRunner, others: InferenceClient) -> None:
        self._runner = runner
        self._others = others

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the predictions as JSON, or the error as a value."""
        if model.train_id == self._runner.model.train_id and isinstance(self._runner, ModelRunner):
            return await self._runner.predict_one(request)
        return await self._others.predict(_in_pool(model), request)

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        if model.train_id == self._runner.model.train_id and isinstance(self._runner, ForecastRunner):
            return await self._runner.forecast(request)
        return await self._others.forecast(_in_pool(model), request)

    async def list_deployments(
        self, tenant_id: str, predictor_names: Collection[str]
    ) -> Mapping[str, DeploymentStatus]:
        """Return what runs of the own deployments of these predictors; those without one are left out."""
        return await self._others.list_deployments(tenant_id, predictor_names)


def _in_pool(model: ServableModel) -> ServableModel:
    # This replica is the predictor's own deployment, and has another version.
    return replace(model, endpoint="pool")


class DirectRoute:
    """The ASGI application of `/models/{tenant}/{predictor}` in the model's own replica.

    It answers as the API does where no own deployment has the route. Another version of the predictor, which was
    promoted while this replica runs, or which gets a share of the traffic, is asked in the pool.
    """

    def __init__(self, runner: ModelRunner | ForecastRunner, realtime: RealTimeApp) -> None:
        self._realtime = realtime
        self._root = f"/models/{runner.model.tenant_name}/{runner.model.url_name}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, or to Serve's lifespan events."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path = _full_path(scope)
        scope.setdefault("state", {})["route"] = self._realtime.route_of(path) if self._serves(path) else ""
        await measure_request(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["request_id"] = request_id_of(scope)
        # Any other call gets the same response as from the API where no own deployment has the route, before the body
        # is read: the response does not reveal which predictors exist.
        refusal: DatamlError | None = None
        path = _full_path(scope)
        if not self._serves(path):
            refusal = NotFound("Not Found", code="not_found")
        elif scope["method"] != "POST":
            refusal = MethodNotAllowed("Method Not Allowed", headers={"Allow": "POST"})
        if refusal is not None:
            await send_response(scope, send, refusal)
            return
        scope["path"] = path
        await self._realtime(scope, receive, send)

    def _serves(self, path: str) -> bool:
        return path.startswith(self._root) and self._realtime.serves(path)


def _full_path(scope: Scope) -> str:
    """Return the path as the client sent it: Serve's own proxy removes the route's prefix, HAProxy does not."""
    path: str = scope["path"].rstrip("/")
    return path if path.startswith("/models/") else scope.get("root_path", "") + path


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
