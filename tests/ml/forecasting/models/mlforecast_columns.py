"""Columns of history as mlforecast computes them."""

from functools import cache
from typing import Any

import numpy as np

from dataml.ml.forecasting.models.lag_features import min_window_values
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from tests.ml.forecasting.lagged_series import daily_series


def mlforecast_columns(spec: LagSpec, data: GroupedSeries) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of history before they are divided by the scale, and the level; a row for each value."""
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd, SeasonalRollingMean

    transforms: dict[int, list[Any]] = {1: [RollingMean(spec.level, 1)]}
    transforms[1] += [RollingMean(each, min_window_values(each)) for each in spec.windows]
    transforms[1] += [RollingStd(each, min_window_values(each)) for each in spec.windows]
    for season, count in spec.means:
        transforms.setdefault(season, []).append(SeasonalRollingMean(season, count, 1))
    for lag in spec.swings:
        transforms.setdefault(lag + 1, []).append(RollingMean(spec.level, 1))
    lags = sorted({*spec.lags, *spec.swings})
    frame = pd.DataFrame({"unique_id": data.series_index, "ds": data.position, "y": data.y})
    forecaster = MLForecast(models=[], freq=1, lags=lags, lag_transforms=transforms)
    columns = forecaster.preprocess(frame, dropna=False, static_features=[]).iloc[:, 3:].to_numpy().T
    lagged = dict(zip(lags, columns, strict=False))
    rest = {lag: list(columns[at : at + len(of)]) for (lag, of), at in _positions(transforms, len(lags))}
    level, windows = rest[1][0], len(spec.windows)
    history = [lagged[lag] - level for lag in spec.lags]
    history += [mean - level for mean in rest[1][1 : 1 + windows]]
    history += rest[1][1 + windows :]
    history += [rest[season][0] - level for season, _ in spec.means]
    history += [lagged[lag] - rest[lag + 1][-1] for lag in spec.swings]
    return np.stack(history, axis=1), level


def _positions(transforms: dict[int, list[Any]], at: int) -> list[tuple[tuple[int, list[Any]], int]]:
    positions = []
    for item in transforms.items():
        positions.append((item, at))
        at += len(item[1])
    return positions


@cache
def regular_series(spec: LagSpec) -> GroupedSeries:
    """Return series without gaps, long and short ones."""
    length = spec.reach + 40
    return daily_series((length, length, length // 2, 3), spec)
