"""The aggregate-disaggregate approach to intermittent demand."""

import numpy as np
import pytest

from dataml.ml.forecasting.models import adida


def test_the_forecast_is_the_weighted_mean_of_blocks_over_their_steps() -> None:
    y = np.array([9.0, 0.0, 4.0, 0.0, 0.0, 8.0])
    # The blocks from the end are 9 + 0, 4 + 0 and 0 + 8, with the weights 1, 2 and 4.
    expected = (9 * 1 + 4 * 2 + 8 * 4) / 7 / 2
    assert adida.forecast({"interval": 2, "alpha": 0.5}, y, 3, None, None) == pytest.approx([expected] * 3)


def test_blocks_are_as_long_as_the_mean_interval_between_demands() -> None:
    y = np.tile([0.0, 0.0, 5.0], 30)
    description, parameters = adida.fit(y, 7, None)
    assert parameters["interval"] == 3
    assert description == f"ADIDA(3, {parameters['alpha']:g})"
    assert adida.forecast(parameters, y, 2, None, None) == pytest.approx([5 / 3] * 2)


def test_new_values_move_the_blocks_to_the_new_end() -> None:
    y = np.append(np.tile([0.0, 0.0, 5.0], 30), 0.0)
    assert adida.forecast({"interval": 3, "alpha": 0.1}, y, 1, None, None) == pytest.approx([5 / 3])


def test_demand_that_stays_is_forecast_near_its_mean() -> None:
    y = np.random.default_rng(2).poisson(0.3, 600).astype(float)
    _, parameters = adida.fit(y, 7, None)
    assert adida.forecast(parameters, y, 1, None, None)[0] == pytest.approx(y.mean(), rel=0.3)


def test_few_values_have_a_forecast() -> None:
    y = np.array([0.0, 0.0, 0.0, 2.0])
    _, parameters = adida.fit(y, 7, None)
    assert adida.forecast(parameters, y, 1, None, None) == pytest.approx([0.5])
