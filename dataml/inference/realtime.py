"""Predictions in real time and by name as plain ASGI: FastAPI's own work would take longer than the prediction."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
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
from dataml.inference.forecast_schemas import DirectForecastRequest
from dataml.inference.schemas import DirectRequest, PredictRequest
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
    InferenceClient,
    InferenceRequest,
    InferenceResponse,
    ServableModel,
)
from dataml.settings import Settings
from dataml.train import service as trainings

SESSION_CACHE_S = 5.0
MODEL_CACHE_S = 1.0
MAX_EXPLAINED_ROWS = 100
_PATH = "/api/v1/inference"
FORECAST_CALL = "/forecast"
"""The end of the direct route of a forecast."""
DIRECT_CALLS = ("/predict", FORECAST_CALL)
_DIRECT_ROUTE = "/models/{tenant_name}/{predictor_name}"
_M = TypeVar("_M", bound=BaseModel)
LookUp = Callable[[AsyncSession], Awaitable[ServableModel]]


@dataclass(frozen=True)
class EncodedResponse:
    """A response that is not JSON alone."""

    body: bytes
    media_type: str
    headers: Sequence[tuple[bytes, bytes]]


class RealTimeApp:
    """`POST /api/v1/inference` by training; `POST /models/{tenant}/{predictor}/predict` and `/forecast` by name."""

    def __init__(
        self, database: Database, settings: Settings, keys: TokenKeys, inference_client: InferenceClient
    ) -> None:
        self._database = database
        self._settings = settings
        self._authenticator = Authenticator(database, keys, SESSION_CACHE_S)
        self._inference_client = inference_client
        self._models = OutageCache[ServableModel](MODEL_CACHE_S)

    def serves(self, path: str) -> bool:
        """Return whether a request to this path is for this application."""
        return path == _PATH or (path.startswith("/models/") and path.endswith(DIRECT_CALLS) and path.count("/") == 4)

    def route_of(self, path: str) -> str:
        """Return the template of the route of a path that `serves`."""
        return path if path == _PATH else direct_route_of(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request whose path `serves`; the path has no trailing slash."""
        await respond(scope, receive, send, lambda header, body: self.answer(scope["path"], header, body))

    async def answer(self, path: str, authorization: str | None, body: bytes) -> InferenceResponse:
        """Return the response to a request: JSON, or an error as a value.

        Raises:
            DatamlError: whatever is wrong with the caller or the request.
        """
        principal = await self.authenticate(authorization)
        if path == _PATH:
            model, request = await self._by_training(principal, body)
        elif path.endswith(FORECAST_CALL):
            return await self._forecast_by_name(principal, path, body)
        else:
            model, request = await self._by_name(principal, path, body)
        return await self._inference_client.predict(model, request)

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, who may predict; cached for `SESSION_CACHE_S`.

        Raises:
            Unauthorized, Unavailable: as `Authenticator.authenticate`.
            Forbidden: `missing_permission`.
        """
        principal = await self._authenticator.authenticate(authorization)
        principal.require(Permission.PREDICT)
        return principal

    async def get_model(self, key: Hashable, look_up: LookUp) -> ServableModel:
        """Return a model; cached for `MODEL_CACHE_S` by a key that says whose it is.

        Raises:
            Unavailable: the database does not answer.
            DatamlError: whatever `look_up` raises.
        """

        async def look_up_in_session() -> ServableModel:
            async with self._database.reading() as session:
                return await look_up(session)

        return await self._models.get(key, look_up_in_session)

    def clear_models(self) -> None:
        """Clear the cached models, because one of them has changed."""
        self._models.clear()

    async def _by_training(self, principal: Principal, body: bytes) -> tuple[ServableModel, InferenceRequest]:
        request = parse_body(PredictRequest, body)
        model = await self.get_model(
            (principal.tenant_id, request.train_id),
            lambda session: service.get_servable_model(session, principal, request.train_id),
        )
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

    async def _by_name(self, principal: Principal, path: str, body: bytes) -> tuple[ServableModel, InferenceRequest]:
        model = await self._get_model_by_name(principal, path)
        service.check_problem_type(model.problem_type, forecast=False)
        return model, parse_direct_request(principal, body, model.threshold)

    async def _forecast_by_name(self, principal: Principal, path: str, body: bytes) -> InferenceResponse:
        model = await self._get_model_by_name(principal, path)
        service.check_problem_type(model.problem_type, forecast=True)
        request = parse_body(DirectForecastRequest, body)

        async def prepare() -> ForecastInferenceRequest:
            async with self._database.reading() as session:
                return await forecasts.prepare_direct_request(session, self._settings, principal.scope, model, request)

        return await self._inference_client.forecast(model, await within_timeout(prepare()))

    async def _get_model_by_name(self, principal: Principal, path: str) -> ServableModel:
        _, _, tenant_name, predictor_name, _ = path.split("/")
        try:
            return await self.get_model(
                (principal.tenant_id, tenant_name, predictor_name),
                lambda session: service.get_servable_model_by_name(session, principal, tenant_name, predictor_name),
            )
        except NotFound as error:
            if tenant_name != principal.tenant_name:
                raise
            # Not within the look-up, which callers with other permissions share.
            raise await trainings.suggest_predictor(
                self._database, principal, error, predictor_name, in_url=True
            ) from None


def direct_route_of(path: str) -> str:
    """Return the template of the route of a path that ends with one of `DIRECT_CALLS`."""
    return _DIRECT_ROUTE + path[path.rindex("/") :]


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


async def respond(
    scope: Scope, receive: Receive, send: Send, answer: Callable[[str | None, bytes], Awaitable[InferenceResponse]]
) -> None:
    """Read the JSON of a request, call `answer`, and send JSON, or the error that `answer` raised or returned."""

    async def answer_json(headers: Mapping[bytes, bytes]) -> InferenceResponse:
        check_json(headers)
        body = await read_body(receive)
        return await answer(authorization_of(headers), body)

    await respond_to(scope, send, answer_json)


async def respond_to(
    scope: Scope,
    send: Send,
    answer: Callable[[Mapping[bytes, bytes]], Awaitable[InferenceResponse | EncodedResponse]],
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
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": response})


def authorization_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the text of the `Authorization` header, if there is one."""
    header = headers.get(b"authorization")
    return header.decode("latin-1") if header else None


def check_json(headers: Mapping[bytes, bytes]) -> None:
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
