"""The batch forecast job: a bundle in, a CSV file with a line for each step of each series out."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from dataml.jobs.spec import ForecastSpec, JobContext, ScoreResult
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters, SeriesForecast
from dataml.tasks.lake import write_parquet

_SERIES_AT_A_TIME = 500
_VALUES = {"values": "value", "lower": "lower", "upper": "upper", "confidence": "confidence"}


def run(spec: ForecastSpec, context: JobContext) -> ScoreResult:
    """Columns: the Id column of the model, where it has one, its Time column, `value`, `lower`, `upper`, `confidence`,
    and with `explain` a column for each contribution, `effect of <name>`. Series by series, each in order of time.

    Raises what `Forecaster.update` and `Forecaster.forecast` raise; what `write_rows` raises, with a lake table.
    """
    context.report_progress(0.02, "Loading the model")
    forecaster = load_forecaster(context.fetch(spec.bundle))
    if spec.observations is not None:
        columns = list(forecaster.observation_columns)
        forecaster = forecaster.update(pq.read_table(context.fetch(spec.observations), columns=columns))
    future = None
    if spec.future is not None:
        future = pq.read_table(context.fetch(spec.future), columns=list(forecaster.future_columns))
    ids = forecaster.ids if spec.unique_ids is None else spec.unique_ids
    name, path = context.output("forecast.csv")
    unfinished = path.with_name(path.name + ".part")
    parquet, for_lake = context.output("forecast.parquet", only_here=True)
    tables = _tables(spec, context, forecaster, ids, future)
    first, rows = next(tables), 0
    with ExitStack() as stack:
        writer = stack.enter_context(pacsv.CSVWriter(unfinished, first.schema))
        copy = stack.enter_context(pq.ParquetWriter(for_lake, first.schema)) if spec.lake is not None else None
        for table in chain((first,), tables):
            writer.write_table(table)
            if copy is not None:
                copy.write_table(table)
            rows += table.num_rows
    unfinished.replace(path)
    snapshot_id = None
    if spec.lake is not None:
        snapshot_id = write_parquet(spec.lake, context, parquet)
        for_lake.unlink()
    return ScoreResult(
        name,
        total_fields=len(first.schema),
        total_records=rows,
        failed_records=0,
        size_bytes=path.stat().st_size,
        snapshot_id=snapshot_id,
    )


def _tables(
    spec: ForecastSpec, context: JobContext, forecaster: Forecaster, ids: Sequence[str], future: pa.Table | None
) -> Iterator[pa.Table]:
    """Some series at a time; there is one at least."""
    for first in range(0, len(ids), _SERIES_AT_A_TIME):
        part = tuple(ids[first : first + _SERIES_AT_A_TIME])
        yield _table(forecaster, forecaster.forecast(_parameters(spec, forecaster, part), future))
        context.report_progress(0.05 + 0.9 * (first + len(part)) / len(ids), f"Forecast {first + len(part):,} series")


def _parameters(spec: ForecastSpec, forecaster: Forecaster, part: tuple[str, ...]) -> ForecastParameters:
    steps = spec.steps or forecaster.config.horizon
    return ForecastParameters(steps, spec.frequency, part, spec.level, spec.aggregate, spec.explain)


def _table(forecaster: Forecaster, found: Sequence[SeriesForecast]) -> pa.Table:
    roles = forecaster.config.roles
    counts = [len(series.values) for series in found]
    columns: dict[str, pa.Array | np.ndarray] = {}
    if roles.series is not None:
        names = np.repeat(np.arange(len(found)), counts)
        columns[roles.series] = pa.array([series.unique_id for series in found], pa.string()).take(pa.array(names))
    columns[roles.time] = pa.array([text for series in found for text in series.frequency.format_times(series.times)])
    for attribute, name in _VALUES.items():
        columns[_free(name, roles.key_columns)] = np.concatenate([getattr(series, attribute) for series in found])
    explained = [step for series in found for step in series.explanation or ()]
    for effect in dict.fromkeys(name for step in explained for name in step):
        columns[f"effect of {effect}"] = pa.array([step.get(effect) for step in explained], pa.float64())
    return pa.table(columns)


def _free(name: str, taken: Sequence[str]) -> str:
    return f"{name}_" if name in taken else name
