"""Training rows equal those of mlforecast, and do not depend on later values."""

from dataclasses import replace

import numpy as np
import pytest

from dataml.ml.forecasting.models import lag_features
from dataml.ml.forecasting.models.calendar_features import compute_calendar_features
from dataml.ml.forecasting.models.lag_features import build_training_matrix, series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from tests.ml.forecasting.lagged_series import COVARIATES, PLAIN, SPECS, daily_series
from tests.ml.forecasting.models.mlforecast_columns import mlforecast_columns, regular_series


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_columns_of_history_equal_those_of_mlforecast(spec: LagSpec) -> None:
    data = regular_series(spec)
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    rows = build_training_matrix(spec, data, scale)
    history, level = mlforecast_columns(spec, data)
    at = data.starts[rows.series] + rows.position
    expected = (history / scale[data.series_index][:, None])[at]
    assert rows.x[:, : spec.history_width] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    assert rows.y == pytest.approx(((data.y - level) / scale[data.series_index])[at], rel=1e-9)
    assert len(rows) > 0.4 * len(data.y)


def test_covariates_are_copied_to_a_row_and_past_ones_are_delayed() -> None:
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


def test_a_row_does_not_depend_on_later_values() -> None:
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


def test_the_scale_is_the_size_of_seasonal_changes_and_never_zero() -> None:
    season = np.tile([0.0, 5.0, 1.0], 10)
    series = [season + np.repeat(np.arange(10.0), 3) * 2, np.array([1.0, 3.0]), np.full(9, -4.0), np.zeros(9), season]
    starts = np.concatenate(([0], np.cumsum([len(each) for each in series])))
    scales = series_scales(np.concatenate(series), starts, np.diff(starts), 3)
    # A slope of 2 a season; a first difference; a level; nothing at all; and a season that never changes.
    assert scales[:4].tolist() == [2.0, 2.0, 4.0, 1.0]
    assert scales[4] == pytest.approx(np.sqrt(np.square(np.diff(season)).mean()))


def test_the_scale_of_a_signal_far_from_zero_is_that_of_the_signal() -> None:
    signal = np.sin(np.arange(50.0))
    cutoffs, starts = np.array([50]), np.array([0, 50])
    near = series_scales(signal, starts, cutoffs, 7)
    for offset in (1.7e9, 1.7e12):
        assert series_scales(offset + signal, starts, cutoffs, 7) == pytest.approx(near, rel=1e-3)
    level = 1e3 + np.array([0.0, 2e-13] * 25).round(13)
    assert series_scales(level, starts, cutoffs, 7) == pytest.approx(1e3)  # the rounding of a constant


def test_one_burst_among_zeros_does_not_dominate_the_target() -> None:
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
def test_short_series_give_the_rows_that_they_can(lengths: tuple[int, ...]) -> None:
    data = daily_series(lengths)
    rows = build_training_matrix(PLAIN, data, series_scales(data.y, data.starts, data.lengths, 7))
    assert set(rows.series) == {i for i, length in enumerate(lengths) if length > 1}
    assert np.isfinite(rows.y).all()
    assert np.isfinite(rows.x[:, 0]).all()


def test_rows_before_cutoffs_are_those_of_all_rows() -> None:
    data, cutoffs = daily_series((120, 80), PLAIN), np.array([90, 50])
    scale = np.ones(2)
    rows, before = build_training_matrix(PLAIN, data, scale, cutoffs), build_training_matrix(PLAIN, data, scale)
    before = before.before(cutoffs)
    assert np.array_equal(rows.x, before.x, equal_nan=True)
    assert np.array_equal(rows.position, before.position)


def test_of_too_many_rows_a_part_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    data = daily_series((120, 80), PLAIN)
    everything = build_training_matrix(PLAIN, data, np.ones(2))
    monkeypatch.setattr(lag_features, "_MAX_ROWS", 50)
    rows = build_training_matrix(PLAIN, data, np.ones(2))
    assert len(rows) == 50
    assert set(rows.series) == {0, 1}
    places = {
        (series, position): number
        for number, (series, position) in enumerate(zip(everything.series, everything.position, strict=True))
    }
    same = [places[key] for key in zip(rows.series, rows.position, strict=True)]
    assert same == sorted(same)
    assert np.array_equal(rows.x, everything.x[same], equal_nan=True)
