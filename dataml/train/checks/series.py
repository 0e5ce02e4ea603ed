"""Checks the series that a forecast learns from, or continues with, before any compute."""

from pathlib import Path

import pyarrow.parquet as pq

from dataml.jobs.spec import ForecastConfig, TrainSpec
from dataml.ml.forecasting.backtest.splits import split_panel
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.panel.dataset import read_series


def check_series(parquet: Path, spec: TrainSpec, config: ForecastConfig) -> None:
    """Refuse rows that a new forecast cannot be trained and backtested on.

    Raises:
        Invalid: what `ml.forecasting` finds: duplicated or irregular times, mixed frequencies, short series, ...
    """
    reading, _ = read_series(parquet, spec.contract, spec.roles, config.frequency, config.fill, config.horizon)
    split_panel(reading.panel, config.horizon, config.season_length, config.windows)


def check_continued_series(parquet: Path, parent_bundle: Path) -> None:
    """Refuse rows that do not continue the series of the forecast in `parent_bundle`.

    Raises:
        Invalid: what `ml.forecasting` finds.
    """
    forecaster = load_forecaster(parent_bundle)
    forecaster.update(pq.read_table(parquet, columns=list(forecaster.observation_columns)))
