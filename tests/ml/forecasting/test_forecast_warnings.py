"""Warnings about the answer to a request for a forecast."""

from dataclasses import replace

import pytest

from dataml.errors import NotFound
from dataml.ml.forecasting.forecast_warnings import find_forecast_warnings
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters, FutureRows
from tests.ml.forecasting.training_data import make_future, train_on


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    return train_on(tmp_path_factory.mktemp("naive"), "SeasonalNaive").forecaster


def codes(forecaster: Forecaster, parameters: ForecastParameters, future: FutureRows = None) -> list[str]:
    return [warning.code for warning in find_forecast_warnings(forecaster, parameters, future)]


def test_steps_up_to_the_horizon_have_no_warning(naive: Forecaster) -> None:
    assert codes(naive, ForecastParameters(6)) == []


def test_steps_beyond_the_horizon_are_counted(naive: Forecaster) -> None:
    (warning,) = find_forecast_warnings(naive, ForecastParameters(8))
    assert (warning.code, warning.count) == ("beyond_horizon", 2)
    # Ten hours complete the day that the history has begun, and a day follows.
    (warning,) = find_forecast_warnings(naive, ForecastParameters(1, "Day", ("b",)))
    assert (warning.code, warning.count) == ("beyond_horizon", 34 - 6)


def test_sums_of_a_model_that_has_not_measured_them_have_a_warning(naive: Forecaster) -> None:
    old = replace(naive, sums=None)
    assert codes(old, ForecastParameters(2)) == []
    assert "estimated_sums" in codes(old, ForecastParameters(1, "Day"))


def test_a_future_that_no_member_reads_has_a_warning(naive: Forecaster) -> None:
    assert codes(naive, ForecastParameters(2), make_future(2)) == ["unused_future"]


def test_an_unknown_series_is_refused(naive: Forecaster) -> None:
    with pytest.raises(NotFound):
        find_forecast_warnings(naive, ForecastParameters(2, unique_ids=("z",)))
