"""One training of many series in its own process: `python -m benchmarks.forecast_tasks TASK FOLDER [SERIES]`."""

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
HORIZON, N_WINDOWS = 14, 3
CONTRACT = Contract.build([Column("id", DataType.STRING), Column("day", DataType.DATE), Column("sold", DataType.FLOAT)])
ROLES = {"id": "Id", "day": "Time", "sold": "Target"}


def write_series(path: Path, series: int) -> None:
    """Write daily series of three years, each with its own level, trend, weekly and yearly season, and noise."""
    random = np.random.default_rng(0)
    days = np.arange(DAYS)
    level, trend, week, year = (random.gamma(4, 20, series), *(random.normal(0, 1, series) for _ in range(3)))
    shape = random.normal(0, 1, (series, 7))[:, days % 7] * np.abs(week)[:, None]
    y = level[:, None] * (1 + 0.0003 * trend[:, None] * days + 0.1 * shape)
    y += level[:, None] * 0.2 * year[:, None] * np.sin(2 * np.pi * days / 365)
    y = np.maximum(y + random.normal(0, 0.1, y.shape) * level[:, None], 0)
    dates = (np.datetime64("2021-01-01") + days).astype("datetime64[D]")
    table = {
        "id": pa.array([f"series {number}" for number in range(series)]).take(pa.array(np.repeat(range(series), DAYS))),
        "day": pa.array(np.tile(dates, series)),
        "sold": y.ravel(),
    }
    pq.write_table(pa.table(table, schema=CONTRACT.schema), path)


def train_with_platform(folder: Path) -> dict[str, Any]:
    """Run the platform's own job: reading, checks, backtest, fit, intervals, scores, charts and bundle."""
    from coreforecast import lag_transforms  # noqa: F401

    before = peak_mb()
    started = time.perf_counter()
    options = ForecastConfig(horizon=HORIZON, windows=N_WINDOWS)
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


def train_with_mlforecast(folder: Path) -> dict[str, Any]:
    """Backtest and fit with mlforecast alone: the same lags, rolling windows, calendar, rounds and backtest windows."""
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd

    manifest = json.loads((folder / "job" / "bundle" / "manifest.json").read_text())
    params = manifest["members"][0]["params"]
    model = lightgbm.LGBMRegressor(
        n_estimators=manifest["best_iteration"],
        learning_rate=0.05,
        num_leaves=31,
        n_jobs=2,
        verbosity=-1,
        random_state=0,
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
    forecasts.cross_validation(frame, n_windows=N_WINDOWS, h=HORIZON, step_size=HORIZON, refit=False, **columns)
    forecasts.fit(frame, **columns)
    return {"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}


def main(task: str, folder: str, series: str = "1000") -> None:
    """Run a task (`write`, `platform`, `mlforecast`) in a folder, and print its figures as JSON."""
    tasks: dict[str, Callable[[Path], dict[str, Any]]] = {
        "platform": train_with_platform,
        "mlforecast": train_with_mlforecast,
    }
    if task == "write":
        write_series(Path(folder) / "series.parquet", int(series))
        print(json.dumps({"seconds": 0.0}))
    else:
        print(json.dumps(tasks[task](Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
