"""Exponentially weighted means."""

import numpy as np
import pytest

from dataml.ml.forecasting.models.weighted_mean import SMOOTHING, choose_smoothing, weighted_means


def test_weights_shrink_with_the_age_of_a_value() -> None:
    x = np.array([4.0, 0.0, 1.0])
    assert weighted_means(x, 0.5) == pytest.approx([4.0, 2 / 1.5, (1 + 1) / 1.75])


def test_a_slow_mean_is_nearly_that_of_all_values() -> None:
    x = np.array([9.0, 1.0, 2.0, 4.0])
    assert weighted_means(x, 1e-9)[-1] == pytest.approx(4.0)


def test_a_level_that_stays_is_forgotten_slowly_and_one_that_moves_fast() -> None:
    random = np.random.default_rng(1)

    def choose(y: np.ndarray) -> float:
        return choose_smoothing(y, lambda alpha: np.concatenate(([np.nan], weighted_means(y, alpha)[:-1])))

    assert choose(random.normal(5, 1, 500)) == SMOOTHING[0]
    assert choose(np.cumsum(random.normal(0, 1, 500))) == SMOOTHING[-1]
