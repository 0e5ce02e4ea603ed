"""Probabilities are calibrated where that helps on rows that were not learned from, and only there."""

import json

import numpy as np
import pytest

from dataml.ml.training.calibration import Calibration, calibrate


def draw_overconfident(rows: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return honest probabilities sharpened three times too far, and truth drawn from the honest ones."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(rows, classes))
    honest = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = (honest.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    sharp = honest**3
    return sharp / sharp.sum(axis=1, keepdims=True), truth


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-6, 1)).mean())


@pytest.mark.parametrize(("rows", "classes"), [(400, 2), (5_000, 2), (2_000, 4)])
def test_overconfident_probabilities_become_honest_on_new_rows(rows: int, classes: int) -> None:
    probabilities, truth = draw_overconfident(2 * rows, classes)
    learned = calibrate(probabilities[:rows], truth[:rows])
    assert learned is not None
    better = learned.apply(probabilities[rows:])
    assert log_loss(better, truth[rows:]) < log_loss(probabilities[rows:], truth[rows:]) - 0.05
    assert better.sum(axis=1) == pytest.approx(1)
    if learned.method != "isotonic":
        assert (better.argmax(axis=1) == probabilities[rows:].argmax(axis=1)).mean() > 0.9


def test_the_temperature_is_that_of_the_sharpening() -> None:
    learned = calibrate(*draw_overconfident(20_000, 4))
    assert learned is not None
    assert learned.temperature == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_honest_probabilities_are_not_calibrated(classes: int) -> None:
    probabilities, truth = draw_overconfident(3_000, classes)
    honest = probabilities ** (1 / 3)
    assert calibrate(honest / honest.sum(axis=1, keepdims=True), truth) is None


def test_few_rows_or_one_class_are_not_calibrated() -> None:
    probabilities, truth = draw_overconfident(40)
    assert calibrate(probabilities, truth) is None
    assert calibrate(np.full((100, 2), 0.5), np.zeros(100, int)) is None


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration("sigmoid", slope=0.5, offset=-0.1),
        Calibration("temperature", temperature=2.0),
        Calibration("isotonic", knots=(0.1, 0.5, 0.9), values=(0.2, 0.5, 0.7)),
    ],
)
def test_a_calibration_is_the_same_after_json_and_for_a_row_alone(calibration: Calibration) -> None:
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again == calibration
    probabilities, _ = draw_overconfident(500)
    together = calibration.apply(probabilities.astype(np.float32))
    alone = np.concatenate([calibration.apply(probabilities[i : i + 1].astype(np.float32)) for i in range(500)])
    assert (alone == together).all()
    assert np.isfinite(calibration.apply(np.array([[0.0, 1.0], [1.0, 0.0]]))).all()
