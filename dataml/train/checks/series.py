"""Checks the series that a forecast is to learn from, or to go on with, before any compute."""

from pathlib import Path

import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.forecasting.backtest.splits import split_panel
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.panel.dataset import read_series
from dataml.train.checks.request import CheckedRequest


def check_series(parquet: Path, contract: Contract, checked: CheckedRequest, parent: Path | None) -> None:
    """`parent` is the bundle of the model that these rows continue.

    Raises:
        Invalid: what `ml.forecasting` finds: duplicated or irregular times, mixed frequencies, short series, ...
    """
    assert checked.forecasting is not None
    if parent is not None:
        forecaster = load_forecaster(parent)
        forecaster.update(pq.read_table(parquet, columns=list(forecaster.observation_columns)))
        return
    asked = checked.forecasting
    reading, _ = read_series(parquet, contract, checked.roles, asked.frequency, asked.fill, asked.horizon)
    split_panel(reading.panel, asked.horizon, asked.season_length, asked.windows)
