"""`python -m benchmarks.forecast_tasks TASK FOLDER [SERIES]`: one training of many series in its own process."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data_tasks import peak_mb
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import ForecastConfig, JobContext, TrainSpec
from dataml.storage.storage import Storage
from dataml.tasks import train

DAYS = 3 * 365
HORIZON, WINDOWS = 14, 3
CONTRACT = Contract.build([Column("id", DataType.STRING), Column("day", DataType.DATE), Column("sold", DataType.FLOAT)])
ROLES = {"id": "Id", "day": "Time", "sold": "Target"}


def write_series(path: Path, series: int) -> None:
    """Daily series of three years with a level, a trend, a week, a year and noise of their own."""
    chance = np.random.default_rng(0)
    days = np.arange(DAYS)
    level, trend, week, year = (chance.gamma(4, 20, series), *(chance.normal(0, 1, series) for _ in range(3)))
    shape = chance.normal(0, 1, (series, 7))[:, days % 7] * np.abs(week)[:, None]
    y = level[:, None] * (1 + 0.0003 * trend[:, None] * days + 0.1 * shape)
    y += level[:, None] * 0.2 * year[:, None] * np.sin(2 * np.pi * days / 365)
    y = np.maximum(y + chance.normal(0, 0.1, y.shape) * level[:, None], 0)
    dates = (np.datetime64("2021-01-01") + days).astype("datetime64[D]")
    table = {
        "id": pa.array([f"series {number}" for number in range(series)]).take(pa.array(np.repeat(range(series), DAYS))),
        "day": pa.array(np.tile(dates, series)),
        "sold": y.ravel(),
    }
    pq.write_table(pa.table(table, schema=CONTRACT.schema), path)


def ours(folder: Path) -> dict[str, Any]:
    """The platform's own job: read, check, backtest, fit, intervals, scores, charts, bundle."""
    from coreforecast import lag_transforms  # noqa: F401

    before = peak_mb()
    started = time.perf_counter()
    options = ForecastConfig(horizon=HORIZON, windows=WINDOWS)
    spec = TrainSpec(1, "series.parquet", CONTRACT, "Forecast", "LightGBM", ROLES, threads=2, forecasting=options)
    result = train.run(spec, JobContext(Storage(folder), "job"))
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "peak_mb": peak_mb(),
        "before_mb": before,
        "mase": result.metrics["mase"],
        "rounds": result.summary["best_iteration"],
        "params": result.summary["members"][0]["params"],
    }


def plain(folder: Path) -> dict[str, Any]:
    """mlforecast alone: the same lags, windows, calendar, rounds and windows of a backtest, and the last fit."""
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd

    about = json.loads((folder / "job" / "bundle" / "manifest.json").read_text())
    params = about["members"][0]["params"]
    model = lightgbm.LGBMRegressor(
        n_estimators=about["best_iteration"], learning_rate=0.05, num_leaves=31, n_jobs=2, verbosity=-1, random_state=0
    )
    started = time.perf_counter()
    frame = pq.read_table(folder / "series.parquet").to_pandas()
    frame["day"] = pd.to_datetime(frame["day"])
    rolling = [each(window, min_samples=1) for window in params["windows"] for each in (RollingMean, RollingStd)]
    forecasts = MLForecast(
        models={"lgb": model},
        freq="D",
        lags=params["lags"],
        lag_transforms={1: rolling},
        date_features=["dayofweek", "day", "month", "dayofyear", "week"],
        num_threads=2,
    )
    columns = {"id_col": "id", "time_col": "day", "target_col": "sold"}
    forecasts.cross_validation(frame, n_windows=WINDOWS, h=HORIZON, step_size=HORIZON, refit=False, **columns)
    forecasts.fit(frame, **columns)
    return {"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}


def main(task: str, folder: str, series: str = "1000") -> None:
    tasks: dict[str, Callable[[Path], dict[str, Any]]] = {"ours": ours, "plain": plain}
    if task == "write":
        write_series(Path(folder) / "series.parquet", int(series))
        print(json.dumps({"seconds": 0.0}))
    else:
        print(json.dumps(tasks[task](Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
