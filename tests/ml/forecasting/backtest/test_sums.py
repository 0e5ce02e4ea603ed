"""Intervals of sums of steps come from sums of errors, and hold as many sums as they should."""

import json

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals, fit_intervals
from dataml.ml.forecasting.backtest.sums import SumIntervals, estimate_sum_intervals, fit_sum_intervals


class Fitted:
    """The intervals of steps and of sums that were fitted to errors (windows, series, horizon) of a forecast of 10."""

    def __init__(self, errors: np.ndarray, seasons: tuple[int, ...] = (7,)) -> None:
        scale, forecast = np.ones(errors.shape[1]), np.full(errors.shape, 10.0)
        sums = fit_sum_intervals(errors, scale, forecast + errors, forecast, seasons)
        assert sums is not None
        self.sums = sums
        self.steps = fit_intervals(errors, scale)

    def upper(self, count: int, first: int = 0, level: float = 0.95) -> float:
        """Return how far the upper end of the interval of a sum lies above it."""
        return upper_of(self.steps, self.sums, count, first, level)


def upper_of(steps: PredictionIntervals, sums: SumIntervals, count: int, first: int = 0, level: float = 0.95) -> float:
    units = steps.units(0, first + count)
    _, high = sums.bounds(units, np.zeros(1), np.array([first]), np.array([count]), level)
    return float(high[0])


def step_upper(steps: PredictionIntervals, level: float = 0.95) -> float:
    return float(steps.bounds(0, np.zeros(14), level)[1].mean())


@pytest.mark.parametrize(("windows", "series"), [(5, 60), (10, 1)])
def test_a_week_of_independent_errors_is_as_wide_as_the_root_of_seven_days(windows: int, series: int) -> None:
    ratios = []
    for seed in range(10):
        fitted = Fitted(np.random.default_rng(seed).normal(0, 1, (windows, series, 14)))
        ratios.append(fitted.upper(7) / step_upper(fitted.steps))
    assert np.mean(ratios) == pytest.approx(np.sqrt(7), rel=0.12)


@pytest.mark.parametrize(("windows", "series"), [(5, 60), (10, 1)])
def test_a_week_of_equal_errors_is_as_wide_as_seven_days(windows: int, series: int) -> None:
    ratios = []
    for seed in range(10):
        errors = np.repeat(np.random.default_rng(seed).normal(0, 1, (windows, series, 1)), 14, axis=2)
        fitted = Fitted(errors)
        ratios.append(fitted.upper(7) / step_upper(fitted.steps))
    assert np.mean(ratios) == pytest.approx(7, rel=0.08)


def test_sums_grow_with_a_power_of_their_steps() -> None:
    random = np.random.default_rng(1)
    independent = Fitted(random.normal(0, 1, (5, 60, 14)))
    equal = Fitted(np.repeat(random.normal(0, 1, (5, 60, 1)), 14, axis=2))
    assert independent.upper(7) == pytest.approx(1.96 * np.sqrt(7), rel=0.1)
    assert equal.upper(7) == pytest.approx(1.96 * 7, rel=0.15)
    assert independent.sums.power < 0.7
    assert equal.sums.power > 0.95


def test_intervals_of_few_windows_hold_later_weeks_of_correlated_errors() -> None:
    """Errors of an autoregression lie between independent and equal ones; ten windows of one series are measured."""
    inside, widths = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        fitted = Fitted(autoregressive(random, 10))
        later = autoregressive(random, 200)[:, 0, :7].sum(axis=1)
        inside.append((np.abs(later) <= fitted.upper(7)).mean())
        widths.append(fitted.upper(7) / (7 * step_upper(fitted.steps)))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
    assert np.mean(widths) < 0.9


def autoregressive(random: np.random.Generator, windows: int) -> np.ndarray:
    """Return errors (windows, 1, 14) with an autocorrelation of 0.6."""
    errors = random.normal(0, 1, (windows, 1, 14))
    for step in range(1, 14):
        errors[:, :, step] = 0.6 * errors[:, :, step - 1] + 0.8 * errors[:, :, step]
    return errors


def test_intervals_hold_their_share_of_later_sums() -> None:
    """Intervals of five windows of small counts hold later sums, also of more steps than the horizon."""
    random = np.random.default_rng(2)
    counts = np.array([7, 14, 28])
    inside = []
    for _ in range(30):
        truth = random.poisson(0.3, 70).astype(float).reshape(5, 1, 14)
        forecast = np.full(truth.shape, 0.3)
        sums = fit_sum_intervals(truth - forecast, np.ones(1), truth, forecast, ())
        assert sums is not None
        units = fit_intervals(truth - forecast, np.ones(1)).units(0, 28)
        low, high = sums.bounds(units, 0.3 * counts, np.zeros(3, int), counts, 0.9)
        later = random.poisson(0.3 * counts, (200, 3))
        inside.append(((low <= later) & (later <= high)).mean(axis=0))
    week, horizon, longer = np.mean(inside, axis=0)
    assert 0.82 <= week <= 0.99
    assert 0.82 <= horizon <= 0.99
    assert 0.85 <= longer <= 1.0


def test_sums_of_many_skewed_errors_are_less_skewed() -> None:
    fitted = Fitted(np.random.default_rng(6).exponential(1, (5, 300, 14)) - 1)
    low, high = fitted.steps.bounds(0, np.zeros(1), 0.95)
    assert high[0] > 2 * -low[0]
    down, up = fitted.sums.bounds(fitted.steps.units(0, 14), np.zeros(1), np.array([0]), np.array([14]), 0.95)
    assert -down[0] < up[0] < 1.6 * -down[0]


def test_sizes_in_between_are_wider_than_smaller_and_narrower_than_larger_ones() -> None:
    fitted = Fitted(np.random.default_rng(3).normal(0, 1, (5, 60, 14)))
    assert fitted.sums.sizes == (1, 2, 3, 4, 6, 7, 8, 12, 14)
    assert fitted.upper(4) < fitted.upper(5) < fitted.upper(7)
    assert fitted.upper(14) < fitted.upper(28) < 2.5 * fitted.upper(14)


def test_a_sum_of_one_step_is_as_wide_as_the_step() -> None:
    fitted = Fitted(np.random.default_rng(3).normal(0, 1, (5, 10, 14)))
    for first in (0, 5):
        assert fitted.upper(1, first) == pytest.approx(fitted.steps.bounds(0, np.zeros(14), 0.95)[1][first], rel=0.02)


def test_later_sums_are_as_wide_as_their_errors() -> None:
    steps = np.where(np.arange(14) < 7, 1.0, 3.0)
    fitted = Fitted(np.random.default_rng(4).normal(0, 1, (5, 60, 14)) * steps)
    assert fitted.upper(7, first=7) > 2 * fitted.upper(7)


def test_the_accuracy_is_that_of_sums() -> None:
    sums = Fitted(np.tile([5.0, -5.0], (5, 10, 7))).sums
    even, odd = (sums.accuracy(np.array([0]), np.array([count])) for count in (2, 3))
    assert even is not None
    assert odd is not None
    assert even.tolist() == [1.0]
    assert odd[0] < 1.0


@pytest.mark.parametrize("horizon", [1, 3])
def test_nothing_is_fitted_to_a_single_step_or_without_errors(horizon: int) -> None:
    errors = np.zeros((3, 1, horizon)) if horizon > 1 else np.ones((3, 1, 1))
    assert fit_sum_intervals(errors, np.ones(1), errors, errors, (7,)) is None


def test_a_wrong_level_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        Fitted(np.random.default_rng(5).normal(0, 1, (3, 1, 4))).upper(2, level=0.2)
    assert refused.value.code == "bad_level"


def test_intervals_survive_json() -> None:
    sums = Fitted(np.random.default_rng(5).normal(0, 1, (3, 4, 6))).sums
    assert SumIntervals.from_json(json.loads(json.dumps(sums.to_json(), allow_nan=False))) == sums


def estimate(y: np.ndarray, errors: np.ndarray) -> float:
    """Return the ratio of the width of 14 steps to the sum of theirs, estimated from the history of one series."""
    steps = fit_intervals(errors, np.ones(1))
    sums = estimate_sum_intervals(steps, y, np.array([0, len(y)]), 7, 14)
    return upper_of(steps, sums, 14) / steps.bounds(0, np.zeros(14), 0.95)[1].sum()


def test_a_model_without_measured_sums_takes_the_correlation_of_its_history() -> None:
    random = np.random.default_rng(7)
    errors = random.normal(0, 1, (5, 1, 14))
    noise = estimate(random.normal(0, 1, 400), errors)
    walk = estimate(np.cumsum(random.normal(0, 1, 400)), errors)
    assert noise < 0.6 < walk < 1.0
    assert estimate(random.normal(0, 1, 9), errors) == pytest.approx(14**-0.1)
    assert estimate(np.ones(400), errors) == pytest.approx(14**-0.1)
