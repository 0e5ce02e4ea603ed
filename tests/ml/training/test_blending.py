"""A blend predicts only where it beats the best model by more than noise."""

import numpy as np
import pytest

from dataml.ml.boosters.native_model import Task
from dataml.ml.training.blending import BLEND_SCORE, MAX_MEMBERS, can_gain, choose_weights, combine_predictions
from dataml.ml.training.calibration import Calibration

NUMBER = Task(0)


def test_predictions_are_combined_by_weight_and_then_calibrated() -> None:
    first, second = np.array([[0.2, 0.8]], np.float32), np.array([[0.6, 0.4]], np.float32)
    mean = combine_predictions([first, second], [0.75, 0.25], None)
    assert mean == pytest.approx(np.array([[0.3, 0.7]]))
    calibration = Calibration("temperature", temperature=2.0)
    assert combine_predictions([first, second], [0.75, 0.25], calibration) == pytest.approx(calibration.apply(mean))


def test_one_model_alone_keeps_its_predictions_to_the_bit() -> None:
    predictions = np.array([0.1, 0.2], np.float32)
    assert combine_predictions([predictions], [1.0], None) is predictions


def test_models_with_independent_errors_are_blended() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=2_000)
    predictions = {name: truth + random.normal(0, 1, 2_000) for name in ("a", "b")}
    weights, mean, scores = choose_weights(NUMBER, truth, predictions)
    assert weights["a"] == pytest.approx(0.5, abs=0.15)
    assert sum(weights.values()) == pytest.approx(1)
    assert mean == pytest.approx(weights["a"] * predictions["a"] + weights["b"] * predictions["b"])
    assert scores[BLEND_SCORE] == pytest.approx(np.sqrt(np.square(mean - truth).mean()))
    assert scores[BLEND_SCORE] < min(scores["a"], scores["b"])


def test_a_much_better_model_predicts_alone() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=500)
    good, bad = truth + random.normal(0, 0.1, 500), truth + random.normal(0, 5, 500)
    weights, mean, scores = choose_weights(NUMBER, truth, {"bad": bad, "good": good})
    assert weights == {"good": 1.0}
    assert mean is good
    assert scores.keys() == {"bad", "good", BLEND_SCORE}


def test_models_that_predict_alike_are_not_blended() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 300)
    positive = np.clip(0.5 + 0.3 * (truth - 0.5) + random.normal(0, 0.1, 300), 0.01, 0.99)
    same = np.column_stack((1 - positive, positive))
    weights, _, scores = choose_weights(Task(2), truth, {"a": same, "b": same.copy()})
    assert len(weights) == 1
    assert scores["a"] == scores["b"]


def test_a_blend_has_few_members_and_none_that_hardly_counts() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=1_000)
    predictions = {f"m{n}": truth + random.normal(0, 1, 1_000) for n in range(12)}
    weights, _, _ = choose_weights(NUMBER, truth, predictions)
    assert 2 < len(weights) <= MAX_MEMBERS
    assert min(weights.values()) >= 0.04
    assert sum(weights.values()) == pytest.approx(1)


def test_noise_that_a_blend_follows_is_not_blended() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=200)
    best = truth + random.normal(0, 0.5, 200)
    # Each adds noise of its own to the best one, and fits the errors of some rows by chance.
    predictions = {"best": best} | {f"m{n}": best + random.normal(0, 0.3, 200) for n in range(20)}
    assert choose_weights(NUMBER, truth, predictions)[0] == {"best": 1.0}


def test_only_a_model_that_lowers_the_loss_of_a_blend_can_gain() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=1_000)
    best = truth + random.normal(0, 1, 1_000)
    assert can_gain(NUMBER, truth, best, truth + random.normal(0, 2, 1_000))  # worse, with errors of its own
    assert not can_gain(NUMBER, truth, best, best + 3 * (best - truth))  # the same errors, larger
    codes = random.integers(0, 2, 1_000)
    positive = np.clip(0.5 + 0.4 * (codes - 0.5) + random.normal(0, 0.1, 1_000), 0.01, 0.99)
    good, wrong = np.column_stack((1 - positive, positive)), np.column_stack((positive, 1 - positive))
    assert can_gain(Task(2), codes, good, np.clip(good + 0.01, 0, 1))
    assert not can_gain(Task(2), codes, good, wrong)


def test_a_single_candidate_has_no_blend() -> None:
    truth = np.arange(10.0)
    weights, _, scores = choose_weights(NUMBER, truth, {"a": truth + 1})
    assert (weights, scores) == ({"a": 1.0}, {"a": 1.0})
