"""Predictions in real time and by name as plain ASGI: FastAPI's own work would take longer than the prediction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.access.tokens import TokenKeys
from dataml.db.outage_cache import OutageCache, within_timeout
from dataml.db.session import UNREACHABLE, Database, unavailable
from dataml.errors import DatamlError, Invalid, NotFound, TooLarge, UnsupportedMedia
from dataml.http.errors import render_error
from dataml.http.headers import security_headers
from dataml.http.strict_json import MAX_JSON_BYTES, read_json
from dataml.http.validation import read_as, refuse_unknown_parameters
from dataml.inference import forecasts, service
from dataml.inference.addresses import FORECAST_CALL, Address, Target, is_direct, parse_address, resolve_address
from dataml.inference.forecast_schemas import DirectForecastRequest
from dataml.inference.schemas import DirectRequest, PredictRequest
from dataml.inference.shadows import ShadowTraffic
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
    InferenceClient,
    InferenceRequest,
    InferenceResponse,
    PredictionLog,
    ServableModel,
)
from dataml.settings import Settings
from dataml.train import service as trainings

SESSION_CACHE_S = 5.0
# A promotion takes effect within a second.
MODEL_CACHE_S = 0.8
MAX_EXPLAINED_ROWS = 100
# Models in use that one look-up reads again: where many are in use, each would need a look-up of its own every second.
_MAX_RENEWED_MODELS = 200
_PATH = "/api/v1/inference"
_DIRECT_ROUTE = "/models/{tenant_name}/{predictor_name}"
_ROUTING_KEY = b"x-routing-key"
_M = TypeVar("_M", bound=BaseModel)
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True)
class EncodedResponse:
    """A response that is not JSON alone."""

    body: bytes
    media_type: str
    headers: Sequence[tuple[bytes, bytes]]


class RealTimeApp:
    """`POST /api/v1/inference` by training; `POST /models/{tenant}/{predictor}/predict` and `/forecast` by name."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        keys: TokenKeys,
        inference_client: InferenceClient,
        log: PredictionLog,
    ) -> None:
        self._database = database
        self._settings = settings
        self._authenticator = Authenticator(database, keys, SESSION_CACHE_S)
        self._inference_client = inference_client
        self._shadows = ShadowTraffic(inference_client, log)
        self._models = OutageCache[ServableModel](MODEL_CACHE_S)
        self._targets = OutageCache[Target](MODEL_CACHE_S)

    def serves(self, path: str) -> bool:
        """Return whether a request to this path is for this application."""
        return path == _PATH or is_direct(path)

    def route_of(self, path: str) -> str:
        """Return the template of the route of a path that `serves`."""
        if path == _PATH:
            return path
        _, _, _, predictor, *version, call = path.split("/")
        reference = "/v{version}" if version else "@{alias}" if "@" in predictor else ""
        return f"{_DIRECT_ROUTE}{reference}/{call}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request whose path `serves`; the path has no trailing slash."""
        await respond(scope, receive, send, lambda headers, body: self._answer(scope["path"], headers, body))

    async def _answer(self, path: str, headers: Headers, body: bytes) -> InferenceResponse:
        """Return the response to a request: JSON, or an error as a value.

        Raises:
            DatamlError: whatever is wrong with the caller or the request.
        """
        principal = await self.authenticate(authorization_of(headers))
        if path == _PATH:
            model, request = await self._by_training(principal, body)
            return await self._inference_client.predict(model, request)
        target = await self.resolve(principal, parse_address(path))
        model = target.choose(routing_key_of(headers))
        if path.endswith(FORECAST_CALL):
            return await self._forecast_by_name(principal, model, body)
        service.check_problem_type(model.problem_type, forecast=False)
        return await self.predict(target, model, parse_direct_request(principal, body, model.threshold))

    def find_prediction(
        self, address: Address, headers: Headers, body: bytes
    ) -> tuple[ServableModel, InferenceRequest] | None:
        """Return the model and the request of a prediction by name, if that needs no look-up and no other model.

        None where the caller or the model is not cached, several versions get the request, or it is not valid: then
        an ordinary call has the answer.
        """
        authorization = authorization_of(headers)
        principal = self._authenticator.find(authorization) if authorization is not None else None
        if principal is None or Permission.PREDICT not in principal.permissions:
            return None
        target = self._targets.find((principal.tenant_id, address))
        if target is None or target.shadows or len(target.shares) > 1:
            return None
        model = target.choose(None)
        try:
            check_json(headers)
            return model, parse_direct_request(principal, body, model.threshold)
        except DatamlError:
            return None

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, who may predict; cached for `SESSION_CACHE_S`.

        Raises:
            Unauthorized, Unavailable: as `Authenticator.authenticate`.
            Forbidden: `missing_permission`.
        """
        principal = await self._authenticator.authenticate(authorization)
        principal.require(Permission.PREDICT)
        return principal

    async def predict(self, target: Target, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the response of a model that `target` has chosen; its shadows get a copy of the request."""
        if not target.shadows:
            return await self._inference_client.predict(model, request)
        return await self._shadows.predict(model, target.shadows, request)

    def clear_models(self) -> None:
        """Clear the cached models, because one of them has changed."""
        self._models.clear()
        self._targets.clear()

    async def _by_training(self, principal: Principal, body: bytes) -> tuple[ServableModel, InferenceRequest]:
        request = parse_body(PredictRequest, body)

        async def look_up() -> ServableModel:
            due, now = self._models.list_due(_MAX_RENEWED_MODELS)
            others = {train_id for tenant_id, train_id in due if tenant_id == principal.tenant_id}
            async with self._database.reading() as session:
                model = await service.get_servable_model(session, principal, request.train_id)
                renewed = await service.find_servable_models(session, principal, others)
            self._models.renew({(principal.tenant_id, each): found for each, found in renewed.items()}, now)
            return model

        model = await self._models.get((principal.tenant_id, request.train_id), look_up)
        service.check_problem_type(model.problem_type, forecast=False)
        if request.preprocess_id not in (None, model.preprocess_id):
            detail = f"preprocess_id is {model.preprocess_id} for this model."
            raise Invalid(detail, code="wrong_preprocess_id")
        if request.target not in (None, model.target):
            raise Invalid(f"target is {model.target!r} for this model.", code="wrong_target")
        threshold = request.threshold if request.threshold is not None else model.threshold
        return model, InferenceRequest(
            (request.features,), principal.username, explain=request.explain, threshold=threshold
        )

    async def _forecast_by_name(self, principal: Principal, model: ServableModel, body: bytes) -> InferenceResponse:
        service.check_problem_type(model.problem_type, forecast=True)
        request = parse_body(DirectForecastRequest, body)

        async def prepare() -> ForecastInferenceRequest:
            async with self._database.reading() as session:
                return await forecasts.prepare_direct_request(session, self._settings, principal.scope, model, request)

        return await self._inference_client.forecast(model, await within_timeout(prepare()))

    async def resolve(self, principal: Principal, address: Address) -> Target:
        """Return the versions that an address leads to; cached for `MODEL_CACHE_S`.

        Raises:
            Unavailable: the database does not answer.
            NotFound, Conflict: as `resolve_address`, with a similar name for who may list the predictors.
        """

        async def look_up() -> Target:
            async with self._database.reading() as session:
                return await resolve_address(session, principal, address)

        try:
            return await self._targets.get((principal.tenant_id, address), look_up)
        except NotFound as error:
            if address.tenant_name != principal.tenant_name:
                raise
            # Not within the look-up, which callers with other permissions share.
            raise await trainings.suggest_predictor(
                self._database, principal, error, address.predictor_name, in_url=True
            ) from None


def parse_direct_request(principal: Principal, body: bytes, kept_threshold: float | None) -> InferenceRequest:
    """Return the request to the model that the body of a direct route has.

    `kept_threshold` is that of the model, which decides where the body has none.

    Raises:
        Invalid: `invalid_json`, `features_or_instances`, `too_many_to_explain`.
        InvalidFields: `invalid_request`.
    """
    request = parse_body(DirectRequest, body)
    if (request.features is None) == (request.instances is None):
        raise Invalid("Send either features (one row) or instances (several rows).", code="features_or_instances")
    if request.explain and len(request.instances or ()) > MAX_EXPLAINED_ROWS:
        raise Invalid(f"At most {MAX_EXPLAINED_ROWS} instances can be explained at a time.", code="too_many_to_explain")
    return InferenceRequest(
        (request.features,) if request.features is not None else tuple(request.instances or ()),
        principal.username,
        single=request.features is not None,
        explain=request.explain,
        threshold=request.threshold if request.threshold is not None else kept_threshold,
    )


def parse_body(model: type[_M], body: bytes) -> _M:
    """Return the strict JSON of a body as an object of this schema.

    Raises:
        Invalid: `invalid_json`.
        InvalidFields: `invalid_request`.
    """
    return read_as(model, read_json(body), strict=True)


def _decode(header: bytes | None) -> str | None:
    return header.decode("latin-1") if header else None


async def respond(
    scope: Scope, receive: Receive, send: Send, answer: Callable[[Headers, bytes], Awaitable[InferenceResponse]]
) -> None:
    """Read the JSON of a request, call `answer`, and send JSON, or the error that `answer` raised or returned."""

    async def answer_json(headers: Headers) -> InferenceResponse:
        check_json(headers)
        return await answer(headers, await read_body(receive))

    await respond_to(scope, send, answer_json)


async def respond_to(
    scope: Scope, send: Send, answer: Callable[[Headers], Awaitable[InferenceResponse | EncodedResponse]]
) -> None:
    """Call `answer` with the headers of a request, and send what it returned, or the error that it raised."""
    try:
        if scope["query_string"]:
            refuse_unknown_parameters(QueryParams(scope["query_string"]), ())
        response = await answer(dict(scope["headers"]))
    except DatamlError as error:
        response = error
    except UNREACHABLE:
        response = unavailable()
    await send_response(scope, send, response)


async def send_response(scope: Scope, send: Send, response: InferenceResponse | EncodedResponse) -> None:
    """Send JSON, an encoded response, or an error as every other route renders it."""
    status, headers, body = render_response(scope, response)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def render_response(
    scope: Scope, response: InferenceResponse | EncodedResponse
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return the status, the headers and the body of a response to a request."""
    request_id: str = scope["state"]["request_id"]
    headers = [(b"x-request-id", request_id.encode()), *security_headers("")]
    status, media_type = 200, "application/json"
    if isinstance(response, DatamlError):
        status = response.status
        headers += [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        response, media_type = render_error(response, status, scope)
    elif isinstance(response, EncodedResponse):
        headers += response.headers
        response, media_type = response.body, response.media_type
    headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(response)).encode())]
    return status, headers, response


def authorization_of(headers: Headers) -> str | None:
    """Return the text of the `Authorization` header, if there is one."""
    return _decode(headers.get(b"authorization"))


def routing_key_of(headers: Headers) -> str | None:
    """Return the key by which a caller always gets the same version, if the caller has sent one."""
    return _decode(headers.get(_ROUTING_KEY))


def check_json(headers: Headers) -> None:
    """Refuse a body that is not sent as JSON.

    Raises:
        UnsupportedMedia: `unsupported_media`.
    """
    if b"json" not in headers.get(b"content-type", b"application/json").lower():
        raise UnsupportedMedia("Send the body as application/json.", code="unsupported_media")


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request.

    Raises:
        TooLarge: `body_too_large`: it has more than `MAX_JSON_BYTES` bytes.
        Invalid: `incomplete_body`.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("The request ended before its body.", code="incomplete_body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_JSON_BYTES:
            raise TooLarge(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
        if not message.get("more_body"):
            return b"".join(parts)
