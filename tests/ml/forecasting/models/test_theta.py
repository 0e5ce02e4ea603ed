"""The theta method: its season is decided by the fit, and kept when new values come."""

import numpy as np
import pytest

from dataml.ml.forecasting.models import theta

MONTHS = np.arange(72)
SEASON = 1 + 0.4 * np.sin(2 * np.pi * MONTHS / 12)


def test_a_season_is_found_and_repeated() -> None:
    y = (2 + 0.01 * MONTHS) * SEASON
    description, parameters = theta.fit(y, 12, None)
    assert parameters["decomposition"] in ("multiplicative", "additive")
    assert f"{parameters['decomposition']} season" in description
    values = theta.forecast(parameters, y, 12, None, None)
    assert values == pytest.approx((2 + 0.01 * (72 + np.arange(12))) * SEASON[:12], rel=0.05)


def test_noise_has_no_season() -> None:
    y = 5 + np.random.default_rng(1).normal(size=72)
    description, parameters = theta.fit(y, 12, None)
    assert parameters["decomposition"] is None
    assert "season" not in description
    assert np.ptp(theta.forecast(parameters, y, 12, None, None)) < 1


def test_a_multiplicative_season_is_additive_after_a_value_below_zero() -> None:
    y = 2 * SEASON
    parameters = {**theta.fit(y, 12, None)[1], "decomposition": "multiplicative"}
    later = np.append(y, -1.0)
    additive = {**parameters, "decomposition": "additive"}
    values = theta.forecast(parameters, later, 6, None, None)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, theta.forecast(additive, later, 6, None, None))


@pytest.mark.parametrize("season", [4, 7, 12])
@pytest.mark.parametrize("is_multiplicative", [True, False])
def test_the_season_is_that_of_a_classical_decomposition(season: int, is_multiplicative: bool) -> None:
    from statsmodels.tsa.seasonal import seasonal_decompose

    y = 50 + 10 * np.sin(2 * np.pi * np.arange(61) / season) + np.random.default_rng(0).normal(0, 2, 61)
    expected = seasonal_decompose(
        y, model="multiplicative" if is_multiplicative else "additive", period=season
    ).seasonal
    np.testing.assert_allclose(theta._decompose(y, season, is_multiplicative=is_multiplicative), expected, atol=1e-12)
