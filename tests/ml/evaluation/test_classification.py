"""Scores of classes agree with scikit-learn, and are strict JSON whatever the rows are."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import evaluate


def score(truth: Any, positive: Any, **options: Any) -> dict[str, Any]:
    """Return the details of a model for two classes, as they are read from a file."""
    positive = np.asarray(positive, dtype=np.float64)
    result = evaluate(
        Task(2), np.asarray(truth), np.stack([1 - positive, positive], axis=1), classes=["no", "yes"], **options
    )
    return json.loads(json.dumps(result.details, allow_nan=False))


def draw_rows(rows: int = 500, decimals: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    return truth, np.round(1 / (1 + np.exp(-random.normal(2 * truth - 1, 1))), decimals)


def test_each_class_is_scored_by_its_name() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 300)
    scores = random.random((300, 3)) + (truth[:, None] == np.arange(3)) * 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    details = evaluate(Task(3), truth, scores, classes=["a", "b", "c"]).details
    expected = reference.classification_report(
        truth, scores.argmax(axis=1), target_names=["a", "b", "c"], output_dict=True
    )
    for code, name in enumerate(["a", "b", "c"]):
        each = details["per_class"][name]
        assert each["precision"] == pytest.approx(expected[name]["precision"])
        assert each["recall"] == pytest.approx(expected[name]["recall"])
        assert each["f1_score"] == pytest.approx(expected[name]["f1-score"])
        assert each["support"] == expected[name]["support"]
        assert each["roc_auc"] == pytest.approx(reference.roc_auc_score(truth == code, scores[:, code]))
    assert details["per_class_left_out"] == 0
    assert "thresholds" not in details


def test_scores_before_calibration_are_kept() -> None:
    truth, positive = draw_rows(2_000)
    raw = np.stack([1 - positive**3, positive**3], axis=1)
    details = score(truth, positive, uncalibrated=raw)["calibration"]
    alone = evaluate(Task(2), truth, raw)
    assert details["of"] == "yes"
    assert details["before"]["log_loss"] == pytest.approx(alone.metrics["log_loss"])
    assert details["before"]["brier"] == pytest.approx(alone.metrics["brier"])
    assert details["before"]["expected_calibration_error"] == alone.details["calibration"]["expected_calibration_error"]
    assert details["before"]["curve"] == alone.details["calibration_curve"]
    assert score(truth, positive)["calibration"]["before"] is None


def test_the_predicted_class_of_several_is_calibrated() -> None:
    truth, predicted = np.array([0, 1, 2, 2]), np.array([[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.1, 0.8]])
    (only,) = evaluate(Task(3), truth, predicted).details["calibration_curve"]
    assert (only["predicted"], only["observed"], only["rows"]) == (pytest.approx(0.8), 0.5, 4)


@pytest.mark.parametrize(
    ("truth", "positive"),
    [
        ([0, 0, 0], [0.1, 0.6, 0.2]),
        ([1, 1, 1], [0.1, 0.6, 0.2]),
        ([0, 1], [0.4, 0.6]),
        ([0], [0.4]),
        ([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4]),
        ([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0]),
        ([0, 1, 1, 0], [1.0, 0.0, 0.0, 1.0]),
        ([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5]),
    ],
    ids=["no positive", "no negative", "2 rows", "1 row", "never predicted", "perfect", "all wrong", "all alike"],
)
def test_whatever_the_rows_are_the_details_are_strict_json(truth: list[int], positive: list[float]) -> None:
    details = score(truth, positive)
    one_class = len(set(truth)) == 1
    assert (details["roc_curve"] is None) == one_class
    assert (details["thresholds"]["best_youden"] is None) == one_class
    assert (details["thresholds"]["best_f1"] is None) == (1 not in truth)
    assert (details["per_class"]["yes"]["recall"] is None) == (1 not in truth)
    assert ("roc_curve" in details["charts"]) == (not one_class)
    assert sum(each["support"] for each in details["per_class"].values()) == len(truth)


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    details = score([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4])["per_class"]
    assert (details["yes"]["precision"], details["yes"]["recall"], details["yes"]["f1_score"]) == (None, 0, 0)


def test_the_fifty_largest_of_a_thousand_classes_are_listed() -> None:
    random = np.random.default_rng(3)
    truth = np.minimum(random.geometric(0.01, 1_400), 999)
    scores = random.random((1_400, 1_000)).astype(np.float32) + (truth[:, None] == np.arange(1_000))
    result = evaluate(Task(1_000), truth, scores / scores.sum(axis=1, keepdims=True))
    assert len(result.details["per_class"]) == 50
    assert result.details["per_class_left_out"] == 950
    least = min(each["support"] for each in result.details["per_class"].values())
    left_out = set(range(1_000)) - set(map(int, result.details["per_class"]))
    assert least >= max(np.bincount(truth, minlength=1_000)[list(left_out)])
    assert len(json.dumps(result.details, allow_nan=False)) < 100_000
    assert result.details["confidence"]["roc_auc"]["low"] > 0.9


def probabilities(classes: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    truth = random.integers(0, classes, rows)
    scores = random.random((rows, classes)) + 0.7 * (truth[:, None] == np.arange(classes))
    return truth, scores / scores.sum(axis=1, keepdims=True)


def test_two_classes_are_scored_by_the_second() -> None:
    truth, predicted = probabilities(2)
    result = evaluate(Task(2), truth, predicted)
    chosen = predicted.argmax(axis=1)
    assert result.metrics == pytest.approx(
        {
            "accuracy": reference.accuracy_score(truth, chosen),
            "precision": reference.precision_score(truth, chosen),
            "recall": reference.recall_score(truth, chosen),
            "f1_score": reference.f1_score(truth, chosen),
            "roc_auc": reference.roc_auc_score(truth, predicted[:, 1]),
            "pr_auc": reference.average_precision_score(truth, predicted[:, 1]),
            "log_loss": reference.log_loss(truth, predicted),
            "brier": reference.brier_score_loss(truth, predicted[:, 1]),
        }
    )
    assert result.confusion_matrix == reference.confusion_matrix(truth, chosen).tolist()
    assert result.accuracy == result.metrics["accuracy"]


def test_more_classes_are_weighted_by_their_rows() -> None:
    truth, predicted = probabilities(4)
    result = evaluate(Task(4), truth, predicted)
    chosen = predicted.argmax(axis=1)
    assert result.metrics["f1_score"] == pytest.approx(reference.f1_score(truth, chosen, average="weighted"))
    assert result.metrics["precision"] == pytest.approx(reference.precision_score(truth, chosen, average="weighted"))
    assert result.metrics["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, predicted, multi_class="ovr"))


def test_the_scores_of_two_classes_are_of_the_positive_one() -> None:
    truth, predicted = probabilities(2)
    result = evaluate(Task(2), truth, predicted, classes=["fraud", "legit"], positive=0, uncalibrated=predicted)
    chosen = predicted.argmax(axis=1)
    expected = {
        "precision": reference.precision_score(truth, chosen, pos_label=0),
        "recall": reference.recall_score(truth, chosen, pos_label=0),
        "f1_score": reference.f1_score(truth, chosen, pos_label=0),
        "pr_auc": reference.average_precision_score(truth == 0, predicted[:, 0]),
        "roc_auc": reference.roc_auc_score(truth == 0, predicted[:, 0]),
        "brier": reference.brier_score_loss(truth == 0, predicted[:, 0]),
    }
    assert {name: result.metrics[name] for name in expected} == pytest.approx(expected)
    assert result.confusion_matrix == reference.confusion_matrix(truth, chosen).tolist()
    details = result.details
    named = (details["positive_class"], details["thresholds"]["positive_class"], details["calibration"]["of"])
    assert named == ("fraud", "fraud", "fraud")
    (at_half,) = [row for row in details["thresholds"]["table"] if row["threshold"] == 0.5]
    assert at_half["recall"] == pytest.approx(np.mean(predicted[truth == 0, 0] >= 0.5))
    default = details["thresholds"]["default"]
    assert {name: default[name] for name in ("precision", "recall", "f1_score")} == pytest.approx(
        {name: expected[name] for name in ("precision", "recall", "f1_score")}
    )
    assert (default["threshold"], default["predicted_positive"]) == (0.5, pytest.approx((chosen == 0).mean()))
    curve = details["calibration_curve"]
    assert sum(each["observed"] * each["rows"] for each in curve) == pytest.approx((truth == 0).sum())
    for name in ("f1_score", "pr_auc", "roc_auc"):
        interval = details["confidence"][name]
        assert interval["low"] < result.metrics[name] < interval["high"]
    assert set(details["average"].values()) == {"binary"}


def test_macro_scores_of_several_classes_stand_beside_the_weighted_ones() -> None:
    truth, predicted = probabilities(4)
    truth = np.where(truth == 3, 0, truth)  # a class without true rows that is predicted
    result = evaluate(Task(4), truth, predicted)
    chosen = predicted.argmax(axis=1)
    for name, scorer in (
        ("macro_f1", reference.f1_score),
        ("macro_precision", reference.precision_score),
        ("macro_recall", reference.recall_score),
    ):
        expected = scorer(truth, chosen, average="macro", zero_division=0)
        assert result.metrics[name] == pytest.approx(expected)
        assert result.details["average"][name] == "macro"
        assert result.details["confidence"][name]["low"] < expected < result.details["confidence"][name]["high"]
    assert (result.details["average"]["f1_score"], result.details["average"]["roc_auc"]) == ("weighted", "macro")
    assert "positive_class" not in result.details
