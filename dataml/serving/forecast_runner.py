"""The runner of a forecast model, in whatever process serves it."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from dataml import tracing
from dataml.contract.warnings import DataWarning, warnings_to_json
from dataml.errors import DatamlError, Invalid
from dataml.http.strict_json import dump_json
from dataml.jobs.spec import ForecastInputs, JobContext
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecast_warnings import find_forecast_warnings
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.series_forecast import SeriesForecast
from dataml.serving.model_runner import (
    ForecastInferenceRequest,
    InferenceResponse,
    LogRecord,
    PredictionLog,
    ServableModel,
    count_rows,
    fetch_bundle,
    labels_of,
    new_prediction_id,
)
from dataml.storage.storage import Storage
from dataml.tasks.forecast_inputs import read_inputs

MAX_VALUES: Final = 20_000
"""Steps of all series in one response; a batch may have more."""
_MAX_CACHED_UPDATES: Final = 4
_MAX_LOGGED: Final = 100
"""Series ids and steps that the prediction log keeps of one forecast."""

_Update = tuple[Forecaster, pa.Table | None, tuple[DataWarning, ...]]


class ForecastRunner:
    """One loaded forecast model that responds to inference requests.

    Keeps the model as updated with the last few datasets of new observations, so that only the first request reads
    them.
    """

    def __init__(self, model: ServableModel, forecaster: Forecaster, storage: Storage, log: PredictionLog) -> None:
        self.model = model
        self._forecaster = forecaster
        self._storage = storage
        self._log = log
        self._updates: OrderedDict[tuple[str | None, ...], _Update] = OrderedDict()

    @classmethod
    def load(cls, model: ServableModel, storage: Storage, log: PredictionLog) -> "ForecastRunner":
        """Load the model of a bundle. Raises as `fetch_bundle` and `load_forecaster`. Blocking."""
        return cls(model, load_forecaster(fetch_bundle(storage, model)), storage, log)

    async def forecast(self, request: ForecastInferenceRequest) -> InferenceResponse:
        """Return the forecast as JSON, or the error as a value."""
        try:
            with tracing.span_within(request.traceparent, "model forecast", {"dataml.train_id": self.model.train_id}):
                body, record = await asyncio.to_thread(self._forecast, request)
        except DatamlError as error:
            return error
        self._log.add(record)
        return body

    def _forecast(self, request: ForecastInferenceRequest) -> tuple[bytes, LogRecord]:
        forecaster, rows, warnings = self._read_inputs(request.inputs)
        parameters = ForecastParameters(
            request.steps,
            request.frequency,
            request.unique_ids,
            request.level,
            request.aggregate,
            request.explain,
            request.round,
        )
        count = len(request.unique_ids) if request.unique_ids is not None else len(forecaster.ids)
        if count * request.steps > MAX_VALUES:
            detail = f"{count:,} series of {request.steps:,} steps are too many for one answer; parameters for a batch."
            raise Invalid(detail, code="too_many_steps")
        future: Any = request.future_rows
        if rows is not None:
            if future is not None:
                raise Invalid("Values of the future come from rows and from a dataset; send one.", code="sent_twice")
            future = rows
        forecasts = forecaster.forecast(parameters, future)
        prediction_id = new_prediction_id()
        steps = render_steps(forecasts)
        warnings = (*warnings, *find_forecast_warnings(forecaster, parameters, future))
        count_rows(labels_of(self.model), len(steps), warnings)
        body = {
            "forecast": steps,
            "train_id": self.model.train_id,
            "frequency": forecasts[0].frequency.name if forecasts else forecaster.frequency.name,
            "level": request.level,
            "prediction_id": prediction_id,
            "warnings": warnings_to_json(warnings),
        }
        return dump_json(body), self._log_record(request, body)

    def _read_inputs(self, inputs: ForecastInputs) -> _Update:
        """Return the model, updated with new observations, the rows about the future, and warnings about both."""
        if inputs.dataset is None and inputs.future is None:
            return self._forecaster, None, ()
        names = (None if each is None else each.parquet for each in (inputs.dataset, inputs.future))
        key = (*names, inputs.revised)
        updated = self._updates.get(key)
        if updated is None:
            rows = read_inputs(inputs, self._forecaster, JobContext(self._storage, ""))
            forecaster, warnings = self._forecaster, rows.warnings
            if rows.observations is not None:
                forecaster, found = forecaster.update_with_warnings(rows.observations, inputs.revised)
                warnings = (*warnings, *found)
            updated = self._updates[key] = (forecaster, rows.future, warnings)
            while len(self._updates) > _MAX_CACHED_UPDATES:
                self._updates.popitem(last=False)
        return updated

    def _log_record(self, request: ForecastInferenceRequest, body: dict[str, Any]) -> LogRecord:
        steps = body["forecast"]
        parameters = {
            "unique_ids": request.unique_ids and request.unique_ids[:_MAX_LOGGED],
            "steps": request.steps,
            "frequency": request.frequency,
        }
        return LogRecord(
            id=body["prediction_id"],
            tenant_id=self.model.tenant_id,
            training_id=self.model.train_id,
            username=request.username,
            input_data=dump_json(parameters).decode(),
            output_data=dump_json(steps[:_MAX_LOGGED]).decode(),
            prediction_type="forecast",
            records=len(steps),
            # The model's own frequency, where none was asked for.
            request=None if request.record is None else request.record | {"frequency": body["frequency"]},
        )


def render_steps(forecasts: Sequence[SeriesForecast]) -> list[dict[str, Any]]:
    """Return a dict for each step of each series, as the API sends it."""
    steps = []
    for series in forecasts:
        dates = series.frequency.format_times(series.times)
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
