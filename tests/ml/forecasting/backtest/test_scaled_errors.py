"""Errors of candidates are scaled by the seasonal naive, absolute ones and those of small counts squared."""

import numpy as np
import pytest

from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.scaled_errors import ScaledErrors

TRUTH = np.array([[[2.0, 2.0], [2.0, 2.0]], [[4.0, 4.0], [np.nan, np.nan]]])
FORECASTS = np.array([np.zeros((2, 2, 2)), np.full((2, 2, 2), 3.0)])
NAIVE = NaiveErrors(np.array([2.0, 2.0]), np.array([16.0, 16.0]))


def measure(*is_squared: bool, naive: NaiveErrors = NAIVE) -> ScaledErrors:
    return ScaledErrors.measure(FORECASTS, TRUTH, naive, np.array(is_squared))


def test_errors_of_a_window_are_means_over_its_steps() -> None:
    values = measure(False, True).values
    assert values[0, :, 0].tolist() == [1.0, 2.0]
    assert values[0, 0, 1] == pytest.approx(4 / 16)
    assert np.isnan(values[:, 1, 1]).all()


def test_the_root_is_taken_after_the_mean_over_windows() -> None:
    errors = measure(True, True)
    own, count = errors.by_series()
    assert own[0].tolist() == pytest.approx([np.sqrt((4 + 16) / 2 / 16), 0.5])
    assert count.tolist() == [2, 1]
    # A series counts as often as it has windows.
    assert errors.by_candidate()[0] == pytest.approx((2 * own[0, 0] + own[0, 1]) / 3)


def test_errors_of_other_windows_do_not_hold_the_window() -> None:
    assert measure(False, False).without(0).values[0, 0, 0] == 2.0


def test_a_series_without_a_naive_error_is_scaled_by_its_size() -> None:
    nothing = NaiveErrors(np.zeros(2), np.zeros(2))
    assert measure(False, True, naive=nothing).values[0, 0].tolist() == pytest.approx([2 / 3, 1.0])


def test_a_step_of_its_own_does_not_make_squared_errors_absolute_ones() -> None:
    # One step a window, a demand in one of four: the root of each window's squared error would favour 0.
    truth = np.array([0.0, 0, 0, 1]).reshape(4, 1, 1)
    forecasts = np.stack([np.zeros(truth.shape), np.full(truth.shape, 0.25)])
    ones = NaiveErrors(np.ones(1), np.ones(1))
    zero, mean = ScaledErrors.measure(forecasts, truth, ones, np.array([True])).by_candidate()
    assert mean < zero
    zero, mean = ScaledErrors.measure(forecasts, truth, ones, np.array([False])).by_candidate()
    assert zero < mean
