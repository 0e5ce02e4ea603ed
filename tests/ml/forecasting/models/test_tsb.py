"""The method of Teunter, Syntetos and Babai."""

import numpy as np
import pytest

from dataml.ml.forecasting.models import tsb


def test_the_mean_of_a_step_is_the_probability_times_the_size() -> None:
    y = np.array([0.0, 4.0])
    # The probability is a weighted mean of 0 and 1, in which the last value counts twice as much.
    assert tsb.forecast({"alpha": 0.5}, y, 2, None, None) == pytest.approx([4 * 2 / 3] * 2)


def test_the_forecast_falls_while_there_is_no_demand() -> None:
    y = np.tile([0.0, 2.0], 20)
    later = np.append(y, np.zeros(30))
    before, after = (tsb.forecast({"alpha": 0.1}, each, 1, None, None)[0] for each in (y, later))
    assert after < 0.1 * before


def test_demand_that_stays_is_smoothed_slowly_and_near_its_mean() -> None:
    y = np.random.default_rng(2).poisson(0.3, 600).astype(float)
    description, parameters = tsb.fit(y, 7, None)
    assert description == f"TSB({parameters['alpha']:g})"
    assert parameters["alpha"] <= 0.02
    assert tsb.forecast(parameters, y, 1, None, None)[0] == pytest.approx(y.mean(), rel=0.3)


def test_the_statsforecast_library_agrees_on_a_long_series() -> None:
    from statsforecast.models import TSB

    y = np.random.default_rng(2).poisson(0.5, 2_000).astype(float)
    expected = TSB(alpha_d=0.1, alpha_p=0.1).forecast(y, h=1)["mean"]
    assert tsb.forecast({"alpha": 0.1}, y, 1, None, None) == pytest.approx(expected, rel=1e-6)
