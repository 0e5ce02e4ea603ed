"""Rows of lagged models are what mlforecast makes of the series, and tell nothing of what comes later."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataml.ml.forecasting.models.calendar_features import compute_calendar_features
from dataml.ml.forecasting.models.lag_features import build_training_matrix, min_window_values, series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.recursive_features import RecursiveFeatures
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from tests.ml.forecasting.lagged_series import COVARIATES, PLAIN, SPECS, build_input, daily_series


def of_mlforecast(spec: LagSpec, data: GroupedSeries) -> tuple[np.ndarray, np.ndarray]:
    """The columns of history, before they are divided by the scale, and the level; float64, a row for each value."""
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
    made = MLForecast(models=[], freq=1, lags=lags, lag_transforms=transforms)
    columns = made.preprocess(frame, dropna=False, static_features=[]).iloc[:, 3:].to_numpy().T
    lagged = dict(zip(lags, columns, strict=False))
    rest = {lag: list(columns[at : at + len(of)]) for (lag, of), at in _places(transforms, len(lags))}
    level, windows = rest[1][0], len(spec.windows)
    history = [lagged[lag] - level for lag in spec.lags]
    history += [mean - level for mean in rest[1][1 : 1 + windows]]
    history += rest[1][1 + windows :]
    history += [rest[season][0] - level for season, _ in spec.means]
    history += [lagged[lag] - rest[lag + 1][-1] for lag in spec.swings]
    return np.stack(history, axis=1), level


def _places(transforms: dict[int, list[Any]], at: int) -> list[tuple[tuple[int, list[Any]], int]]:
    found = []
    for item in transforms.items():
        found.append((item, at))
        at += len(item[1])
    return found


def without_gaps(spec: LagSpec) -> GroupedSeries:
    length = spec.reach + 40
    return daily_series((length, length, length // 2, 3), spec)


SAME = {spec: without_gaps(spec) for spec in SPECS.values()}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_columns_of_history_are_those_of_mlforecast(spec: LagSpec) -> None:
    data = SAME[spec]
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    rows = build_training_matrix(spec, data, scale)
    history, level = of_mlforecast(spec, data)
    at = data.starts[rows.series] + rows.position
    expected = (history / scale[data.series_index][:, None])[at]
    assert rows.x[:, : spec.history_width] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    assert rows.y == pytest.approx(((data.y - level) / scale[data.series_index])[at], rel=1e-9)
    assert len(rows) > 0.4 * len(data.y)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_next_row_is_that_of_mlforecast(spec: LagSpec) -> None:
    data = SAME[spec]
    history, level = of_mlforecast(spec, data)
    for back in (0, 1, 5, spec.reach // 2):
        cutoffs = np.maximum(data.lengths - 1 - back, 1)
        tails = build_input(spec, data, np.ones(len(cutoffs)), 1, cutoffs).tails
        found, c = RecursiveFeatures(spec).compute(tails, np.ones(len(cutoffs)))
        at = data.starts[:-1] + cutoffs
        size = np.abs(level[at]).max()
        assert c == pytest.approx(level[at], rel=1e-9)
        assert found == pytest.approx(history[at], rel=1e-9, abs=1e-9 * size, nan_ok=True)


@pytest.mark.parametrize("gaps", [0, 0.2, 0.7])
def test_the_next_row_is_the_training_row_of_series_of_any_length(gaps: float) -> None:
    spec, data = COVARIATES, daily_series((150, 90, 40, 9, 3, 2), COVARIATES, gaps=gaps)
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    rows = build_training_matrix(spec, data, scale)
    following = RecursiveFeatures(spec)
    for cutoff in range(1, 140, 7):
        of_cut = rows.take(rows.position == cutoff)
        cutoffs = np.where(data.lengths > cutoff, cutoff, 1)
        found, _ = following.compute(build_input(spec, data, scale, 1, cutoffs).tails, scale)
        expected = of_cut.x[:, : spec.history_width]
        assert found[of_cut.series] == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)


def test_covariates_are_in_a_row_as_they_are_and_past_ones_as_they_were() -> None:
    spec, data = COVARIATES, daily_series((60, 30), COVARIATES)
    rows = build_training_matrix(spec, data, np.ones(2))
    at = data.starts[rows.series] + rows.position
    rest = rows.x[:, spec.history_width :]
    calendar, known, static, past = np.split(rest, np.cumsum([len(spec.calendar), 2, 1]), axis=1)
    assert (calendar == compute_calendar_features(spec.calendar, data.times[at])).all()
    assert np.array_equal(known, data.known[at], equal_nan=True)
    assert (static == data.static[rows.series]).all()
    is_old = rows.position >= spec.horizon
    assert (past[is_old] == data.past[at[is_old] - spec.horizon]).all()
    assert np.isnan(past[~is_old]).all()


def test_a_row_tells_nothing_of_what_comes_later() -> None:
    spec, data = COVARIATES, daily_series((120, 80), COVARIATES)
    cutoffs = np.array([90, 50])
    is_later = data.position >= cutoffs[data.series_index]
    other = replace(
        data,
        y=np.where(is_later, -1e9, data.y),
        known=np.where(is_later[:, None], 77, data.known),
        past=np.where(is_later[:, None], 77, data.past),
    )
    scale, again = (series_scales(each.y, each.starts, cutoffs, spec.season) for each in (data, other))
    assert (scale == again).all()
    rows, changed = (build_training_matrix(spec, each, scale).before(cutoffs) for each in (data, other))
    assert np.array_equal(rows.x, changed.x, equal_nan=True)
    assert (rows.y == changed.y).all()
    assert (rows.position < cutoffs[rows.series]).all()
    assert rows.position[rows.series == 1].max() == 49


def test_the_scale_is_that_of_seasonal_changes_and_never_zero() -> None:
    season = np.tile([0.0, 5.0, 1.0], 10)
    series = [season + np.repeat(np.arange(10.0), 3) * 2, np.array([1.0, 3.0]), np.full(9, -4.0), np.zeros(9), season]
    starts = np.concatenate(([0], np.cumsum([len(each) for each in series])))
    found = series_scales(np.concatenate(series), starts, np.diff(starts), 3)
    # A slope of 2 a season; a first difference; a level; nothing at all; and a season that never changes.
    assert found[:4].tolist() == [2.0, 2.0, 4.0, 1.0]
    assert found[4] == pytest.approx(np.sqrt(np.square(np.diff(season)).mean()))


def test_one_burst_among_zeros_does_not_fill_the_target() -> None:
    y = np.zeros(1_000)
    y[500] = 5.0
    data = GroupedSeries(
        np.array([0, 1_000]),
        daily_series((1_000,)).times,
        y,
        *(np.empty((n, 0), np.float32) for n in (1_000, 1, 1_000)),
    )
    rows = build_training_matrix(PLAIN, data, series_scales(y, data.starts, data.lengths, 7))
    assert np.abs(rows.y).max() <= 25


@pytest.mark.parametrize("lengths", [(3,), (2,), (1,), (1, 2, 3)])
def test_short_series_give_what_rows_they_can(lengths: tuple[int, ...]) -> None:
    data = daily_series(lengths)
    rows = build_training_matrix(PLAIN, data, series_scales(data.y, data.starts, data.lengths, 7))
    assert set(rows.series) == {i for i, length in enumerate(lengths) if length > 1}
    assert np.isfinite(rows.y).all()
    assert np.isfinite(rows.x[:, 0]).all()
