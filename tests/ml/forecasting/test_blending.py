import numpy as np

from dataml.ml.forecasting.blending import blend, blend_shares


def test_a_mean_is_weighted_by_series() -> None:
    forecasts = np.array([[[1.0, 2.0], [1.0, 2.0]], [[3.0, 6.0], [3.0, 6.0]]])
    weights = np.array([[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(blend(weights, forecasts, is_median=False), [[2.0, 4.0], [2.5, 5.0]])


def test_a_median_is_that_of_the_members_with_a_weight() -> None:
    forecasts = np.array([[[1.0, 9.0]], [[5.0, 2.0]], [[3.0, 4.0]], [[99.0, 99.0]]])
    weights = np.array([[1 / 3, 1 / 3, 1 / 3, 0.0]])
    np.testing.assert_array_equal(blend(weights, forecasts, is_median=True), [[3.0, 4.0]])
    np.testing.assert_array_equal(
        blend_shares(weights, forecasts, is_median=True)[:, 0], [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    )


def test_a_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle() -> None:
    forecasts = np.array([[[1.0]], [[5.0]], [[3.0]], [[99.0]]])
    assert blend(np.full((1, 4), 0.25), forecasts, is_median=True) == 4.0


def test_equal_forecasts_have_one_median() -> None:
    shares = blend_shares(np.full((1, 3), 1 / 3), np.ones((3, 1, 2)), is_median=True)
    np.testing.assert_array_equal(shares.sum(axis=0), 1.0)


def test_a_member_without_a_forecast_is_left_out_of_a_median() -> None:
    forecasts = np.array([[[[1.0]]], [[[np.nan]]], [[[3.0]]]])
    assert blend(np.full((1, 3), 1 / 3), forecasts, is_median=True) == 2.0
    nothing = blend(np.full((1, 3), 1 / 3), np.full((3, 1, 1, 1), np.nan), is_median=True)
    assert np.isnan(nothing).all()
