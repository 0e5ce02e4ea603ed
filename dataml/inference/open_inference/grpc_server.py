"""The Open Inference Protocol over gRPC: a server within a replica of the API."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from dataml.concurrency import ConcurrencyLimiter
from dataml.db.session import UNREACHABLE, unavailable
from dataml.errors import Conflict, DatamlError, Defect, Invalid, StartupError
from dataml.http.open_inference import PREFIX
from dataml.http.overload import PREDICTIONS, limiter_of
from dataml.http.request_metrics import record_request
from dataml.http.strict_json import MAX_JSON_BYTES
from dataml.inference.open_inference import grpc_messages
from dataml.inference.open_inference import open_inference_pb2 as pb
from dataml.inference.open_inference.service import SERVER_METADATA, OpenInferenceService
from dataml.inference.realtime import Headers, authorization_of, routing_key_of
from dataml.metrics.definitions import HTTP_ERRORS

CODE_METADATA: Final = "dataml-code"
"""The name in the trailing metadata of a refused call that has the stable code of the error."""
_SERVICE: Final = "inference.GRPCInferenceService"
_STATUSES: Final = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# As the API has it over HTTP, where more wait for their turn: see `http.overload`.
_MAX_CALLS: Final = 2048
_MAX_DETAIL_CHARACTERS: Final = 500
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_JSON_BYTES),
    # Each replica of the API on a node listens on the port; the kernel gives a new connection to one of them.
    ("grpc.so_reuseport", 1),
)
_Context = grpc.aio.ServicerContext
_Call = Callable[[Any, Headers], Awaitable[Message]]
log = logging.getLogger(__name__)


class OpenInferenceServer:
    """A gRPC server of one process; `port` is the one that it listens on."""

    def __init__(self, calls: OpenInferenceService, host: str, port: int) -> None:
        """Listen, in the event loop that runs; `port` 0 chooses a free one.

        Raises:
            StartupError: the port is taken.
        """
        self._calls = calls
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS)
        limiter = limiter_of(PREFIX)
        methods = {
            "ServerLive": self._handler("ServerLive", pb.ServerLiveRequest, self._answer_live),
            "ServerReady": self._handler("ServerReady", pb.ServerReadyRequest, self._answer_ready),
            "ServerMetadata": self._handler("ServerMetadata", pb.ServerMetadataRequest, self._describe_server, limiter),
            "ModelReady": self._handler("ModelReady", pb.ModelReadyRequest, self._check_model, limiter),
            "ModelMetadata": self._handler("ModelMetadata", pb.ModelMetadataRequest, self._describe_model, limiter),
            "ModelInfer": self._handler("ModelInfer", pb.ModelInferRequest, self._infer, PREDICTIONS),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise StartupError(f"cannot listen for gRPC on {address}; set DATAML_GRPC_PORT to another port") from error

    async def start(self) -> None:
        """Answer calls from now on."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and return when those under way have ended, or were cancelled after the grace."""
        await self._server.stop(grace_s)

    async def _answer_live(self, _: pb.ServerLiveRequest, __: Headers) -> Message:
        return pb.ServerLiveResponse(live=True)

    async def _answer_ready(self, _: pb.ServerReadyRequest, __: Headers) -> Message:
        return pb.ServerReadyResponse(ready=True)

    async def _describe_server(self, _: pb.ServerMetadataRequest, headers: Headers) -> Message:
        await self._calls.authenticate(authorization_of(headers))
        return pb.ServerMetadataResponse(
            name=SERVER_METADATA.name, version=SERVER_METADATA.version, extensions=SERVER_METADATA.extensions
        )

    async def _check_model(self, request: pb.ModelReadyRequest, headers: Headers) -> Message:
        principal = await self._calls.authenticate(authorization_of(headers))
        try:
            await self._calls.check_ready(principal, request.name, request.version)
        except Conflict:
            # There is such a version, and its training has not completed.
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def _describe_model(self, request: pb.ModelMetadataRequest, headers: Headers) -> Message:
        principal = await self._calls.authenticate(authorization_of(headers))
        return grpc_messages.write_metadata(await self._calls.describe(principal, request.name, request.version))

    async def _infer(self, request: pb.ModelInferRequest, headers: Headers) -> Message:
        principal = await self._calls.authenticate(authorization_of(headers))
        call = grpc_messages.read_call(request)
        model, result = await self._calls.infer(
            principal, request.model_name, request.model_version, call, routing_key_of(headers)
        )
        return grpc_messages.write_result(request, model, result)

    def _handler(
        self, name: str, kind: type[Message], call: _Call, limiter: ConcurrencyLimiter | None = None
    ) -> "grpc.RpcMethodHandler[bytes, Message]":
        """Return what answers a method of the protocol. Bytes come in, so that wrong ones get an error of ours."""
        route = f"/{_SERVICE}/{name}"

        async def answer(body: bytes, context: _Context) -> Message:
            started_at = perf_counter()
            answered = await _run(kind, call, limiter, body, _headers(context))
            status = 200 if isinstance(answered, Message) else answered.status
            record_request("POST", route, str(status), perf_counter() - started_at)
            if isinstance(answered, Message):
                return answered
            HTTP_ERRORS.add(answered.code)
            context.set_trailing_metadata(((CODE_METADATA, answered.code),))
            await context.abort(_STATUSES.get(status, grpc.StatusCode.INVALID_ARGUMENT), _shorten(answered.detail))
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(answer, response_serializer=_serialize)


async def _run(
    kind: type[Message], call: _Call, limiter: ConcurrencyLimiter | None, body: bytes, headers: Headers
) -> Message | DatamlError:
    """Return the answer to a call, or its error as a value."""
    try:
        async with AsyncExitStack() as stack:
            if limiter is not None:
                await stack.enter_async_context(limiter.acquire())
            return await call(_parse(kind, body), headers)
    except DatamlError as error:
        return error
    except UNREACHABLE:
        return unavailable()
    except Exception:
        log.exception("a call of gRPC has failed")
        return Defect()


def _shorten(detail: str) -> str:
    """Return a sentence that fits into the metadata that clients take, where other letters than ASCII are longer."""
    return detail if len(detail) <= _MAX_DETAIL_CHARACTERS else f"{detail[: _MAX_DETAIL_CHARACTERS - 1]}…"


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _parse(kind: type[Message], body: bytes) -> Message:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise Invalid("The message cannot be read.", code="invalid_message") from error


def _headers(context: _Context) -> Headers:
    """Return the metadata of a call as headers of HTTP, which they are; those that are bytes are of no use here."""
    metadata = context.invocation_metadata() or ()
    return {name.encode(): value.encode("latin-1") for name, value in metadata if isinstance(value, str)}
