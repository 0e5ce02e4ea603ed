"""The batch forecast task: a bundle in, a CSV file with a line for each step of each series out."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.warnings import DataWarning
from dataml.jobs.spec import NO_INPUTS, ForecastSpec, JobContext, ScoreResult
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecast_warnings import find_forecast_warnings
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.series_forecast import SeriesForecast
from dataml.tasks.forecast_inputs import ForecastRows, read_inputs
from dataml.tasks.lake import find_schema
from dataml.tasks.result_writer import ResultWriter

_BATCH_SERIES = 500
_RESULT_COLUMNS = {"values": "value", "lower": "lower", "upper": "upper", "confidence": "confidence"}


def run(spec: ForecastSpec, context: JobContext) -> ScoreResult:
    """Forecast series by series, each in order of time.

    The columns of the result are the Id column of the model, where it has one, its Time column, `value`, `lower`,
    `upper`, `confidence`, and with `explain` a column for each contribution, `effect of <name>`.

    Raises:
        Invalid: what `read_inputs` raises.
        DatamlError: what `Forecaster.update` and `Forecaster.forecast` raise; what `tasks.lake.write` raises, with a
            lake table.
    """
    context.report_progress(0.02, "Loading the model")
    forecaster = load_forecaster(context.fetch(spec.bundle))
    rows = _read_rows(spec, forecaster, context)
    warnings, future = rows.warnings, rows.future
    if rows.observations is not None:
        forecaster, found = forecaster.update_with_warnings(rows.observations, spec.inputs.revised)
        warnings += found
    ids = forecaster.ids if spec.unique_ids is None else spec.unique_ids
    spec, rounded = _round_for_table(spec, context, forecaster)
    warnings += rounded
    warnings += find_forecast_warnings(forecaster, _parameters(spec, forecaster, tuple(ids)), future)
    tables = _tables(spec, context, forecaster, ids, future)
    first = next(tables)
    with ResultWriter(context, "forecast", first.schema, spec.lake) as writer:
        for table in chain((first,), tables):
            writer.write(table)
    return writer.finish(warnings=warnings)


def _read_rows(spec: ForecastSpec, forecaster: Forecaster, context: JobContext) -> ForecastRows:
    if spec.inputs != NO_INPUTS:
        return read_inputs(spec.inputs, forecaster, context)

    def read(name: str | None, columns: Sequence[str]) -> pa.Table | None:
        return None if name is None else pq.read_table(context.fetch(name), columns=list(columns))

    observations = read(spec.observations, forecaster.observation_columns)
    return ForecastRows(observations, read(spec.future, forecaster.future_columns))


def _round_for_table(
    spec: ForecastSpec, context: JobContext, forecaster: Forecaster
) -> tuple[ForecastSpec, tuple[DataWarning, ...]]:
    """Return the spec with rounding where the rows go into a table of whole numbers, as those of version 0.1 are."""
    if spec.lake is None or spec.lake.mode != "append" or spec.round or not forecaster.config.limits.whole:
        return spec, ()
    schema = find_schema(spec.lake, context)
    name = _unused_name("value", forecaster.config.roles.key_columns)
    if schema is None or name not in schema.names or not pa.types.is_integer(schema.field(name).type):
        return spec, ()
    message = (
        f"Values and bounds are rounded, as {name!r} of the table {spec.lake.name.table!r} holds whole numbers. Other "
        "tables, and result_mode replace, take them as they are."
    )
    return replace(spec, round=True), (DataWarning("rounded_for_table", message, name),)


def _tables(
    spec: ForecastSpec, context: JobContext, forecaster: Forecaster, ids: Sequence[str], future: pa.Table | None
) -> Iterator[pa.Table]:
    """Yield one table for each batch of series; there is at least one."""
    # The series of a hierarchy are forecast together, whichever are asked for.
    size = _BATCH_SERIES if forecaster.hierarchy is None else max(1, len(ids))
    for first in range(0, len(ids), size):
        part = tuple(ids[first : first + size])
        yield _to_table(forecaster, forecaster.forecast(_parameters(spec, forecaster, part), future))
        context.report_progress(0.05 + 0.9 * (first + len(part)) / len(ids), f"Forecast {first + len(part):,} series")


def _parameters(spec: ForecastSpec, forecaster: Forecaster, part: tuple[str, ...]) -> ForecastParameters:
    steps = spec.steps or forecaster.config.horizon
    return ForecastParameters(steps, spec.frequency, part, spec.level, spec.aggregate, spec.explain, spec.round)


def _to_table(forecaster: Forecaster, forecasts: Sequence[SeriesForecast]) -> pa.Table:
    roles = forecaster.config.roles
    counts = [len(series.values) for series in forecasts]
    columns: dict[str, pa.Array | np.ndarray] = {}
    if roles.series is not None:
        names = np.repeat(np.arange(len(forecasts)), counts)
        columns[roles.series] = pa.array([series.unique_id for series in forecasts], pa.string()).take(pa.array(names))
    columns[roles.time] = pa.array(
        [text for series in forecasts for text in series.frequency.format_times(series.times)]
    )
    for attribute, name in _RESULT_COLUMNS.items():
        columns[_unused_name(name, roles.key_columns)] = np.concatenate(
            [getattr(series, attribute) for series in forecasts]
        )
    explained = [step for series in forecasts for step in series.explanation or ()]
    for effect in dict.fromkeys(name for step in explained for name in step):
        columns[f"effect of {effect}"] = pa.array([step.get(effect) for step in explained], pa.float64())
    return pa.table(columns)


def _unused_name(name: str, taken: Sequence[str]) -> str:
    return f"{name}_" if name in taken else name
