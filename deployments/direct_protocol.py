"""HTTP of a model's own replica: uvicorn's protocol, which answers simple predictions itself.

Serve runs uvicorn in each replica, and has no option for its protocol. `install` makes this one the default of uvicorn
in the process of the replica, before Serve starts the server. What is no simple prediction (see
`deployments.direct_batch`) goes on as it would without it: limits, timeouts and shutdown stay uvicorn's.
"""

import asyncio
from collections import deque
from typing import Any, ClassVar, cast

import uvicorn.config
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from deployments.direct_batch import MAX_BODY_BYTES, DirectBatch, PendingPrediction
from deployments.ongoing_requests import OngoingRequests

_MAX_BATCH_ROWS = 256


def install(batch: DirectBatch) -> None:
    """Answer simple predictions of every server that this process starts from now on. The event loop must run."""
    DirectProtocol.service = PredictionService(batch, asyncio.get_running_loop())
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{DirectProtocol.__name__}"


class PredictionService:
    """The predictions that wait, of all connections: those that arrive in one turn of the event loop are one batch."""

    def __init__(self, batch: DirectBatch, loop: asyncio.AbstractEventLoop) -> None:
        self.url = batch.path.encode()
        self.loop = loop
        self._batch = batch
        self._waiting: deque[tuple[DirectProtocol, PendingPrediction]] = deque()
        self._ongoing: OngoingRequests | None = None

    def read(self, protocol: "DirectProtocol", body: bytes) -> bool:
        """Take the request that a connection has received; False for one that is no simple prediction."""
        scope = cast(Scope, protocol.scope)
        scope["method"], scope["path"] = "POST", self._batch.path
        pending = self._batch.read(scope, body)
        if pending is None:
            return False
        if self._ongoing is None:
            self._ongoing = OngoingRequests(protocol.app, self.loop)
        if not self._waiting:
            self.loop.call_soon(self.answer)
        self._waiting.append((protocol, pending))
        return True

    def answer(self) -> None:
        """Answer the requests that wait; what is more than one pass may take is left for the next turn."""
        taken: list[tuple[DirectProtocol, PendingPrediction]] = []
        rows = 0
        while self._waiting and (not taken or rows + len(self._waiting[0][1].request.rows) <= _MAX_BATCH_ROWS):
            taken.append(self._waiting.popleft())
            rows += len(taken[-1][1].request.rows)
        if self._waiting:
            self.loop.call_soon(self.answer)
        if not taken:
            return
        responses = self._batch.answer([pending for _, pending in taken])
        for (protocol, pending), response in zip(taken, responses, strict=True):
            protocol.respond(*response)
            if self._ongoing is not None:
                self._ongoing.add(pending.started_at)


class DirectProtocol(HttpToolsProtocol):
    """One connection to a replica."""

    service: ClassVar[PredictionService | None] = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # The request that is being received, while it may be a simple prediction.
        self._body: bytes | None = None
        self._is_waiting = False
        self._keeps_alive = True
        self._is_stopping = False

    def on_message_begin(self) -> None:
        """Begin a request; the one before it on this connection is answered first."""
        if self._is_waiting and self.service is not None:
            self.service.answer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Decide by the address, and by what else the connection does, whether this may be a simple prediction."""
        service, parser = self.service, self.parser
        assert parser is not None
        if (
            service is not None
            and self.url == service.url
            and parser.get_method() == b"POST"
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and not self._is_waiting
            and (self.cycle is None or self.cycle.response_complete)
            and self.loop is service.loop
        ):
            self._body = b""
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect the body of what may be a simple prediction."""
        if self._body is None:
            super().on_body(body)
            return
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._go_on()

    def on_message_complete(self) -> None:
        """Hand a simple prediction over, or let the application answer."""
        if self._body is None:
            super().on_message_complete()
            return
        assert self.parser is not None
        self._keeps_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        if self.service is not None and self.service.read(self, self._body):
            self._body, self._is_waiting = None, True
            return
        self._go_on()
        super().on_message_complete()

    def _go_on(self) -> None:
        """Let the application have what was received of this request."""
        body, self._body = self._body, None
        super().on_headers_complete()
        if self._is_stopping:
            self.cycle.keep_alive = False
        if body:
            super().on_body(body)

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send the response to the request that waits."""
        self._is_waiting = False
        if self.transport.is_closing():
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        keeps_alive = self._keeps_alive and not self._is_stopping
        if not keeps_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        self.transport.write(b"".join(parts))
        self.on_response_complete()
        if not keeps_alive:
            self.transport.close()

    def shutdown(self) -> None:
        """Close the connection, once the request that it has begun is answered."""
        if self._is_waiting or self._body is not None:
            self._is_stopping = True
        else:
            super().shutdown()
