"""Croston's method with the correction of Syntetos and Boylan."""

import numpy as np
import pytest

from dataml.ml.forecasting.models import croston


def test_the_mean_of_a_step_is_the_size_over_the_interval() -> None:
    y = np.tile([0.0, 0.0, 0.0, 8.0], 10)
    assert croston.forecast({"alpha": 0.2}, y, 3, None, None) == pytest.approx([8 / 4 * 0.9] * 3)


def test_zeros_after_the_last_demand_change_nothing() -> None:
    y = np.array([0.0, 3, 0, 0, 5])
    later = np.append(y, np.zeros(4))
    forecasts = [croston.forecast({"alpha": 0.1}, each, 1, None, None).tolist() for each in (y, later)]
    assert forecasts[0] == forecasts[1]


def test_demand_that_stays_is_smoothed_slowly_and_near_its_mean() -> None:
    y = np.random.default_rng(2).poisson(0.3, 600).astype(float)
    description, parameters = croston.fit(y, 7, None)
    assert description == f"CrostonSBA({parameters['alpha']:g})"
    assert parameters["alpha"] <= 0.02
    assert croston.forecast(parameters, y, 1, None, None)[0] == pytest.approx(y.mean(), rel=0.3)


def test_the_statsforecast_library_agrees_on_a_long_series() -> None:
    from statsforecast.models import CrostonSBA

    y = np.random.default_rng(2).poisson(0.5, 2_000).astype(float)
    expected = CrostonSBA().forecast(y, h=1)["mean"]
    # After so many demands the first one, where the library begins, is forgotten.
    assert croston.forecast({"alpha": 0.1}, y, 1, None, None) == pytest.approx(expected, rel=1e-6)
