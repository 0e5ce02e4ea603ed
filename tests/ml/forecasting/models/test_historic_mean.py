"""The mean of the history."""

import numpy as np

from dataml.ml.forecasting.models import historic_mean


def test_every_step_is_the_mean_of_all_values() -> None:
    y = np.array([0.0, 0.0, 3.0])
    description, parameters = historic_mean.fit(y, 1, None)
    assert description == "Mean"
    assert historic_mean.forecast(parameters, y, 2, None, None).tolist() == [1.0, 1.0]
