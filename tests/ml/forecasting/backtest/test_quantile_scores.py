"""The pinball loss and the CRPS of intervals equal their definitions."""

import numpy as np
import pytest
from scipy.stats import norm

from dataml.ml.forecasting.backtest.quantile_scores import estimate_crps, interval_loss, pinball_loss


def test_the_pinball_loss_is_smallest_for_the_true_quantile() -> None:
    truth = np.random.default_rng(1).normal(0, 1, 20_000)
    losses = {q: pinball_loss(truth, np.full(truth.shape, q), 0.9).mean() for q in (0.8, norm.ppf(0.9), 1.8)}
    assert min(losses, key=lambda q: losses[q]) == norm.ppf(0.9)
    assert pinball_loss(np.array([3.0]), np.array([1.0]), 0.9).tolist() == pytest.approx([1.8])
    assert pinball_loss(np.array([1.0]), np.array([3.0]), 0.9).tolist() == pytest.approx([0.2])


def test_the_loss_of_an_interval_is_that_of_its_ends() -> None:
    ends = np.array([0.0]), np.array([10.0])
    assert interval_loss(np.array([5.0]), ends, 0.8).tolist() == pytest.approx([(0.1 * 5 + 0.1 * 5) / 2])


def test_the_crps_of_normal_intervals_is_that_of_the_normal_distribution() -> None:
    truth = np.random.default_rng(2).normal(0, 1, 20_000)
    crps = estimate_crps(truth, np.zeros(truth.shape), lambda level: bounds(truth, level))
    exact = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
    assert crps.mean() == pytest.approx(exact.mean(), rel=0.03)


def bounds(truth: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a standard normal distribution."""
    assert level >= 0.5
    half = np.full(truth.shape, norm.ppf((1 + level) / 2))
    return -half, half


def test_the_crps_of_an_interval_without_width_is_the_absolute_error() -> None:
    truth, forecast = np.array([1.0, np.nan]), np.array([3.0, 3.0])
    crps = estimate_crps(truth, forecast, lambda level: (forecast, forecast))
    assert crps[0] == pytest.approx(2.0)
    assert np.isnan(crps[1])
