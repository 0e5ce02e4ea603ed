"""The rows that a forecast is given: new observations, and exogenous values of its steps."""

from dataclasses import dataclass, replace

import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid
from dataml.jobs.spec import DatasetInput, ForecastInputs, JobContext
from dataml.ml.forecasting.forecaster import Forecaster
from dataml.ml.forecasting.panel.split_rows import SplitRows, split_rows
from dataml.tasks.model_rows import ModelRows


@dataclass(frozen=True)
class ForecastRows:
    """New observations, and rows about the future; None where there are none."""

    observations: pa.Table | None = None
    future: pa.Table | None = None
    warnings: tuple[DataWarning, ...] = ()


def read_inputs(inputs: ForecastInputs, forecaster: Forecaster, context: JobContext) -> ForecastRows:
    """Read the datasets of a forecast by the contract of its model.

    Rows that the contract refuses are left out, with a warning.

    Raises:
        Invalid: `sent_twice`: observations, or values of the future, come from two datasets; `nothing_to_use`: the
            dataset has neither; `time_not_temporal`: a time is none; what reading the files raises.
    """
    observation_columns, future_columns = forecaster.observation_columns, forecaster.future_columns
    both = tuple(dict.fromkeys((*observation_columns, *future_columns)))
    parts: list[SplitRows] = []
    warnings: list[DataWarning] = []

    def read(dataset: DatasetInput | None, columns: tuple[str, ...]) -> pa.Table | None:
        if dataset is None:
            return None
        table, left_out = _read(dataset, columns, forecaster, context)
        warnings.extend(left_out)
        return table

    whole = read(inputs.dataset, both)
    if whole is not None:
        split = split_rows(whole, forecaster.config.roles)
        _refuse_unused(split, forecaster)
        parts.append(split)
    parts.append(SplitRows(read(inputs.observations, observation_columns), read(inputs.future, future_columns)))
    observations = [part.observations for part in parts if part.observations is not None]
    future = [part.future for part in parts if part.future is not None]
    for tables, name in ((observations, "Observations"), (future, "Values of the future")):
        if len(tables) > 1:
            raise Invalid(f"{name} come from two datasets; send one of them.", code="sent_twice")
    return ForecastRows(
        observations[0].select(observation_columns) if observations else None,
        future[0].select(future_columns) if future else None,
        tuple(warnings),
    )


def _read(
    dataset: DatasetInput, columns: tuple[str, ...], forecaster: Forecaster, context: JobContext
) -> tuple[pa.Table, tuple[DataWarning, ...]]:
    """Return those of the columns that the dataset has."""
    # A row without a target is about the future.
    needed = (replace(forecaster.contract.column(name), nullable=True) for name in columns)
    rows = ModelRows(dataset.rows, dataset.parquet, Contract(tuple(needed)), context)
    table = rows.read([name for name in columns if name in rows.names])
    time = forecaster.config.roles.time
    if (example := rows.left_out.example(time)) is not None:
        raise Invalid(f"The Time column has values that are not read as times: {example}.", code="time_not_temporal")
    return table, rows.left_out.warnings()


def _refuse_unused(split: SplitRows, forecaster: Forecaster) -> None:
    roles = forecaster.config.roles
    if split.observations is None and (split.future is None or not roles.exogenous):
        detail = f"The dataset has no value of {roles.target!r}, which would be an observation"
        raise Invalid(f"{detail}, and the model reads no exogenous values.", code="nothing_to_use")
