"""A predictor's own deployment: one model, its own replicas, its own HTTP route."""

import asyncio
from collections.abc import Sequence

from ray import serve
from starlette.types import Receive, Scope, Send

from dataml import redaction
from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.access.tokens import TokenKeys
from dataml.db.outage_cache import OutageCache
from dataml.db.session import Database
from dataml.errors import DatamlError, MethodNotAllowed, NotFound
from dataml.http.headers import request_id_of
from dataml.http.request_metrics import measure_request
from dataml.inference import forecasts
from dataml.inference import service as inference
from dataml.inference.forecast_schemas import DirectForecastRequest
from dataml.inference.realtime import (
    DIRECT_CALLS,
    FORECAST_CALL,
    MODEL_CACHE_S,
    SESSION_CACHE_S,
    direct_route_of,
    parse_body,
    parse_direct_request,
    respond,
    send_response,
)
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.forecast_runner import ForecastRunner
from dataml.serving.model_metrics import measure_call, measure_load
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
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

    def __init__(self, settings: Settings, model: ServableModel) -> None:
        redaction.install()
        self._model = model
        self._settings = settings
        self._database = Database(settings)
        self._authenticator = Authenticator(self._database, TokenKeys.load(settings.key_file), SESSION_CACHE_S)
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
        return DirectRoute(self._runner, self._authenticator, self._database, self._settings)

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


class DirectRoute:
    """The ASGI application of `POST /models/{tenant}/{predictor}/predict` or `/forecast` in the model's own replica.

    The call that is not for the model is refused as the API refuses it.
    """

    def __init__(
        self,
        runner: ModelRunner | ForecastRunner,
        authenticator: Authenticator,
        database: Database,
        settings: Settings,
    ) -> None:
        self._runner = runner
        self._authenticator = authenticator
        self._database = database
        self._settings = settings
        self._model = runner.model
        self._models = OutageCache[ServableModel](MODEL_CACHE_S)
        root = f"/models/{runner.model.tenant_name}/{runner.model.url_name}"
        self._paths = tuple(root + call for call in DIRECT_CALLS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, or to Serve's lifespan events."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path = _full_path(scope)
        scope.setdefault("state", {})["route"] = direct_route_of(path) if path in self._paths else ""
        await measure_request(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["request_id"] = request_id_of(scope)
        # Any other call gets the same response as from the API where no own deployment has the route, before the body
        # is read: the response does not reveal which predictors exist.
        refusal: DatamlError | None = None
        path = _full_path(scope)
        if path not in self._paths:
            refusal = NotFound("Not Found", code="not_found")
        elif scope["method"] != "POST":
            refusal = MethodNotAllowed("Method Not Allowed", headers={"Allow": "POST"})
        if refusal is not None:
            await send_response(scope, send, refusal)
            return
        is_forecast = path.endswith(FORECAST_CALL)
        await respond(scope, receive, send, self._forecast if is_forecast else self._predict)

    async def _predict(self, authorization: str | None, body: bytes) -> InferenceResponse:
        principal = await self._authenticate(authorization)
        inference.check_problem_type(self._runner.model.problem_type, forecast=False)
        assert isinstance(self._runner, ModelRunner)
        request = parse_direct_request(principal, body, await self._get_kept_threshold(principal))
        return await measure_call(self._model, self._runner.predict_one(request))

    async def _get_kept_threshold(self, principal: Principal) -> float | None:
        """Return the threshold that is kept with the model, as the API sees it: it may be a second old."""

        async def look_up() -> ServableModel:
            async with self._database.reading() as session:
                return await inference.refresh_threshold(session, principal.scope, self._model)

        self._model = await self._models.get(self._model.train_id, look_up)
        return self._model.threshold

    async def _forecast(self, authorization: str | None, body: bytes) -> InferenceResponse:
        principal = await self._authenticate(authorization)
        inference.check_problem_type(self._runner.model.problem_type, forecast=True)
        assert isinstance(self._runner, ForecastRunner)
        request = parse_body(DirectForecastRequest, body)
        async with self._database.reading() as session:
            # It may have been bound to another preprocessing meanwhile.
            model = await inference.get_servable_model(session, principal, self._runner.model.train_id)
            prepared = await forecasts.prepare_direct_request(session, self._settings, principal.scope, model, request)
        return await measure_call(self._model, self._runner.forecast(prepared))

    async def _authenticate(self, authorization: str | None) -> Principal:
        principal = await self._authenticator.authenticate(authorization)
        principal.require(Permission.PREDICT)
        if principal.tenant_id != self._runner.model.tenant_id:
            raise NotFound("There is no predictor of this name.", code="predictor_not_found")
        return principal


def _full_path(scope: Scope) -> str:
    """Return the path as the client sent it: Serve's own proxy removes the route's prefix, HAProxy does not."""
    path: str = scope["path"].rstrip("/")
    return path if path.startswith("/models/") else scope.get("root_path", "") + path


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
