"""The error scale: sizes of errors by series, their growth by step, and how much they are worth."""

import numpy as np
import pytest

from dataml.ml.forecasting.backtest.error_scale import fit_error_scale


def normal_errors(windows: int, scales: np.ndarray, horizon: int = 6, seed: int = 1) -> np.ndarray:
    """Return independent errors (windows, series, horizon) of these scales."""
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (windows, len(scales), horizon)) * scales[:, None]


def test_scales_follow_the_sizes_of_the_errors() -> None:
    scales = np.repeat([1.0, 5.0], 30)
    error_scale = fit_error_scale(normal_errors(5, scales), np.ones(60))
    assert error_scale.scales[30:].mean() / error_scale.scales[:30].mean() == pytest.approx(5, rel=0.2)


def test_scales_are_in_the_unit_of_the_series() -> None:
    errors = normal_errors(4, np.ones(10))
    small, large = (fit_error_scale(errors * unit, np.full(10, unit)) for unit in (1.0, 1e6))
    assert large.scales == pytest.approx(1e6 * small.scales)
    assert large.growth == pytest.approx(small.growth)
    assert large.effective == pytest.approx(small.effective)


def test_with_a_single_window_scales_are_one_multiple_of_the_naive_scale() -> None:
    naive = np.array([1.0, 2.0, 4.0])
    error_scale = fit_error_scale(normal_errors(1, 3 * naive), naive)
    multiples = error_scale.scales / naive
    assert multiples == pytest.approx(multiples[0])


def test_growth_never_shrinks_and_is_1_on_average() -> None:
    errors = normal_errors(3, np.ones(50)) * np.array([1.0, 2.0, 1.5, 3.0, 2.0, 4.0])
    growth = fit_error_scale(errors, np.ones(50)).growth
    assert (np.diff(growth) >= 0).all()
    assert growth.mean() == pytest.approx(1)
    assert growth[-1] > 2 * growth[0]


def test_more_windows_are_worth_more_errors() -> None:
    few, many = (fit_error_scale(normal_errors(windows, np.ones(4)), np.ones(4)) for windows in (2, 20))
    assert many.effective > 3 * few.effective
    assert many.degrees > few.degrees


def test_a_series_without_naive_scale_and_errors_gets_the_scale_of_the_others() -> None:
    errors = normal_errors(3, np.ones(5))
    errors[:, 2] = np.nan
    naive = np.array([1.0, 1.0, np.nan, 1.0, 1.0])
    scales = fit_error_scale(errors, naive).scales
    assert np.isfinite(scales).all()
    assert scales[2] == pytest.approx(np.median(scales[[0, 1, 3, 4]]), rel=0.3)


def test_standardised_errors_have_no_scale_and_no_growth() -> None:
    errors = normal_errors(4, np.array([1.0, 100.0, 0.0]))
    error_scale = fit_error_scale(errors, np.array([1.0, 100.0, 0.0]))
    standardised = error_scale.standardise(errors)
    assert np.abs(standardised[:, :2]).mean() == pytest.approx(1, rel=0.3)
    assert np.isnan(standardised[:, 2]).all()
    assert (np.sign(standardised[:, 0]) == np.sign(errors[:, 0])).all()
