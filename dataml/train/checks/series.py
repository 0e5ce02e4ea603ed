"""Checks the series that a forecast learns from, or continues with, before any compute."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from dataml.jobs.spec import ForecastConfig, TrainSpec
from dataml.ml.forecasting.backtest.splits import split_panel
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.hierarchy import read_hierarchy
from dataml.ml.forecasting.panel.dataset import ColumnRoles, read_series
from dataml.ml.forecasting.panel.observations import RevisedPolicy
from dataml.ml.forecasting.panel.time_column import settle_time_column, warn_of_settled_time
from dataml.tasks.model_rows import ModelRows


def check_series(parquet: Path, spec: TrainSpec, config: ForecastConfig) -> TrainSpec:
    """Refuse rows that a new forecast cannot be trained and backtested on.

    Returns:
        The spec, in whose contract the Time column is a Date or Timestamp: numbers and text are settled by values, and
        `dataset_warnings` say how.

    Raises:
        Invalid: what `ml.forecasting` finds: times that are none, duplicated or irregular ones, mixed frequencies,
            short series, columns that make no hierarchy, ...
    """
    time = ColumnRoles.from_mapping(spec.roles).time
    times = pq.read_table(parquet, columns=[time])
    contract = settle_time_column(times, spec.contract, time)
    warning = warn_of_settled_time(spec.contract.column(time), contract.column(time), times)
    reading, table = read_series(
        parquet, contract, spec.roles, config.frequency, config.fill, config.horizon, others=config.hierarchy
    )
    if config.hierarchy:
        read_hierarchy(reading.panel, table, config.hierarchy)
    split_panel(reading.panel, config.horizon, config.season_length, config.windows)
    return replace(spec, contract=contract, dataset_warnings=() if warning is None else (warning,))


def check_continued_series(rows: ModelRows, parent_bundle: Path, revised: RevisedPolicy) -> None:
    """Refuse rows that do not continue the series of the forecast in `parent_bundle`.

    Raises:
        Invalid: what `ml.forecasting` finds.
    """
    forecaster = load_forecaster(parent_bundle)
    forecaster.update(rows.read(forecaster.observation_columns), revised)
