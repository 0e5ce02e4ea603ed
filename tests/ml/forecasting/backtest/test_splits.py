"""Rolling-origin splits end with each series, and suit its length."""

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.splits import (
    MIN_TRAINING_VALUES,
    default_horizon,
    earlier_splits,
    rolling_origin_splits,
)


def test_windows_end_with_each_series_and_are_a_horizon_apart() -> None:
    splits = rolling_origin_splits(np.array([100, 90]), 10, 7)
    assert splits.cutoffs.tolist() == [[50, 40], [60, 50], [70, 60], [80, 70], [90, 80]]


def test_two_seasons_stay_before_the_first_window() -> None:
    splits = rolling_origin_splits(np.array([60]), 12, 12)
    assert splits.n_windows == 2
    assert splits.cutoffs.min() >= 25


def test_a_series_too_short_for_a_window_has_none() -> None:
    splits = rolling_origin_splits(np.array([100, 14]), 10, 1)
    assert (splits.cutoffs[:, 0] >= 0).all()
    assert splits.cutoffs[:-1, 1].tolist() == [-1] * (splits.n_windows - 1)
    assert splits.cutoffs[-1, 1] == 4


def test_truth_is_the_values_after_the_cutoff() -> None:
    y, starts = np.arange(30.0), np.array([0, 20, 30])
    splits = rolling_origin_splits(np.array([20, 10]), 4, 1, n_windows=2)
    truth = splits.truth(y, starts)
    assert truth[:, 0].tolist() == [[12, 13, 14, 15], [16, 17, 18, 19]]
    assert truth[1, 1].tolist() == [26, 27, 28, 29]
    assert np.isnan(truth[0, 1]).all()


def test_large_data_has_fewer_windows_unless_they_are_requested() -> None:
    lengths = np.full(1_000, 1_095)
    assert rolling_origin_splits(lengths, 14, 7).n_windows == 3
    assert rolling_origin_splits(lengths, 14, 7, n_windows=8).n_windows == 8


def test_no_more_windows_than_the_longest_series_has() -> None:
    assert rolling_origin_splits(np.array([25]), 7, 7, n_windows=20).n_windows == (25 - MIN_TRAINING_VALUES) // 7


def test_series_shorter_than_the_horizon_are_refused() -> None:
    with pytest.raises(Invalid, match="shorter") as refused:
        rolling_origin_splits(np.array([8, 5]), 7, 7)
    assert refused.value.code == "series_too_short"


def test_short_series_have_short_horizons() -> None:
    assert default_horizon(np.array([20, 21, 400]), 18) == 4
    assert default_horizon(np.array([500]), 18) == 18
    assert default_horizon(np.array([3]), 18) == 1


def test_earlier_windows_end_where_the_backtest_begins() -> None:
    lengths = np.array([365, 300, 90])
    splits = rolling_origin_splits(lengths, 14, 7)
    earlier = earlier_splits(splits, lengths, 7)
    assert earlier is not None
    assert (earlier.cutoffs[-1, :2] + 14 == splits.cutoffs[0, :2]).all()
    assert (np.diff(earlier.cutoffs[:, 0]) == 14).all()
    assert earlier.cutoffs[:, 2].tolist() == [-1] * (earlier.n_windows - 1) + [6]


def test_a_third_of_a_series_stays_before_the_earlier_windows() -> None:
    lengths = np.array([200])
    earlier = earlier_splits(rolling_origin_splits(lengths, 14, 7), lengths, 7)
    assert earlier is not None
    assert (earlier.n_windows, int(earlier.cutoffs[0, 0])) == (4, 74)
    assert earlier_splits(rolling_origin_splits(np.array([60]), 14, 7), np.array([60]), 7) is None


def test_many_series_have_fewer_earlier_windows() -> None:
    counts = []
    for series in (10, 200, 2_000):
        lengths = np.full(series, 600)
        earlier = earlier_splits(rolling_origin_splits(lengths, 14, 7), lengths, 7)
        counts.append(0 if earlier is None else earlier.n_windows)
    assert counts == [10, 5, 0]
