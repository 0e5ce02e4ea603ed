"""Prediction intervals have their coverage, with thousands of errors and with a handful."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.error_scores import LEVELS
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals, fit_intervals, measure_coverage

GROWTH = np.sqrt(np.arange(1, 13))


def random_walks(random: np.random.Generator, windows: int, scales: np.ndarray, horizon: int = 12) -> np.ndarray:
    """Return errors of the naive forecast of random walks, (windows, series, horizon)."""
    return np.cumsum(random.normal(0, 1, (windows, len(scales), horizon)), axis=2) * scales[:, None]


def is_inside(intervals: PredictionIntervals, errors: np.ndarray, level: float) -> np.ndarray:
    """Return which of `errors` (series, horizon) lie within the intervals."""
    lower, upper = intervals.bounds(np.arange(len(errors)), np.zeros(errors.shape), level)
    return (lower <= errors) & (errors <= upper)


def test_intervals_of_many_series_have_their_coverage_at_every_step_and_level() -> None:
    random = np.random.default_rng(1)
    scales = np.exp(random.normal(0, 1, 400))
    intervals = fit_intervals(random_walks(random, 3, scales), scales)
    assert intervals.method == "conformal"
    fresh = np.concatenate([random_walks(random, 1, scales)[0] for _ in range(10)], axis=1)
    for level in (0.5, 0.8, 0.95, 0.99):
        inside = np.stack([is_inside(intervals, part, level) for part in np.split(fresh, 10, axis=1)])
        assert inside.mean() == pytest.approx(level, abs=0.03)
        assert np.abs(inside.mean(axis=(0, 1)) - level).max() < 0.05


@pytest.mark.parametrize("windows", [2, 5])
def test_intervals_of_a_single_series_with_few_windows_have_their_coverage_on_average(windows: int) -> None:
    random = np.random.default_rng(2)
    inside: dict[float, list[float]] = {0.8: [], 0.95: []}
    for _ in range(120):
        intervals = fit_intervals(random_walks(random, windows, np.ones(1)), np.ones(1))
        assert intervals.method == "student"
        fresh = random_walks(random, 40, np.ones(1))[:, 0]
        lower, upper = {}, {}
        for level, shares in inside.items():
            lower[level], upper[level] = intervals.bounds(0, np.zeros(12), level)
            shares.append(float(((lower[level] <= fresh) & (fresh <= upper[level])).mean()))
    assert np.mean(inside[0.8]) == pytest.approx(0.8, abs=0.05)
    assert np.mean(inside[0.95]) == pytest.approx(0.95, abs=0.035)


def test_a_series_with_larger_errors_than_its_naive_scale_has_wider_intervals() -> None:
    random = np.random.default_rng(3)
    scales = np.where(np.arange(60) < 30, 1.0, 4.0)
    intervals = fit_intervals(random_walks(random, 4, scales), np.ones(60))
    own_scales = np.array(intervals.scales)
    assert own_scales[30:].mean() == pytest.approx(4 * own_scales[:30].mean(), rel=0.35)
    fresh = np.stack([is_inside(intervals, random_walks(random, 1, scales)[0], 0.9) for _ in range(60)])
    assert fresh[:, :30].mean() == pytest.approx(0.9, abs=0.05)
    assert fresh[:, 30:].mean() == pytest.approx(0.9, abs=0.05)


def test_scales_of_similar_series_are_shrunk_together() -> None:
    # Forty series of one scale differ by chance only, and get nearly the same scale.
    random = np.random.default_rng(4)
    errors = random_walks(random, 2, np.ones(40))
    own = np.abs(errors).mean(axis=(0, 2))
    shrunk = np.array(fit_intervals(errors, np.ones(40)).scales)
    assert np.log(shrunk).std() < 0.5 * np.log(own).std()


def test_growth_follows_the_errors_and_continues_past_the_horizon() -> None:
    random = np.random.default_rng(5)
    intervals = fit_intervals(random_walks(random, 3, np.ones(300)), np.ones(300))
    growth = np.array(intervals.growth)
    assert growth / growth[0] == pytest.approx(GROWTH, rel=0.1)
    lower, upper = intervals.bounds(0, np.zeros(48), 0.9)
    assert (np.diff((upper - lower)[11:]) > 0).all()
    assert (upper - lower)[47] == pytest.approx(2 * (upper - lower)[11])


def test_intervals_do_not_grow_when_errors_do_not() -> None:
    random = np.random.default_rng(6)
    growth = np.array(fit_intervals(random.normal(0, 1, (3, 300, 12)), np.ones(300)).growth)
    assert growth == pytest.approx(np.ones(12), abs=0.06)


def test_many_skewed_errors_have_asymmetric_intervals() -> None:
    random = np.random.default_rng(7)
    errors = random.exponential(1, (3, 300, 4)) - 1
    intervals = fit_intervals(errors, np.ones(300))
    lower, upper = intervals.bounds(0, np.zeros(4), 0.9)
    assert (upper > 1.5 * -lower).all()
    few = fit_intervals(errors[:, :3], np.ones(3))
    lower, upper = few.bounds(0, np.zeros(4), 0.9)
    assert upper == pytest.approx(-lower)


def test_errors_shared_by_all_series_leave_few_independent_ones() -> None:
    random = np.random.default_rng(8)
    alone = random_walks(random, 3, np.ones(200))
    together = alone * np.array([0.3, 1, 3])[:, None, None]
    assert fit_intervals(together, np.ones(200)).effective < 0.1 * fit_intervals(alone, np.ones(200)).effective


def test_without_any_error_intervals_are_gaussian_by_the_naive_scale() -> None:
    for errors in (np.full((2, 2, 3), np.nan), np.zeros((0, 2, 3)), np.zeros((2, 2, 3))):
        intervals = fit_intervals(errors, np.array([2.0, np.nan]))
        assert intervals.method == "gaussian"
        lower, upper = intervals.bounds(0, np.full(3, 10.0), 0.95)
        sigma = 2 * np.sqrt(np.pi / 2)
        assert upper - 10 == pytest.approx(norm.ppf(0.975) * sigma * np.sqrt([1, 2, 3]))
        assert 10 - lower == pytest.approx(upper - 10)


def test_a_constant_series_has_an_interval_without_width() -> None:
    random = np.random.default_rng(9)
    errors = random_walks(random, 3, np.array([1.0, 0.0, 2.0]))
    lower, upper = fit_intervals(errors, np.array([1.0, 0.0, 2.0])).bounds(1, np.full(12, 5.0), 0.95)
    assert (lower == 5).all()
    assert (upper == 5).all()


def test_a_series_without_a_window_is_scaled_by_its_naive_scale() -> None:
    random = np.random.default_rng(10)
    scales = np.ones(50)
    errors = random_walks(random, 3, scales)
    errors[:, 7] = np.nan
    scales[7] = 3.0
    intervals = fit_intervals(errors, scales)
    known = intervals.bounds(7, np.zeros(12), 0.9)
    # Three times as wide as a typical series whose naive scale is a third.
    typical = np.median([intervals.bounds(at, np.zeros(12), 0.9)[1] for at in range(50) if at != 7], axis=0)
    assert known[1] == pytest.approx(3 * typical, rel=0.1)


@pytest.mark.parametrize("level", [0.0, 0.49, 0.9991, 1.0, 95.0, float("nan")])
def test_a_level_out_of_range_is_refused(level: float) -> None:
    intervals = fit_intervals(np.ones((2, 1, 3)), np.ones(1))
    with pytest.raises(Invalid) as refused:
        intervals.bounds(0, np.zeros(3), level)
    assert refused.value.code == "bad_level"


@st.composite
def backtests(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw errors and naive scales of any size, with gaps, zeros and constant series."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 9)))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    size = 10.0 ** draw(st.integers(-12, 12))
    errors = random.standard_t(2, shape) * size
    scale = np.abs(random.normal(0, 1, shape[1])) * size
    errors[random.random(shape) < draw(st.sampled_from([0, 0.3, 0.9]))] = np.nan
    errors[random.random(shape) < draw(st.sampled_from([0, 0.5]))] = 0.0
    scale[random.random(shape[1]) < draw(st.sampled_from([0, 0.5]))] = draw(st.sampled_from([0.0, np.nan]))
    return errors, scale


@settings(max_examples=150, deadline=None)
@given(backtests())
def test_intervals_of_any_errors_are_ordered_by_level_and_survive_json(
    given: tuple[np.ndarray, np.ndarray],
) -> None:
    errors, scale = given
    intervals = fit_intervals(errors, scale)
    again = PredictionIntervals.from_json(json.loads(json.dumps(intervals.to_json(), allow_nan=False)))
    assert again == intervals
    assert (np.diff(intervals.growth) >= -1e-12).all()
    steps = errors.shape[2] + 3
    inner = (np.zeros(steps), np.zeros(steps))
    for level in (0.5, 0.731, 0.8, 0.95, 0.9945, 0.999):
        lower, upper = again.bounds(0, np.zeros(steps), level)
        assert (lower <= inner[0]).all()
        assert (upper >= inner[1]).all()
        assert np.isfinite([lower, upper]).all()
        inner = (lower, upper)


def test_intervals_of_several_series_at_once_equal_those_of_each() -> None:
    random = np.random.default_rng(11)
    intervals = fit_intervals(random_walks(random, 3, np.arange(1.0, 6)), np.ones(5))
    forecast = random.normal(0, 1, (2, 3, 15))
    series = np.array([[0, 1, 4], [3, 3, 2]])
    lower, upper = intervals.bounds(series, forecast, 0.9)
    for at in np.ndindex(2, 3):
        alone = intervals.bounds(int(series[at]), forecast[at], 0.9)
        assert (lower[at] == alone[0]).all()
        assert (upper[at] == alone[1]).all()


def test_the_kept_levels_go_from_50_to_99_point_9_percent() -> None:
    assert (LEVELS[0], LEVELS[-1]) == (0.5, 0.999)
    assert {0.8, 0.9, 0.95, 0.99} <= set(LEVELS)
    assert list(LEVELS) == sorted(set(LEVELS))


def test_coverage_has_a_wilson_interval() -> None:
    record = measure_coverage(np.array([[1, 1, np.nan], [1, 0, 1]]))
    low, high = binomtest(4, 5).proportion_ci(method="wilson")
    assert record == {"coverage": 0.8, "low": pytest.approx(low), "high": pytest.approx(high), "values": 5}
    nothing = {"coverage": None, "low": None, "high": None, "values": 0}
    assert measure_coverage(np.full((2, 2), np.nan)) == nothing
