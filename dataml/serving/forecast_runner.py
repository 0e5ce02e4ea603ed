"""A loaded forecast model that answers questions, in whatever process hosts it."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import pyarrow.parquet as pq

from dataml.errors import DatamlError, Invalid
from dataml.http.wire import dump_json
from dataml.ml.forecasting.forecaster import Ask, Forecaster, SeriesForecast
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
    InferenceResponse,
    LogRecord,
    PredictionLog,
    ServableModel,
    fetch_bundle,
    new_prediction_id,
)
from dataml.storage.storage import Storage

MOST_VALUES: Final = 20_000
"""Steps of all series in one answer; a batch gives more."""
_OBSERVED_KEPT: Final = 4


class ForecastRunner:
    """Keeps what a few datasets of new observations have made of the model, so that only the first question reads
    them."""

    def __init__(self, model: ServableModel, forecaster: Forecaster, storage: Storage, log: PredictionLog) -> None:
        self.model = model
        self._forecaster = forecaster
        self._storage = storage
        self._log = log
        self._observed: OrderedDict[str, Forecaster] = OrderedDict()

    @classmethod
    def load(cls, model: ServableModel, storage: Storage, log: PredictionLog) -> "ForecastHost":
        return cls(model, Forecaster.load(fetch_bundle(storage, model)), storage, log)

    async def answer(self, question: ForecastInferenceRequest) -> InferenceResponse:
        """JSON, or why there is none."""
        try:
            body, record = await asyncio.to_thread(self._answer, question)
        except DatamlError as error:
            return error
        self._log.add(record)
        return body

    def _answer(self, question: ForecastInferenceRequest) -> tuple[bytes, LogRecord]:
        forecaster = self._starting(question.observations)
        ask = Ask(
            question.steps,
            question.frequency,
            question.unique_ids,
            question.level,
            question.aggregate,
            question.explain,
        )
        count = len(question.unique_ids) if question.unique_ids is not None else len(forecaster.ids)
        if count * question.steps > MOST_VALUES:
            detail = f"{count:,} series of {question.steps:,} steps are too many for one answer; ask for a batch."
            raise Invalid(detail, code="too_many_steps")
        future = question.future_rows
        if question.future is not None:
            found = forecaster.forecast(ask, self._table(question.future, forecaster.future_columns))
        else:
            found = forecaster.forecast(ask, future)
        prediction_id = new_prediction_id()
        steps = rendered(found)
        body = {
            "forecast": steps,
            "train_id": self.model.train_id,
            "frequency": found[0].frequency.name if found else forecaster.frequency.name,
            "level": question.level,
            "prediction_id": prediction_id,
        }
        return dump_json(body), self._record(question, prediction_id, steps)

    def _starting(self, observations: str | None) -> Forecaster:
        """The model, or the model with what was observed since."""
        if observations is None:
            return self._forecaster
        found = self._observed.get(observations)
        if found is None:
            table = self._table(observations, self._forecaster.observed_columns)
            found = self._forecaster.observe(table)
            self._observed[observations] = found
            while len(self._observed) > _OBSERVED_KEPT:
                self._observed.popitem(last=False)
        return found

    def _table(self, name: str, columns: Sequence[str]) -> Any:
        return pq.read_table(self._storage.fetch(name), columns=list(columns))

    def _record(self, question: ForecastInferenceRequest, prediction_id: int, steps: list[dict[str, Any]]) -> LogRecord:
        asked = {
            "unique_ids": question.unique_ids and question.unique_ids[:100],
            "steps": question.steps,
            "frequency": question.frequency,
        }
        return LogRecord(
            id=prediction_id,
            tenant_id=self.model.tenant_id,
            training_id=self.model.train_id,
            username=question.username,
            input_data=dump_json(asked).decode(),
            output_data=dump_json(steps[:100]).decode(),
            prediction_type="forecast",
        )


def rendered(found: Sequence[SeriesForecast]) -> list[dict[str, Any]]:
    """A dict for each step, as the API answers."""
    steps = []
    for series in found:
        dates = series.frequency.render(series.times)
        columns = (series.values, series.confidence, series.lower, series.upper)
        for number, (date, value, confidence, lower, upper) in enumerate(
            zip(dates, *(column.tolist() for column in columns), strict=True)
        ):
            step: dict[str, Any] = {
                "unique_id": series.unique_id,
                "date": date,
                "value": value,
                "confidence": confidence,
                "lower": lower,
                "upper": upper,
            }
            if series.explanation is not None:
                step["explanation"] = series.explanation[number]
            steps.append(step)
    return steps
