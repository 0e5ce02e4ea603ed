"""A predictor's own deployment: one model, its own replicas, its own HTTP route."""

import asyncio
from collections.abc import Sequence

from ray import serve
from starlette.types import Receive, Scope, Send

from dataml import redaction
from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from dataml.errors import DatamlError, MethodNotAllowed, NotFound
from dataml.http.headers import request_id_of
from dataml.inference import service as inference
from dataml.inference.realtime import (
    DIRECT_CALLS,
    FORECAST_CALL,
    SESSION_CACHE_S,
    parse_direct_request,
    respond,
    send_response,
)
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.model_runner import (
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


@serve.deployment(
    name="Predictor",
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=256,
    max_queued_requests=1024,
    graceful_shutdown_timeout_s=10,
)
@serve.ingress()
class PredictorDeployment:
    """Serves its direct route over HTTP, and the API by handle."""

    def __init__(self, settings: Settings, model: ServableModel) -> None:
        redaction.install()
        self._model = model
        database = Database(settings)
        self._authenticator = Authenticator(database, TokenKeys.load(settings.key_file), SESSION_CACHE_S)
        self._log = BufferedLog(database) if settings.prediction_log else NoLog()
        self._runner = ModelRunner(
            model, Predictor.load(fetch_bundle(Storage.from_settings(settings), model)), self._log
        )

    async def predict(self, train_id: int, requests: Sequence[InferenceRequest]) -> list[InferenceResponse] | None:
        """Return the responses in order; None when this deployment serves another version of the predictor by now."""
        return await self._runner.predict(requests) if train_id == self._model.train_id else None

    def __serve_build_asgi_app__(self) -> "DirectRoute":
        """Return the application of the direct route; Serve calls this."""
        return DirectRoute(self._runner, self._authenticator)

    async def __del__(self) -> None:
        # Serve awaits this when the replica stops.
        if isinstance(self._log, BufferedLog):
            await asyncio.wait_for(self._log.flush(), 5)


class DirectRoute:
    """The ASGI application of `POST /models/{tenant}/{predictor}/predict` in the model's own replica.

    `/forecast` is refused as the API refuses it: no forecast has a deployment of its own.
    """

    def __init__(self, runner: ModelRunner, authenticator: Authenticator) -> None:
        self._runner = runner
        self._authenticator = authenticator
        root = f"/models/{runner.model.tenant_name}/{runner.model.url_name}"
        self._paths = tuple(root + call for call in DIRECT_CALLS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, or to Serve's lifespan events."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        scope.setdefault("state", {})["request_id"] = request_id_of(scope)
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
        await respond(scope, receive, send, self._refuse_forecast if is_forecast else self._predict)

    async def _predict(self, authorization: str | None, body: bytes) -> InferenceResponse:
        principal = await self._authenticate(authorization)
        return (await self._runner.predict([parse_direct_request(principal, body)]))[0]

    async def _refuse_forecast(self, authorization: str | None, body: bytes) -> InferenceResponse:
        await self._authenticate(authorization)
        inference.check_problem_type(self._runner.model.problem_type, forecast=True)
        raise AssertionError("a forecast has a deployment of its own")

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
