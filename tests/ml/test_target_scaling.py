"""A target that float32 or XGBoost's least gain would lose is scaled for the fit; all others are fitted as they are."""

import json

import numpy as np
import pytest

from dataml.ml.target_scaling import UNSCALED, TargetScaling, choose_scaling, multiply_finitely

RANDOM = np.random.default_rng(0)
SIGNAL = RANDOM.normal(size=1_000)


@pytest.mark.parametrize(
    "target",
    [
        SIGNAL,
        0.2 * SIGNAL,
        290 + 10 * SIGNAL,
        2_000 + 10 * SIGNAL,
        1e9 * SIGNAL,
        RANDOM.lognormal(10, 2, 1_000),
        np.append(np.zeros(999), 1e6),
    ],
)
def test_a_target_of_the_usual_size_is_left_alone(target: np.ndarray) -> None:
    scaling = choose_scaling(target)
    assert scaling == UNSCALED
    assert scaling.to_json() is None
    assert scaling.apply(target) is target
    assert scaling.restore(target) is target


@pytest.mark.parametrize(
    ("target", "is_shifted", "is_scaled"),
    [
        (1e-5 * SIGNAL, False, True),
        (1e-4 + 1e-5 * SIGNAL, False, True),
        (1.7e9 + 60 * SIGNAL, True, False),
        (1.7e9 + 1e-3 * SIGNAL, True, True),
        (-1e15 * SIGNAL, False, True),
        (1e300 * SIGNAL, False, True),
        (1e-300 * SIGNAL, False, True),
        (1e300 * (1e6 + SIGNAL), True, True),
        (1e-300 * (1e6 + SIGNAL), True, True),
        (np.where(SIGNAL > 0, 1.7e308, -1.7e308), False, True),
        (np.append(SIGNAL, 1e300), False, True),
        (np.array([1.0, 1.0 + 2e-16]), True, True),
    ],
)
def test_a_scaled_target_is_of_the_usual_size_and_comes_back(
    target: np.ndarray, is_shifted: bool, is_scaled: bool
) -> None:
    scaling = choose_scaling(target)
    assert (scaling.shift != 0, scaling.scale != 1) == (is_shifted, is_scaled)
    assert np.frexp(scaling.scale)[0] == 0.5
    scaled = scaling.apply(target)
    if is_scaled:
        assert 0.45 < scaled.std() < 2
    assert abs(scaled.mean()) <= 256 * scaled.std()
    assert scaling.restore(scaled) == pytest.approx(target, rel=1e-15, abs=0)
    assert TargetScaling.from_json(json.loads(json.dumps(scaling.to_json()))) == scaling


def test_a_prediction_beyond_the_largest_double_is_held_there() -> None:
    scaling = TargetScaling(0.0, 2.0**1_023)
    restored = scaling.restore(np.array([3.0, -3.0, 0.5], np.float32))
    assert restored.dtype == np.float64
    assert restored.tolist() == [np.finfo(float).max, -np.finfo(float).max, 2.0**1_022]


def test_differences_are_scaled_and_not_shifted_and_finite() -> None:
    assert TargetScaling(1.7e9, 4.0).restore_differences(np.array([1.5, -2.0])).tolist() == [6.0, -8.0]
    largest = np.finfo(float).max
    assert multiply_finitely(np.array([3.0, -3.0]), 2.0**1_023).tolist() == [largest, -largest]


def test_classes_and_old_bundles_are_not_scaled() -> None:
    codes = np.array([0, 1, 2])
    assert TargetScaling.from_json(None) == UNSCALED
    assert UNSCALED.apply(codes).dtype == codes.dtype
