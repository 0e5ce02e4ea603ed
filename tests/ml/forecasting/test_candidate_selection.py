"""Candidates are selected by the size of the data, and the others are left out with a reason."""

import numpy as np
import pytest

from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.candidate_selection import CandidateSet, select_candidates
from dataml.ml.forecasting.panel.covariates import GroupedSeries

ALL = ("SeasonalNaive", "AutoETS", "Theta", "AutoARIMA", "LightGBM", "XGBoost")


def select(
    series: int, length: int, algorithm: str = "auto", season: int = 7, windows: int = 3, counts: int = 0
) -> CandidateSet:
    lengths = np.full(series, length)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    rows = int(starts[-1])
    empty = (np.empty((rows, 0)), np.empty((series, 0)), np.empty((rows, 0)))
    data = GroupedSeries(starts, np.zeros(rows, "datetime64[us]"), np.zeros(rows), *empty)
    splits = BacktestSplits(7, np.full((windows, series), length // 2))
    return select_candidates(algorithm, data, splits, season, np.arange(series) < counts)


@pytest.mark.parametrize("algorithm", ["Theta", "XGBoost"])
def test_a_requested_algorithm_is_the_only_candidate(algorithm: str) -> None:
    assert select(1, 10, algorithm) == CandidateSet((algorithm,))


def test_all_algorithms_are_tried_on_a_few_series() -> None:
    assert select(10, 200) == CandidateSet(ALL)


def test_boosters_are_left_out_of_few_values() -> None:
    selected = select(1, 59)
    assert selected.names == ALL[:4]
    assert selected.left_out["LightGBM"] == "59 values are too few to learn from"
    assert select(1, 60).names == ALL


def test_slow_algorithms_are_left_out_of_many_series() -> None:
    selected = select(200, 200)
    assert "AutoARIMA" not in selected.names
    assert selected.left_out["AutoARIMA"] == "its fits would take about 4 minutes"
    assert "Theta" in selected.names


def test_a_long_season_lets_ets_be_tried_on_more_series() -> None:
    assert "AutoETS" not in select(300, 1_000).names
    assert "AutoETS" in select(80, 1_000, season=24).names
    assert "AutoETS" not in select(80, 1_000, season=12).names


def test_one_booster_is_enough_for_many_rows() -> None:
    selected = select(1_000, 201)
    assert "LightGBM" in selected.names
    assert "XGBoost" in selected.left_out


def test_series_of_small_counts_get_models_of_intermittent_demand() -> None:
    intermittent = {"HistoricMean", "CrostonSBA", "TSB", "ADIDA"}
    assert set(select(3, 200, counts=1).names) == {*ALL, *intermittent}
    counts = select(3, 200, counts=3)
    assert set(counts.names) == {*ALL[1:], *intermittent}
    assert "chance" in counts.left_out["SeasonalNaive"]
