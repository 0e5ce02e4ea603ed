import numpy as np

from dataml.ml.forecasting.backtest.error_trend import ErrorTrend, mean_levels


def errors_of(sizes: np.ndarray, horizon: int = 12) -> np.ndarray:
    """Return errors (windows, series, horizon) of these sizes (windows, series)."""
    return np.random.default_rng(0).normal(0, 1, (*sizes.shape, horizon)) * sizes[..., None]


def test_errors_that_grow_with_the_level_are_rescaled_to_the_last_one():
    levels = np.repeat(100 * 2.0 ** np.arange(7)[:, None], 20, axis=1)
    errors = errors_of(levels[:-1] * 0.1)
    rescaled = ErrorTrend.estimate(errors, levels, np.ones(20)).rescale(errors)
    sizes = np.abs(rescaled).mean(axis=(1, 2))
    assert sizes.max() < 1.5 * sizes.min()
    assert 0.7 < sizes.mean() / (0.1 * levels[-1, 0] * np.sqrt(2 / np.pi)) < 1.3


def test_errors_that_do_not_grow_with_the_level_keep_their_size():
    levels = np.repeat(100 * 2.0 ** np.arange(7)[:, None], 20, axis=1)
    errors = errors_of(np.ones((6, 20)))
    rescaled = ErrorTrend.estimate(errors, levels, np.ones(20)).rescale(errors)
    assert 0.7 < np.abs(rescaled).mean() / np.abs(errors).mean() < 1.4


def test_an_unusual_last_window_is_expected_to_last_in_part():
    levels, sizes = np.ones((7, 20)), np.ones((6, 20))
    sizes[-1] = 4.0
    expected = ErrorTrend.estimate(errors_of(sizes), levels, np.ones(20)).expected
    assert 1.2 < expected[-1, 0] / expected[0, 0] < 2.0


def test_a_single_window_is_rescaled_by_its_level_alone():
    levels = np.array([[100.0], [200.0]])
    trend = ErrorTrend.estimate(np.ones((1, 1, 3)), levels, np.zeros(1))
    np.testing.assert_allclose(trend.rescale(np.ones((1, 1, 3))), 2.0)
    np.testing.assert_allclose(trend.rescale(np.ones((1, 1, 3)), 0), 1.0)


def test_windows_without_errors_and_series_of_zeros_have_no_trend():
    errors = np.full((3, 2, 4), np.nan)
    errors[1:, 0] = 0.0
    trend = ErrorTrend.estimate(errors, np.zeros((4, 2)), np.array([0.0, np.nan]))
    np.testing.assert_array_equal(trend.expected, 1.0)


def test_levels_are_means_of_the_last_values_before_each_cutoff():
    y = np.array([1e100, 1e100, 1.0, -2.0, 3.0, np.nan])
    levels = mean_levels(y, np.array([0, 2, 6]), np.array([[1, 1], [2, 2], [2, 4], [-1, 0]]), span=2)
    np.testing.assert_array_equal(levels, [[1e100, 1.0], [1e100, 1.5], [1e100, 3.0], [np.nan, np.nan]])
