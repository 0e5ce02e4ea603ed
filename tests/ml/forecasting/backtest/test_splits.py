import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.splits import MIN_TRAINING_VALUES, default_horizon, rolling_origin_splits


def test_windows_end_with_each_series_and_are_a_horizon_apart() -> None:
    found = rolling_origin_splits(np.array([100, 90]), 10, 7)
    assert found.cutoffs.tolist() == [[50, 40], [60, 50], [70, 60], [80, 70], [90, 80]]


def test_two_seasons_stay_before_the_first_window() -> None:
    found = rolling_origin_splits(np.array([60]), 12, 12)
    assert found.n_windows == 2
    assert found.cutoffs.min() >= 25


def test_a_series_too_short_for_a_window_has_none() -> None:
    found = rolling_origin_splits(np.array([100, 14]), 10, 1)
    assert (found.cutoffs[:, 0] >= 0).all()
    assert found.cutoffs[:-1, 1].tolist() == [-1] * (found.n_windows - 1)
    assert found.cutoffs[-1, 1] == 4


def test_truth_is_what_came_after_the_origin() -> None:
    y, starts = np.arange(30.0), np.array([0, 20, 30])
    found = rolling_origin_splits(np.array([20, 10]), 4, 1, n_windows=2)
    truth = found.truth(y, starts)
    assert truth[:, 0].tolist() == [[12, 13, 14, 15], [16, 17, 18, 19]]
    assert truth[1, 1].tolist() == [26, 27, 28, 29]
    assert np.isnan(truth[0, 1]).all()


def test_large_data_has_fewer_windows_and_a_request_is_kept() -> None:
    lengths = np.full(1_000, 1_095)
    assert rolling_origin_splits(lengths, 14, 7).n_windows == 3
    assert rolling_origin_splits(lengths, 14, 7, n_windows=8).n_windows == 8


def test_no_more_windows_than_the_longest_series_has() -> None:
    assert rolling_origin_splits(np.array([25]), 7, 7, n_windows=20).n_windows == (25 - MIN_TRAINING_VALUES) // 7


def test_series_shorter_than_the_horizon_are_refused_with_what_would_do() -> None:
    with pytest.raises(Invalid, match="shorter") as refused:
        rolling_origin_splits(np.array([8, 5]), 7, 7)
    assert refused.value.code == "series_too_short"


def test_short_series_have_short_horizons() -> None:
    assert default_horizon(np.array([20, 21, 400]), 18) == 4
    assert default_horizon(np.array([500]), 18) == 18
    assert default_horizon(np.array([3]), 18) == 1
