"""Shadows: versions that get a copy of each request, answer nobody, and can neither slow nor fail the answer."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from dataml.errors import DatamlError
from dataml.http.strict_json import dump_json
from dataml.ml.labels import to_label
from dataml.serving.model_runner import (
    InferenceClient,
    InferenceRequest,
    InferenceResponse,
    LogRecord,
    PredictionLog,
    ServableModel,
    new_prediction_id,
)

# More copies than these are not sent: a shadow that is slower than the traffic must not fill the memory.
MAX_COPIES: Final = 64
log = logging.getLogger(__name__)


class ShadowTraffic:
    """Sends copies of requests to shadows, and logs what they predict beside what was answered."""

    def __init__(self, inference_client: InferenceClient, prediction_log: PredictionLog) -> None:
        self._client = inference_client
        self._log = prediction_log
        self._copies: set[asyncio.Task[None]] = set()

    async def predict(
        self, model: ServableModel, shadows: Sequence[ServableModel], request: InferenceRequest
    ) -> InferenceResponse:
        """Return the response of `model`; the shadows get their copies afterwards."""
        began_at = time.perf_counter()
        response = await self._client.predict(model, request)
        if isinstance(response, DatamlError):
            return response
        duration_ms = 1000 * (time.perf_counter() - began_at)
        for shadow in shadows:
            if len(self._copies) < MAX_COPIES:
                # The threshold that is kept with a model decides where the request has none.
                threshold = shadow.threshold if request.threshold == model.threshold else request.threshold
                copy = replace(request, explain=False, is_logged=False, threshold=threshold)
                task = asyncio.create_task(self._send(shadow, copy, response, duration_ms))
                self._copies.add(task)
                task.add_done_callback(self._copies.discard)
        return response

    async def _send(
        self, shadow: ServableModel, copy: InferenceRequest, answered: bytes, answered_in_ms: float
    ) -> None:
        began_at = time.perf_counter()
        try:
            response = await self._client.predict(shadow, copy)
        except Exception:
            # Nobody waits for it.
            log.exception("a copy of a request for training %d failed", shadow.train_id)
            return
        duration_ms = 1000 * (time.perf_counter() - began_at)
        if isinstance(response, DatamlError):
            log.warning("the shadow training %d did not answer: %s", shadow.train_id, response.code)
            return
        pairs = zip(_predictions(answered), _predictions(response), copy.rows, strict=True)
        for primary, own, features in pairs:
            output = {"prediction": own["prediction"], "probability": own["probability"]}
            pair = {
                "shadow_of": primary["prediction_id"],
                "probability_of_answer": (own["probabilities"] or {}).get(to_label(primary["prediction"])),
                "duration_ms": round(duration_ms, 3),
                "answered_in_ms": round(answered_in_ms, 3),
            }
            self._log.add(
                LogRecord(
                    id=new_prediction_id(),
                    tenant_id=shadow.tenant_id,
                    training_id=shadow.train_id,
                    username=copy.username,
                    input_data=dump_json(features).decode(),
                    output_data=dump_json(output).decode(),
                    prediction_type="shadow",
                    request=pair,
                )
            )


def _predictions(response: bytes) -> Iterator[dict[str, Any]]:
    body = orjson.loads(response)
    yield from body.get("predictions", (body,))
