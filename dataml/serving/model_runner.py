"""Where predictions are made: the question and the answer that travel to a model's host, and the host itself.

A model is hosted by its own deployment, by the shared pool, or (in tests) in process; each loads a `ModelRunner` and asks it.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dataml.errors import DatamlError, FieldError, InvalidFields
from dataml.http.wire import dump_json
from dataml.ml.bundle.predictor import BundleDamaged, Prediction, Predictor
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage


@dataclass(frozen=True)
class ServableModel:
    """A completed training as its hosts need it. `bundle` is a storage name; `endpoint` is pool or own."""

    train_id: int
    tenant_id: str
    tenant_name: str
    predictor_name: str
    preprocess_id: int
    target: str
    bundle: str
    accuracy: float | None
    endpoint: str
    problem_type: str = "Classification"


def fetch_bundle(storage: Storage, model: ServableModel) -> Path:
    """The local folder of a model's bundle. Blocking.

    Raises:
        BundleDamaged: the store has lost it.
        Unavailable: the store is away, or there is no room for a copy.
    """
    try:
        return storage.fetch(model.bundle)
    except FileMissing as error:
        # There is such a model: its caller must not read that there is none.
        raise BundleDamaged("The model's bundle is not in storage any more.") from error


@dataclass(frozen=True)
class InferenceRequest:
    """Rows to predict, on behalf of a user. `single` questions have one row and a flat answer."""

    rows: tuple[dict[str, Any], ...]
    username: str
    single: bool = True
    explain: bool = False


@dataclass(frozen=True)
class ForecastInferenceRequest:
    """On behalf of a user; `unique_ids` None asks for all series. `future` is rows, or the storage name of a Parquet
    file as `observations` is."""

    steps: int
    frequency: str | None
    unique_ids: tuple[str, ...] | None
    level: float
    aggregate: str
    explain: bool
    username: str
    future_rows: tuple[dict[str, Any], ...] | None = None
    future: str | None = None
    observations: str | None = None


# JSON of the answer, or why there is none: an error travels as a value, which is cheaper than a raised one.
InferenceResponse = bytes | DatamlError


class LogRecord(NamedTuple):
    """One real-time prediction or forecast, as the log keeps it: a tuple, for thousands a second cross processes."""

    id: int
    tenant_id: str
    training_id: int
    username: str
    input_data: str
    output_data: str
    prediction_type: str = "realtime"


class PredictionLog(Protocol):
    def add(self, record: LogRecord) -> None:
        """Take a record; must return at once."""
        ...


class InferenceClient(Protocol):
    """The hosts of all models."""

    async def predict(self, model: ServableModel, question: InferenceRequest) -> InferenceResponse: ...

    async def forecast(self, model: ServableModel, question: ForecastInferenceRequest) -> InferenceResponse: ...


_PROCESS = random.getrandbits(10)
_COUNTER = itertools.count()
# What takes longer than some milliseconds leaves the event loop, and with it the other callers, alone.
_ROWS_ON_THE_LOOP = 256


class NoLog:
    def add(self, record: LogRecord) -> None:
        return


class ModelRunner:
    """One loaded model that answers questions."""

    def __init__(self, model: ServableModel, predictor: Predictor, log: PredictionLog) -> None:
        self.model = model
        self._predictor = predictor
        self._log = log

    async def answer(self, questions: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Answer several questions with one pass through the model; a bad one costs the others nothing."""
        if any(question.explain for question in questions):
            # Contributions take the booster's own library, which takes seconds to import: not on the event loop.
            await asyncio.to_thread(lambda: self._predictor.members)
        records: list[LogRecord] = []
        if sum(_weight(question) for question in questions) > _ROWS_ON_THE_LOOP:
            answers = await asyncio.to_thread(self._answer, questions, records)
        else:
            answers = self._answer(questions, records)
        for record in records:
            self._log.add(record)
        return answers

    def _answer(self, questions: Sequence[InferenceRequest], records: list[LogRecord]) -> list[InferenceResponse]:
        parsed = [self._parse(question) for question in questions]
        rows = [row for rows in parsed if not isinstance(rows, DatamlError) for row in rows]
        predictions = iter(self._predictor.predict(rows)) if rows else iter(())
        answers: list[InferenceResponse] = []
        for question, encoded in zip(questions, parsed, strict=True):
            if isinstance(encoded, DatamlError):
                answers.append(encoded)
            else:
                answers.append(self._render(question, encoded, [next(predictions) for _ in encoded], records))
        return answers

    def _parse(self, question: InferenceRequest) -> list[list[float]] | DatamlError:
        encoded: list[list[float]] = []
        for index, features in enumerate(question.rows):
            try:
                encoded.append(self._predictor.parse(features))
            except InvalidFields as error:
                return error if question.single else _at_instance(error, index)
        return encoded

    def _render(
        self,
        question: InferenceRequest,
        rows: list[list[float]],
        predictions: list[Prediction],
        records: list[LogRecord],
    ) -> bytes:
        bodies = []
        for features, row, prediction in zip(question.rows, rows, predictions, strict=True):
            body = {
                "prediction": prediction.prediction,
                "accuracy": self.model.accuracy,
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
                "prediction_id": new_prediction_id(),
            }
            if question.explain:
                body["explanation"] = self._predictor.explain(row)
            bodies.append(body)
            records.append(self._record(question, features, body))
        return dump_json(bodies[0] if question.single else {"predictions": bodies})

    def _record(self, question: InferenceRequest, features: dict[str, Any], body: dict[str, Any]) -> LogRecord:
        output = {"prediction": body["prediction"], "probability": body["probability"]}
        return LogRecord(
            id=body["prediction_id"],
            tenant_id=self.model.tenant_id,
            training_id=self.model.train_id,
            username=question.username,
            input_data=dump_json(features).decode(),
            output_data=dump_json(output).decode(),
        )


def _weight(question: InferenceRequest) -> int:
    """The rows of a question; one that is explained costs as much as many."""
    return len(question.rows) * (20 if question.explain else 1)


def new_prediction_id() -> int:
    """A 63-bit id that sorts by time: 41 bits of milliseconds, 10 random ones of the process, 12 of a counter."""
    return (time.time_ns() // 1_000_000) << 22 | _PROCESS << 12 | next(_COUNTER) & 0xFFF


def prediction_time_ms(prediction_id: int) -> int:
    """Unix milliseconds at which the id was made."""
    return prediction_id >> 22


def _at_instance(error: InvalidFields, index: int) -> InvalidFields:
    """The same errors, located in `instances` instead of `features`."""
    fields = [FieldError(("body", "instances", index, *f.location[2:]), f.message, f.code) for f in error.fields]
    return InvalidFields(fields, code=error.code)
