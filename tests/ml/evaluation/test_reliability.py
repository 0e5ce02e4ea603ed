"""A reliability curve compares predicted and observed probabilities in bins of equally many rows."""

import numpy as np
import pytest

from dataml.ml.evaluation.reliability import calibration_curve, expected_calibration_error


def test_honest_probabilities_have_hardly_an_error() -> None:
    random = np.random.default_rng(2)
    probability = random.random(50_000)
    came_true = (random.random(50_000) < probability).astype(np.float64)
    curve = calibration_curve(probability, came_true)
    assert (expected_calibration_error(curve) or 0) < 0.01
    assert [each["rows"] for each in curve] == [5_000] * 10
    assert all(each["observed"] == pytest.approx(each["predicted"], abs=0.03) for each in curve)
    overconfident = np.clip((probability - 0.5) * 2 + 0.5, 0, 1)
    assert (expected_calibration_error(calibration_curve(overconfident, came_true)) or 0) > 0.1


def test_rows_of_one_probability_share_a_bin() -> None:
    curve = calibration_curve(np.array([0.2] * 90 + [0.7] * 10), np.array([0.0, 1.0] * 50))
    assert [each["rows"] for each in curve] == [90, 10]
    assert [each["predicted"] for each in curve] == pytest.approx([0.2, 0.7])


def test_the_error_is_the_mean_distance_weighted_by_rows() -> None:
    curve = [{"predicted": 0.2, "observed": 0.3, "rows": 30}, {"predicted": 0.9, "observed": 0.5, "rows": 10}]
    assert expected_calibration_error(curve) == pytest.approx((0.1 * 30 + 0.4 * 10) / 40)


def test_a_single_row_is_a_curve_of_one_point() -> None:
    assert calibration_curve(np.array([0.4]), np.array([1.0])) == [{"predicted": 0.4, "observed": 1.0, "rows": 1}]
