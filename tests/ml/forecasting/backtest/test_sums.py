"""Intervals of sums of steps come from sums of errors, and hold as many sums as they should."""

import json

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.sums import SumIntervals, fit_sum_intervals

SCALE = np.ones(1)


def fit(errors: np.ndarray, seasons: tuple[int, ...] = (7,)) -> SumIntervals:
    """Fit intervals to errors (windows, series, horizon) of a forecast of 10."""
    forecast = np.full(errors.shape, 10.0)
    sums = fit_sum_intervals(forecast + errors, forecast, np.ones(errors.shape[1]), seasons)
    assert sums is not None
    return sums


def upper(sums: SumIntervals, count: int, first: int = 0, level: float = 0.95) -> float:
    _, high = sums.bounds(0, np.zeros(1), np.array([first]), np.array([count]), level)
    return float(high[0])


def test_independent_errors_cancel_out_and_equal_ones_add_up() -> None:
    random = np.random.default_rng(1)
    independent = fit(random.normal(0, 1, (5, 60, 14)))
    equal = fit(np.repeat(random.normal(0, 1, (5, 60, 1)), 14, axis=2))
    assert upper(independent, 7) == pytest.approx(1.96 * np.sqrt(7), rel=0.1)
    assert upper(equal, 7) == pytest.approx(1.96 * 7, rel=0.15)
    assert independent.power == pytest.approx(0.5, abs=0.03)
    assert equal.power == pytest.approx(1.0)


def test_intervals_hold_their_share_of_later_sums() -> None:
    """Intervals of five windows of small counts hold later sums, also of more steps than the horizon."""
    random = np.random.default_rng(2)
    counts = np.array([7, 14, 28])
    inside = []
    for _ in range(30):
        y = random.poisson(0.3, 70).astype(float)
        truth = y.reshape(5, 1, 14)
        sums = fit_sum_intervals(truth, np.full(truth.shape, 0.3), SCALE, ())
        assert sums is not None
        low, high = sums.bounds(0, 0.3 * counts, np.zeros(3, int), counts, 0.9)
        later = random.poisson(0.3 * counts, (200, 3))
        inside.append(((low <= later) & (later <= high)).mean(axis=0))
    week, horizon, longer = np.mean(inside, axis=0)
    assert 0.82 <= week <= 0.97
    assert 0.82 <= horizon <= 0.98
    assert 0.85 <= longer <= 1.0


def test_sizes_in_between_are_wider_than_smaller_and_narrower_than_larger_ones() -> None:
    sums = fit(np.random.default_rng(3).normal(0, 1, (5, 60, 14)))
    assert [each.size for each in sums.sizes] == [2, 3, 4, 6, 7, 8, 12, 14]
    assert upper(sums, 4) < upper(sums, 5) < upper(sums, 7)
    assert upper(sums, 28) == pytest.approx(upper(sums, 14) * 2**sums.power)


def test_later_sums_are_as_wide_as_their_errors() -> None:
    steps = np.where(np.arange(14) < 7, 1.0, 3.0)
    sums = fit(np.random.default_rng(4).normal(0, 1, (5, 60, 14)) * steps)
    assert upper(sums, 7, first=7) > 2 * upper(sums, 7)


def test_the_confidence_is_that_of_sums() -> None:
    errors = np.tile([5.0, -5.0], (5, 10, 7))
    sums = fit(errors)
    assert sums.confidence(np.array([0]), np.array([2])).tolist() == [1.0]
    assert sums.confidence(np.array([0]), np.array([3]))[0] < 1.0


def test_a_horizon_of_one_step_has_no_sums() -> None:
    assert fit_sum_intervals(np.ones((3, 1, 1)), np.ones((3, 1, 1)), SCALE, (7,)) is None


def test_a_wrong_level_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        upper(fit(np.ones((3, 1, 4))), 2, level=0.2)
    assert refused.value.code == "bad_level"


def test_intervals_survive_json() -> None:
    sums = fit(np.random.default_rng(5).normal(0, 1, (3, 4, 6)))
    again = SumIntervals.from_json(json.loads(json.dumps(sums.to_json())), sums.scales)
    assert (upper(again, 5), again.power) == (upper(sums, 5), sums.power)
    assert "scales" not in json.dumps(sums.to_json())
