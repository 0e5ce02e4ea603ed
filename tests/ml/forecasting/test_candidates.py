"""Candidates forecast each window from the values before it, and are then fitted on all values."""

from dataclasses import replace

import numpy as np
import pytest

from dataml.ml.forecasting import candidates
from dataml.ml.forecasting.backtest.splits import BacktestSplits, rolling_origin_splits
from dataml.ml.forecasting.candidates import Candidate, GlobalCandidate, LocalCandidate, fill_missing
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from tests.ml.forecasting.lagged_series import PLAIN, daily_series

HORIZON = 7


@pytest.fixture
def data() -> GroupedSeries:
    return daily_series((90, 90, 12))


@pytest.fixture
def splits(data: GroupedSeries) -> BacktestSplits:
    return rolling_origin_splits(data.lengths, HORIZON, 7, 2)


def ignore_progress(share: float, phrase: str) -> None:
    assert 0 <= share <= 1


def make_candidates() -> list[Candidate]:
    return [LocalCandidate("SeasonalNaive", 7, 90), LocalCandidate("Theta", 7, 90), GlobalCandidate("LightGBM", PLAIN)]


@pytest.mark.parametrize("candidate", make_candidates(), ids=lambda each: each.name)
def test_a_backtest_has_a_forecast_for_each_window_of_each_series(
    candidate: Candidate, data: GroupedSeries, splits: BacktestSplits
) -> None:
    forecasts = candidate.backtest(data, splits, ignore_progress)
    assert forecasts.shape == (2, 3, HORIZON)
    assert (np.isfinite(forecasts).all(axis=2) == (splits.cutoffs >= 0)).all()
    assert not np.isfinite(forecasts[0, 2]).any()


@pytest.mark.parametrize("candidate", make_candidates(), ids=lambda each: each.name)
def test_a_backtest_does_not_depend_on_later_values(
    candidate: Candidate, data: GroupedSeries, splits: BacktestSplits
) -> None:
    cutoffs = np.where(splits.cutoffs[0] >= 0, splits.cutoffs[0], data.lengths)
    is_later = data.position >= cutoffs[data.series_index]
    changed = replace(data, y=np.where(is_later, 1e6, data.y))
    before, after = (candidate.backtest(each, splits, ignore_progress)[0] for each in (data, changed))
    assert np.array_equal(before[:2], after[:2])


@pytest.mark.parametrize("candidate", make_candidates()[1:], ids=lambda each: each.name)
def test_without_refits_later_windows_are_forecast_by_the_first_fit(
    candidate: Candidate, data: GroupedSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = rolling_origin_splits(data.lengths, HORIZON, 7, 3)
    fits: list[int] = []
    fit_many, fit_lagged = candidates.fit_many, candidates.fit_lagged_model
    monkeypatch.setattr(candidates, "fit_many", lambda each: fits.extend(len(y) for _, y, *_ in each) or fit_many(each))
    monkeypatch.setattr(
        candidates, "fit_lagged_model", lambda name, rows, **kw: fits.append(len(rows)) or fit_lagged(name, rows, **kw)
    )
    forecasts = candidate.backtest(data, splits, ignore_progress, refit=False)
    assert (np.isfinite(forecasts).all(axis=2) == (splits.cutoffs >= 0)).all()
    refitted = candidate.backtest(data, splits, ignore_progress)
    # A booster without refits stops early, on rows that it does not learn from.
    assert forecasts[0, :2] == pytest.approx(refitted[0, :2], rel=0.0 if candidate.name == "Theta" else 0.05)
    assert not np.array_equal(forecasts[2, :2], refitted[2, :2])
    assert np.abs(forecasts[2, :2] - refitted[2, :2]).mean() < np.abs(forecasts[2, :2]).mean()
    if candidate.name == "Theta":
        assert fits == [69, 69, 5, 69, 69, 76, 76, 83, 83, 5]
    else:
        assert len(fits) == 1 + 3


def test_the_seasonal_naive_repeats_the_week_before_the_window(data: GroupedSeries, splits: BacktestSplits) -> None:
    forecasts = LocalCandidate("SeasonalNaive", 7, 90).backtest(data, splits, ignore_progress)
    assert forecasts[1, 0].tolist() == data.y[76:83].tolist()


def test_a_local_member_has_models_of_the_selected_series(data: GroupedSeries) -> None:
    member = LocalCandidate("Theta", 7, 90).fit(data, np.array([True, False, True]), ignore_progress)
    assert [model is not None for model in member.models] == [True, False, True]
    assert (member.algorithm, member.season) == ("Theta", 7)


def test_a_local_candidate_is_fitted_on_the_end_of_its_history(data: GroupedSeries) -> None:
    member = LocalCandidate("Theta", 7, 30).fit(data, np.array([True, True, True]), ignore_progress)
    assert [model.parameters["length"] for model in member.models if model] == [30, 30, 12]


def test_a_global_member_keeps_the_rounds_of_the_backtest(data: GroupedSeries, splits: BacktestSplits) -> None:
    candidate = GlobalCandidate("LightGBM", PLAIN)
    candidate.backtest(data, splits, ignore_progress)
    rounds = candidate.rounds
    member = candidate.fit(data, np.ones(3, bool), ignore_progress)
    assert rounds is not None
    assert member.model.rounds == rounds
    assert member.model.onnx is not None
    assert sum(member.importance.values()) == pytest.approx(1)


def test_a_booster_of_many_rows_is_fitted_once_for_all_windows(
    data: GroupedSeries, splits: BacktestSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []
    fit = candidates.fit_lagged_model
    monkeypatch.setattr(
        candidates, "fit_lagged_model", lambda name, rows, **kw: fits.append(len(rows)) or fit(name, rows, **kw)
    )
    GlobalCandidate("LightGBM", PLAIN).backtest(data, splits, ignore_progress)
    assert len(fits) == 2
    assert fits[0] < fits[1]
    monkeypatch.setattr(candidates, "_MAX_REFIT_ROWS", 10)
    GlobalCandidate("LightGBM", PLAIN).backtest(data, splits, ignore_progress)
    assert len(fits) == 3


def test_missing_regressors_are_filled() -> None:
    nan = np.nan
    values = np.array([[nan, 1.0, nan], [2.0, nan, nan], [nan, 3.0, nan], [4.0, nan, nan]])
    assert fill_missing(values).T.tolist() == [[2, 2, 2, 4], [1, 1, 3, 3], [0, 0, 0, 0]]
