"""Model serving: the requests and responses of a model, and the runner that makes predictions.

A model runs in its own deployment, in the shared pool, or (in tests) in process; each loads a `ModelRunner` and calls
it.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from dataml import tracing
from dataml.contract.warnings import DataWarning, warnings_to_json
from dataml.errors import DatamlError, FieldError, Invalid, InvalidFields
from dataml.http.strict_json import dump_json
from dataml.jobs.spec import NO_INPUTS, ForecastInputs
from dataml.metrics.definitions import PREDICTED_ROWS, PREDICTION_WARNINGS
from dataml.metrics.recording import Labels
from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import InputRow, Predictor, RowPrediction
from dataml.ml.decision_threshold import DEFAULT_THRESHOLD, ONLY_WITH_TWO_CLASSES
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage


@dataclass(frozen=True)
class ServableModel:
    """A completed training as a runner needs it.

    `bundle` is a storage name; `endpoint` is `pool` or `own`; `url_name` is the predictor in URLs. `threshold` is the
    decision threshold that is kept with it, which a runner may have as it was: a request brings the one in force.
    `version` counts those of the predictor, and `alias` is the one by which it was asked; a runner answers for all.
    """

    train_id: int
    tenant_id: str
    tenant_name: str
    predictor_name: str
    url_name: str
    preprocess_id: int
    target: str
    bundle: str
    accuracy: float | None
    endpoint: str
    problem_type: str = "Classification"
    threshold: float | None = None
    version: int = 1
    alias: str = ""


def version_labels(tenant_name: str, predictor_name: str, version: int) -> Labels:
    """Return the `VERSION_LABELS` of a version of a predictor."""
    return (tenant_name, predictor_name, str(version))


def labels_of(model: ServableModel) -> Labels:
    """Return the `VERSION_LABELS` of a model."""
    return version_labels(model.tenant_name, model.predictor_name, model.version)


def count_rows(labels: Labels, rows: int, warnings: Iterable[DataWarning] = ()) -> None:
    """Count rows that a model has predicted, and their warnings; `labels` are those of `labels_of`."""
    PREDICTED_ROWS.add(*labels, amount=rows)
    for warning in warnings:
        PREDICTION_WARNINGS.add(*labels, warning.code)


def fetch_bundle(storage: Storage, model: ServableModel) -> Path:
    """Return the local folder of a model's bundle. Blocking.

    Raises:
        BundleDamaged: the store has lost the bundle.
        Unavailable: the store cannot be reached, or there is no room for a copy.
    """
    try:
        return storage.fetch(model.bundle)
    except FileMissing as error:
        # The model exists: its caller must not read that there is none.
        raise BundleDamaged("The model's bundle is not in storage any more.") from error


@dataclass(frozen=True)
class InferenceRequest:
    """Rows to predict, on behalf of a user; a `single` request has one row and a flat response.

    `threshold` is the decision threshold of two classes; None for the more probable class. A request that is not
    `is_logged` leaves nothing in the prediction log. `traceparent` is the span that waits for the response.
    """

    rows: tuple[dict[str, Any], ...]
    username: str
    single: bool = True
    explain: bool = False
    threshold: float | None = None
    is_logged: bool = True
    traceparent: str | None = None


@dataclass(frozen=True)
class ForecastInferenceRequest:
    """Series to forecast, on behalf of a user; all series when `unique_ids` is None.

    `inputs` are its datasets. The exogenous values of the future can also be `future_rows`. `record` is what the
    prediction log keeps of the request. `traceparent` is the span that waits for the response.
    """

    steps: int
    frequency: str | None
    unique_ids: tuple[str, ...] | None
    level: float
    aggregate: str
    explain: bool
    username: str
    future_rows: tuple[dict[str, Any], ...] | None = None
    inputs: ForecastInputs = NO_INPUTS
    round: bool = False
    record: dict[str, Any] | None = None
    traceparent: str | None = None


# JSON, or why there is none: an error travels as a value, which is cheaper than an exception.
InferenceResponse = bytes | DatamlError


class LogRecord(NamedTuple):
    """One real-time prediction or forecast in the prediction log.

    `records` is the number of predicted values: of a forecast, the steps of all its series. `request` is what was asked
    of a forecast.

    A tuple, because thousands of them a second cross processes.
    """

    id: int
    tenant_id: str
    training_id: int
    username: str
    input_data: str
    output_data: str
    prediction_type: str = "realtime"
    records: int = 1
    request: dict[str, Any] | None = None


class PredictionLog(Protocol):
    """Where runners write their predictions."""

    def add(self, record: LogRecord) -> None:
        """Add a record; must return at once."""
        ...


@dataclass(frozen=True)
class DeploymentStatus:
    """What runs of a predictor's own deployment.

    `addresses` are the host and port of each replica that answers the direct route itself, where they are known.
    """

    state: Literal["starting", "running", "failed", "stopping"]
    replicas: int
    addresses: tuple[str, ...] = ()


class InferenceClient(Protocol):
    """Sends requests to the models, wherever they run."""

    async def predict(self, model: ServableModel, request: InferenceRequest) -> InferenceResponse:
        """Return the predictions as JSON, or the error as a value."""
        ...

    async def forecast(self, model: ServableModel, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        ...

    async def list_deployments(
        self, tenant_id: str, predictor_names: Collection[str]
    ) -> Mapping[str, DeploymentStatus]:
        """Return what runs of the own deployments of these predictors; those without one are left out.

        Raises:
            Unavailable: it cannot be found out at the moment.
        """
        ...


_PROCESS_BITS = random.getrandbits(10)
_COUNTER = itertools.count()
# Larger batches take more than some milliseconds: they run in a thread, so that the event loop stays responsive.
_MAX_ROWS_ON_EVENT_LOOP: Final = 256
# An explained row takes as long as this number of others.
_EXPLAINED_ROW_COST: Final = 20


class NoLog:
    """A `PredictionLog` that keeps nothing."""

    def add(self, record: LogRecord) -> None:
        """Drop the record."""
        return


class ModelRunner:
    """One loaded model that responds to inference requests."""

    def __init__(self, model: ServableModel, predictor: Predictor, log: PredictionLog) -> None:
        self.model = model
        self._predictor = predictor
        self._positive_label = predictor.positive_label
        self._labels = labels_of(model)
        self._log = log

    def is_quick(self, request: InferenceRequest) -> bool:
        """Return whether a request takes no more than some milliseconds, so that `predict_now` may respond to it."""
        return not request.explain and len(request.rows) <= _MAX_ROWS_ON_EVENT_LOOP

    def predict_now(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Return the responses to several quick requests, as `predict` does, on the event loop and without spans."""
        records: list[LogRecord] = []
        responses = self._predict(requests, records)
        for record in records:
            self._log.add(record)
        return responses

    async def predict_one(self, request: InferenceRequest) -> InferenceResponse:
        """Return the response to a request."""
        return (await self.predict([request]))[0]

    async def predict(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Return the responses to several requests with one pass through the model.

        A bad request gets an error and does not affect the others.
        """
        if any(request.explain for request in requests):
            # Contributions need the booster's own library, which takes seconds to import: not on the event loop.
            await asyncio.to_thread(lambda: self._predictor.members)
        records: list[LogRecord] = []
        began_ns = time.time_ns() if tracing.is_on() else 0
        if sum(_cost(request) for request in requests) > _MAX_ROWS_ON_EVENT_LOOP:
            responses = await asyncio.to_thread(self._predict, requests, records)
        else:
            responses = self._predict(requests, records)
        for record in records:
            self._log.add(record)
        if tracing.is_on():
            self._record_spans(requests, began_ns)
        return responses

    def _record_spans(self, requests: Sequence[InferenceRequest], began_ns: int) -> None:
        """Record the pass through the model in the trace of each request."""
        ended_ns = time.time_ns()
        for request in requests:
            attributes = {"dataml.train_id": self.model.train_id, "dataml.requests": len(requests)}
            tracing.record_span(request.traceparent, "model predict", began_ns, ended_ns, attributes)

    def _predict(self, requests: Sequence[InferenceRequest], records: list[LogRecord]) -> list[InferenceResponse]:
        parsed = [self._parse(request) for request in requests]
        rows = [row.encoded for read in parsed if not isinstance(read, DatamlError) for row in read]
        predictions = iter(self._predictor.predict(rows)) if rows else iter(())
        responses: list[InferenceResponse] = []
        for request, read in zip(requests, parsed, strict=True):
            if isinstance(read, DatamlError):
                responses.append(read)
            else:
                responses.append(self._render(request, read, [next(predictions) for _ in read], records))
        return responses

    def _parse(self, request: InferenceRequest) -> list[InputRow] | DatamlError:
        if request.threshold is not None and self._positive_label is None:
            return Invalid("threshold is for a model of two classes; leave it out.", code=ONLY_WITH_TWO_CLASSES)
        rows: list[InputRow] = []
        for index, features in enumerate(request.rows):
            try:
                rows.append(self._predictor.read_row(features))
            except InvalidFields as error:
                return error if request.single else _locate_in_instances(error, index)
        return rows

    def _render(
        self,
        request: InferenceRequest,
        rows: list[InputRow],
        predictions: list[RowPrediction],
        records: list[LogRecord],
    ) -> bytes:
        bodies = []
        threshold = request.threshold
        if threshold is not None:
            predictions = [self._predictor.decide(prediction, threshold) for prediction in predictions]
        elif self._positive_label is not None:
            threshold = DEFAULT_THRESHOLD
        for features, row, prediction in zip(request.rows, rows, predictions, strict=True):
            body = {
                "prediction": prediction.prediction,
                "accuracy": self.model.accuracy,
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
                "positive_class": self._positive_label,
                "threshold": threshold,
                "prediction_id": new_prediction_id(),
                "warnings": warnings_to_json(row.warnings) if row.warnings else [],
            }
            if request.explain:
                body["explanation"] = self._predictor.explain(row.encoded)
            bodies.append(body)
            if request.is_logged:
                records.append(self._log_record(request, features, body))
        count_rows(self._labels, len(rows), (warning for row in rows for warning in row.warnings or ()))
        return dump_json(bodies[0] if request.single else {"predictions": bodies})

    def _log_record(self, request: InferenceRequest, features: dict[str, Any], body: dict[str, Any]) -> LogRecord:
        output = {"prediction": body["prediction"], "probability": body["probability"]}
        if request.threshold is not None:
            output["threshold"] = request.threshold
        return LogRecord(
            id=body["prediction_id"],
            tenant_id=self.model.tenant_id,
            training_id=self.model.train_id,
            username=request.username,
            input_data=dump_json(features).decode(),
            output_data=dump_json(output).decode(),
        )


def _cost(request: InferenceRequest) -> int:
    """Return the cost of a request, in rows without an explanation."""
    return len(request.rows) * (_EXPLAINED_ROW_COST if request.explain else 1)


def new_prediction_id() -> int:
    """Return a 63-bit id that sorts by time: 41 bits of milliseconds, 10 random of the process, 12 of a counter."""
    return (time.time_ns() // 1_000_000) << 22 | _PROCESS_BITS << 12 | next(_COUNTER) & 0xFFF


def prediction_time_ms(prediction_id: int) -> int:
    """Return the Unix time, in milliseconds, at which an id was made."""
    return prediction_id >> 22


def _locate_in_instances(error: InvalidFields, index: int) -> InvalidFields:
    """Return the same errors, located in `instances` instead of `features`."""
    fields = [FieldError(("body", "instances", index, *f.location[2:]), f.message, f.code) for f in error.fields]
    return InvalidFields(fields, code=error.code)
