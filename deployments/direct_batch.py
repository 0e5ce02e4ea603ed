"""Predictions of a model's direct route in its own replica, in batches.

The application of the direct route (`deployments.predictor.DirectRoute`) can answer everything. Most requests need
less: their caller and model are cached, and one row is predicted. For them the work of Serve, uvicorn and ASGI takes
several times as long as the prediction. They are read here as soon as they have arrived, and all that arrived together
are answered by one pass through the model. Any other request goes the ordinary way.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from starlette.types import Scope

from dataml import tracing
from dataml.errors import Defect
from dataml.http.headers import request_id_of
from dataml.http.request_metrics import record_request
from dataml.inference.addresses import PREDICT_CALL, parse_address
from dataml.inference.realtime import RealTimeApp, render_response
from dataml.serving.model_metrics import record_call
from dataml.serving.model_runner import InferenceRequest, InferenceResponse, ModelRunner, ServableModel

MAX_BODY_BYTES: Final = 64 * 1024
"""A longer body is no simple request."""
log = logging.getLogger(__name__)

Response = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""


@dataclass(frozen=True, slots=True)
class PendingPrediction:
    """A request that waits for the next pass through the model."""

    scope: Scope
    model: ServableModel
    request: InferenceRequest
    started_at: float


class DirectBatch:
    """Reads simple requests of the direct route of a model, and answers them together."""

    def __init__(self, runner: ModelRunner, realtime: RealTimeApp) -> None:
        model = runner.model
        self.path = f"/models/{model.tenant_name}/{model.url_name}{PREDICT_CALL}"
        self._runner = runner
        self._realtime = realtime
        self._address = parse_address(self.path)
        self._route = realtime.route_of(self.path)

    def read(self, scope: Scope, body: bytes) -> PendingPrediction | None:
        """Return a request for `answer`; None for one that only the ordinary application can answer.

        The `scope` is that of a `POST` to `path` without a query.
        """
        started_at = perf_counter()
        if tracing.is_on():
            return None
        found = self._realtime.find_prediction(self._address, dict(scope["headers"]), body)
        if found is None:
            return None
        model, request = found
        if model.train_id != self._runner.model.train_id or not self._runner.is_quick(request):
            return None
        scope["state"]["request_id"] = request_id_of(scope)
        return PendingPrediction(scope, model, request, started_at)

    def answer(self, pending: Sequence[PendingPrediction]) -> list[Response]:
        """Return the responses in order, by one pass through the model."""
        began_at = perf_counter()
        responses: Sequence[InferenceResponse | None]
        try:
            responses = self._runner.predict_now([each.request for each in pending])
        except Exception:
            log.exception("the predictions of %d requests failed", len(pending))
            responses = [None] * len(pending)
        ended_at = perf_counter()
        rendered: list[Response] = []
        for each, response in zip(pending, responses, strict=True):
            status, headers, body = render_response(each.scope, Defect() if response is None else response)
            record_call(each.model, response, ended_at - began_at)
            record_request("POST", self._route, str(status), ended_at - each.started_at)
            rendered.append((status, headers, body))
        return rendered
