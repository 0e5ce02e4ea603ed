"""`python -m benchmarks.forecasts [COLLECTION ...]`: how well `auto` forecasts, against what else one would take.

Public collections of series that ship in Python packages. The last four horizons of each are held out, one after the
other: every method learns from what is before, and forecasts what comes. Scored by the mean absolute scaled error
(Hyndman & Koehler 2006, scaled by the seasonal naive's in-sample error), the mean over series and the four origins;
with it, how many of the held-out values lie in the 95% intervals of `auto`.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.collections import COLLECTIONS, Collection
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import ForecastConfig, JobContext, TrainSpec
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecaster import ForecastParameters
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.reading import read_panel
from dataml.storage.storage import Storage
from dataml.tasks import train

METHODS = ("auto", "SeasonalNaive", "AutoETS", "mlforecast")
_ORIGINS = 4


def main(names: list[str]) -> None:
    warnings.filterwarnings("ignore")
    print(
        "| collection | series x values | horizon | "
        + " | ".join(METHODS)
        + " | 95% coverage | seconds of auto | rule |"
    )
    print("|---|---|---|" + "---|" * (len(METHODS) + 3))
    scores, covered = [], []
    for collection in COLLECTIONS:
        if not names or collection.name in names:
            row = _measured(collection)
            scores.append(row["mase"])
            covered.append(row["coverage"])
            best = min(row["mase"])
            shown = [f"**{value:.3f}**" if value == best else f"{value:.3f}" for value in row["mase"]]
            print(
                f"| {collection.name} | {row['size']} | {row['horizon']} | {' | '.join(shown)} "
                f"| {row['coverage']:.1%} | {row['seconds']:.1f} | {row['rule']} |",
                flush=True,
            )
    means = np.mean(scores, axis=0)
    print(f"| mean | | | {' | '.join(f'{value:.3f}' for value in means)} | {np.mean(covered):.1%} | | |")


def _measured(collection: Collection) -> dict[str, Any]:
    frame = collection.load().sort_values(["id", "time"], ignore_index=True)
    frequency = read_panel(_table(frame, collection), target="y", time="time", series="id").panel.frequency
    horizon, season = frequency.default_horizon, frequency.season_length
    errors: list[list[float]] = [[] for _ in METHODS]
    inside, seconds, rule = [], [], ""
    for origin in range(_ORIGINS, 0, -1):
        from_end = frame.groupby("id").cumcount(ascending=False)
        past = frame[from_end >= horizon * origin].reset_index(drop=True)
        ahead = frame[(from_end < horizon * origin) & (from_end >= horizon * (origin - 1))].reset_index(drop=True)
        scale = past.groupby("id")["y"].apply(lambda y: np.abs(y.to_numpy()[season:] - y.to_numpy()[:-season]).mean())
        truth = ahead["y"].to_numpy().reshape(-1, horizon)
        auto, lower, upper, taken, rule = _auto(collection, past, ahead, horizon)
        seconds.append(taken)
        inside.append(((truth >= lower) & (truth <= upper)).mean())
        found = [auto, _naive(past, horizon, season), _ets(past, horizon, season)]
        found.append(_mlforecast(past, ahead, collection, frequency, horizon, season))
        for method, points in enumerate(found):
            errors[method].append(float((np.abs(points - truth).mean(axis=1) / scale.to_numpy()).mean()))
    return {
        "mase": [float(np.mean(each)) for each in errors],
        "coverage": float(np.mean(inside)),
        "seconds": float(np.mean(seconds)),
        "horizon": horizon,
        "size": f"{frame['id'].nunique()} x {int(frame.groupby('id').size().median())}",
        "rule": rule,
    }


def _contract(collection: Collection) -> Contract:
    columns = [Column("id", DataType.STRING), Column("time", DataType.TIMESTAMP), Column("y", DataType.FLOAT)]
    return Contract.build([*columns, *(Column(name, DataType.FLOAT) for name in collection.exogenous)])


def _table(frame: pd.DataFrame, collection: Collection) -> pa.Table:
    contract = _contract(collection)
    columns = {name: frame[name] for name in contract.names if name != "time"}
    columns["time"] = frame["time"].dt.tz_localize("UTC")
    return pa.table({name: pa.Array.from_pandas(columns[name]) for name in contract.names}).cast(contract.schema)


def _auto(
    collection: Collection, past: pd.DataFrame, ahead: pd.DataFrame, horizon: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, str]:
    roles = {"id": "Id", "time": "Time", "y": "Target"} | dict.fromkeys(collection.exogenous, "Exogenous")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pq.write_table(_table(past, collection), root / "rows.parquet")
        options = ForecastConfig(horizon=horizon)
        spec = TrainSpec(
            1, "rows.parquet", _contract(collection), "Forecast", "auto", roles, threads=2, forecasting=options
        )
        started = time.perf_counter()
        result = train.run(spec, JobContext(Storage(root), "job"))
        taken = time.perf_counter() - started
        forecaster = load_forecaster(root / result.bundle)
        future = _table(ahead, collection).drop_columns(["y"]) if collection.exogenous else None
        found = forecaster.forecast(ForecastParameters(horizon), future)
    parts = [np.stack([getattr(series, name) for series in found]) for name in ("values", "lower", "upper")]
    rule = f"{result.summary['forecast']['rule']}: {', '.join(result.summary['forecast']['models'])}"
    return parts[0], parts[1], parts[2], taken, rule


def _by_series(past: pd.DataFrame) -> list[np.ndarray]:
    return [group.to_numpy() for _, group in past.groupby("id")["y"]]


def _naive(past: pd.DataFrame, horizon: int, season: int) -> np.ndarray:
    return np.stack([np.resize(y[-season:], horizon) for y in _by_series(past)])


def _ets(past: pd.DataFrame, horizon: int, season: int) -> np.ndarray:
    """AutoETS of statsforecast as it comes; beyond a season of 24, which it does not know, without one."""
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=season if season <= 24 else 1)
    return np.stack([model.forecast(y, horizon)["mean"] for y in _by_series(past)])


def _mlforecast(
    past: pd.DataFrame, ahead: pd.DataFrame, collection: Collection, frequency: Frequency, horizon: int, season: int
) -> np.ndarray:
    """mlforecast with LightGBM's defaults, lags of the last steps and seasons, rolling means and the calendar."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    aliases = {"quarter": "QS", "month": "MS", "day": "D", "minute": "30min", "hour": "h", "week": "W"}
    calendar = {"quarter": ["quarter"], "month": ["month"], "day": ["dayofweek", "month"]}
    lags = sorted({1, 2, 3, 4, season, 2 * season} if season <= 12 else {1, 2, 3, season, 7 * season})
    plain = MLForecast(
        models={"lgb": LGBMRegressor(verbosity=-1, random_state=0)},
        freq=aliases[frequency.unit],
        lags=lags,
        lag_transforms={1: [RollingMean(season, min_samples=1)]},
        date_features=calendar.get(frequency.unit, ["hour", "dayofweek"]),
    )
    columns = {"id_col": "id", "time_col": "time", "target_col": "y"}
    plain.fit(past, static_features=[], **columns)
    future = ahead.drop(columns=["y"]) if collection.exogenous else None
    found = plain.predict(horizon, X_df=future)
    return found.sort_values(["id", "time"])["lgb"].to_numpy().reshape(-1, horizon)


if __name__ == "__main__":
    main(sys.argv[1:])
