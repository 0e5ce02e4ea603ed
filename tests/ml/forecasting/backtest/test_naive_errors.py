"""Errors of the seasonal naive in the history, by series."""

import numpy as np

from dataml.ml.forecasting.backtest.naive_errors import seasonal_naive_errors
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.panel.covariates import GroupedSeries


def test_the_errors_are_those_before_the_first_window() -> None:
    y = np.array([0.0, 1, 2, 3, 100, 200, 5, 6, 7])
    empty = (np.empty((9, 0)), np.empty((2, 0)), np.empty((9, 0)))
    data = GroupedSeries(np.array([0, 6, 9]), np.zeros(9, "datetime64[us]"), y, *empty)
    splits = BacktestSplits(2, np.array([[4, -1]]))
    errors = seasonal_naive_errors(data, splits, 2)
    assert errors.absolute.tolist() == [2.0, 2.0]
    assert errors.squared.tolist() == [4.0, 4.0]
    # No season of 5 has passed twice before the cutoff: the naive is compared instead.
    assert seasonal_naive_errors(data, splits, 5).absolute.tolist() == [1.0, 1.0]


def test_squared_errors_are_not_the_squares_of_absolute_errors() -> None:
    y = np.array([0.0, 0, 0, 4, 0])
    data = GroupedSeries(
        np.array([0, 5]), np.zeros(5, "datetime64[us]"), y, np.empty((5, 0)), np.empty((1, 0)), np.empty((5, 0))
    )
    errors = seasonal_naive_errors(data, BacktestSplits(1, np.array([[5]])), 1)
    assert (errors.absolute.tolist(), errors.squared.tolist()) == ([2.0], [8.0])
