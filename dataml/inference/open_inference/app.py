"""Inference over HTTP as plain ASGI: FastAPI's own work would take longer than the prediction."""

import re
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from dataml.http.open_inference import PREFIX, is_open_inference
from dataml.inference.open_inference import http_messages
from dataml.inference.open_inference.service import OpenInferenceService
from dataml.inference.realtime import EncodedResponse, authorization_of, read_body, respond_to, routing_key_of

_ROUTE: Final = f"{PREFIX}/models/{{predictor_name}}/infer"
_VERSION_ROUTE: Final = f"{PREFIX}/models/{{predictor_name}}/versions/{{version}}/infer"
_INFER: Final = re.compile(rf"{PREFIX}/models/([^/]+)(?:/versions/([^/]+))?/infer")


class OpenInferenceApp:
    """`POST /v2/models/{predictor}[/versions/{version}]/infer`."""

    def __init__(self, calls: OpenInferenceService) -> None:
        self.calls = calls

    def serves(self, path: str) -> bool:
        """Return whether a request to this path is for this application."""
        return is_open_inference(path) and _INFER.fullmatch(path) is not None

    def route_of(self, path: str) -> str:
        """Return the template of the route of a path that `serves`."""
        return _VERSION_ROUTE if "/versions/" in path else _ROUTE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request whose path `serves`; the path has no trailing slash."""

        async def answer(headers: Mapping[bytes, bytes]) -> bytes | EncodedResponse:
            http_messages.check_media(headers)
            body = await read_body(receive)
            return await self._infer(scope["path"], headers, body)

        await respond_to(scope, send, answer)

    async def _infer(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> bytes | EncodedResponse:
        match = _INFER.fullmatch(path)
        assert match is not None
        principal = await self.calls.authenticate(authorization_of(headers))
        sent = http_messages.read_call(headers, body)
        model, result = await self.calls.infer(principal, match[1], match[2] or "", sent.call, routing_key_of(headers))
        return http_messages.write_result(sent, model, result)
