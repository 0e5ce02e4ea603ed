"""ARIMA with regressors: those that are used, and the forecast that needs them."""

import json

import numpy as np
import pytest

from dataml.ml.forecasting.models import arima
from dataml.ml.forecasting.models.statistical import LocalModel, fit, forecast

pytestmark = pytest.mark.filterwarnings("ignore:possible convergence problem")


def reload(model: LocalModel) -> LocalModel:
    return LocalModel.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))


def regression(rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 2)) * [1.0, 1e6]
    return 10 + 3 * x[:, 0] + 2e-6 * x[:, 1] + 0.1 * random.normal(size=rows), x


def test_arima_learns_from_regressors_of_any_size() -> None:
    y, x = regression(130)
    model = fit("AutoARIMA", y[:120], 1, x[:120])
    assert model.parameters["columns"] == [0, 1]
    assert model.description.endswith("and 2 regressors")
    values = forecast(reload(model), y[:120], 10, x[:120], x[120:])
    assert np.abs(values - y[120:]).max() < 0.5
    np.testing.assert_array_equal(values, forecast(model, y[:120], 10, x[:120], x[120:]))


def test_dependent_regressors_are_left_out() -> None:
    y, x = regression(130)
    line = np.arange(130.0)
    wide = np.column_stack((np.full(130, 4.0), x[:, 0], 2 * x[:, 0] - 1, line, x[:, 1], x.sum(axis=1)))
    model = fit("AutoARIMA", y[:120], 1, wide[:120])
    assert model.parameters["columns"] == [1, 4]
    values = forecast(model, y[:120], 10, wide[:120], wide[120:])
    assert np.abs(values - y[120:]).max() < 0.5


def test_a_model_with_regressors_requires_them() -> None:
    y, x = regression(60)
    model = fit("AutoARIMA", y, 1, x)
    with pytest.raises(ValueError, match="regressors"):
        forecast(model, y, 3)
    with pytest.raises(ValueError, match="one for each step"):
        forecast(model, y, 3, x, x[:2])


def test_the_description_names_orders_season_and_drift() -> None:
    random = np.random.default_rng(0)
    month = np.arange(96)
    y = 0.05 * month + np.sin(2 * np.pi * month / 12) + 0.05 * random.normal(size=96)
    description, parameters = arima.fit(y, 12, None)
    orders = ",".join(map(str, parameters["order"]))
    seasonal = ",".join(map(str, parameters["seasonal"]))
    assert description.startswith(f"ARIMA({orders})({seasonal})[12]")
    assert description.endswith(" with drift") == ("drift" in parameters["names"])


def test_a_drift_continues_in_the_forecast() -> None:
    y = np.cumsum(1 + 0.1 * np.random.default_rng(2).normal(size=60))
    _, parameters = arima.fit(y, 1, None)
    values = arima.forecast(parameters, y, 10, None, None)
    assert values == pytest.approx(y[-1] + np.arange(1, 11), abs=1.0)


def test_regressors_take_at_most_a_quarter_of_the_rows() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(20, 12))
    _, parameters = arima.fit(x.sum(axis=1) + random.normal(size=20), 1, x)
    assert parameters["columns"] == [0, 1, 2, 3, 4]
