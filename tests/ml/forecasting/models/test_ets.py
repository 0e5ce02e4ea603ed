"""Exponential smoothing: the models that are compared, and the parameters that are stored."""

import json

import numpy as np
import pytest

from dataml.ml.forecasting.models import ets


def monthly(kind: str) -> np.ndarray:
    month = np.arange(72)
    season = np.sin(2 * np.pi * month / 12)
    noise = 0.01 * np.random.default_rng(0).normal(size=72)
    return (2 + 0.05 * month) * (1 + 0.5 * season) * (1 + noise) if kind == "M" else 5 + season + noise


@pytest.mark.parametrize("kind", ["A", "M"])
def test_the_kind_of_the_season_is_selected(kind: str) -> None:
    description, parameters = ets.fit(monthly(kind), 12, None)
    assert parameters["components"][2] == kind
    assert description.endswith(f",{kind})")
    assert parameters["m"] == 12


def test_a_series_with_values_below_zero_has_an_additive_model() -> None:
    description, parameters = ets.fit(monthly("A") - 5, 12, None)
    assert description.startswith("ETS(A,")
    assert "M" not in parameters["components"]


def test_parameters_are_strict_json_and_forecast_the_same() -> None:
    y = monthly("A")
    _, parameters = ets.fit(y, 12, None)
    stored = json.loads(json.dumps(parameters, allow_nan=False))
    np.testing.assert_array_equal(ets.forecast(stored, y, 12, None, None), ets.forecast(parameters, y, 12, None, None))


def test_a_perfect_fit_is_a_model() -> None:
    y = np.arange(1.0, 29.0)
    _, parameters = ets.fit(y, 1, None)
    assert ets.forecast(parameters, y, 3, None, None) == pytest.approx([29, 30, 31], rel=1e-3)
