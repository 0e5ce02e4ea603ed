"""Seasonal components of long seasons."""

import numpy as np
import pytest

from dataml.ml.forecasting.models.deseasonalize import seasonal_component


def test_the_season_is_separated_from_level_and_trend() -> None:
    random = np.random.default_rng(1)
    shape = random.normal(size=48)
    shape -= shape.mean()
    season = np.tile(shape, 8)
    y = 100 + 0.01 * np.arange(len(season)) + season + 0.01 * random.normal(size=len(season))
    component = seasonal_component(y, 48)
    assert component == pytest.approx(season, abs=0.1)
    assert np.abs(component[:48].mean()) < 0.01


@pytest.mark.parametrize("season", [0, 1])
def test_without_a_season_the_component_is_zero(season: int) -> None:
    assert seasonal_component(np.arange(10.0), season).tolist() == [0.0] * 10


def test_two_seasons_are_enough() -> None:
    assert np.isfinite(seasonal_component(np.tile(np.arange(30.0), 2), 30)).all()
