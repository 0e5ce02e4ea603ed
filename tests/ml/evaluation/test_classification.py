"""What the report tells of a classification agrees with scikit-learn, and is strict JSON whatever the rows are."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import evaluate
from dataml.ml.evaluation.ranking import RankingCurve


def scored(truth: Any, positive: Any, **options: Any) -> dict[str, Any]:
    """Details of a model for two classes, as they are read from a file."""
    positive = np.asarray(positive, dtype=np.float64)
    result = evaluate(
        Task(2), np.asarray(truth), np.stack([1 - positive, positive], axis=1), classes=["no", "yes"], **options
    )
    return json.loads(json.dumps(result.details, allow_nan=False))


def sample(rows: int = 500, decimals: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    return truth, np.round(1 / (1 + np.exp(-random.normal(2 * truth - 1, 1))), decimals)


@pytest.mark.parametrize("decimals", [12, 1], ids=["different scores", "tied scores"])
def test_areas_and_curves_are_those_of_scikit_learn(decimals: int) -> None:
    truth, positive = sample(decimals=decimals)
    ranked = RankingCurve.from_scores(truth == 1, positive)
    assert ranked.auc_scores.roc == pytest.approx(reference.roc_auc_score(truth, positive))
    assert ranked.auc_scores.pr == pytest.approx(reference.average_precision_score(truth, positive))
    found = scored(truth, positive)
    fpr, tpr, _ = reference.roc_curve(truth, positive, drop_intermediate=False)
    for x, y in zip(*found["roc_curve"].values(), strict=True):
        assert np.isclose(fpr, x, atol=1e-5)[np.isclose(tpr, y, atol=1e-5)].any()
    precision, recall, _ = reference.precision_recall_curve(truth, positive)
    for x, y in list(zip(*found["pr_curve"].values(), strict=True))[1:]:
        assert np.isclose(recall, x, atol=1e-5)[np.isclose(precision, y, atol=1e-5)].any()


def test_curves_have_two_hundred_points_at_most_and_reach_their_ends() -> None:
    found = scored(*sample(5_000))
    for curve in (found["roc_curve"], found["pr_curve"]):
        assert {len(points) for points in curve.values()} <= set(range(150, 201))
    assert (found["roc_curve"]["true_positive_rate"][0], found["roc_curve"]["true_positive_rate"][-1]) == (0, 1)
    assert (found["pr_curve"]["recall"][0], found["pr_curve"]["recall"][-1]) == (0, 1)


def test_a_threshold_counts_the_rows_from_it_on_as_positive() -> None:
    truth, positive = sample()
    table = scored(truth, positive)["thresholds"]["table"]
    assert [row["threshold"] for row in table] == [n / 20 for n in range(21)]
    for row in table[:-1]:
        called = (positive >= row["threshold"]).astype(int)
        assert row["precision"] == pytest.approx(reference.precision_score(truth, called, zero_division=np.nan))
        assert row["recall"] == pytest.approx(reference.recall_score(truth, called))
        assert row["specificity"] == pytest.approx(reference.recall_score(truth, called, pos_label=0))
        assert row["predicted_positive"] == pytest.approx(called.mean())
    assert (table[0]["recall"], table[0]["specificity"]) == (1, 0)
    assert (table[-1]["precision"], table[-1]["predicted_positive"]) == (None, 0)


def test_the_best_thresholds_are_better_than_all_others() -> None:
    truth, positive = sample()
    found = scored(truth, positive)["thresholds"]
    f1 = max(reference.f1_score(truth, positive >= each) for each in positive)
    assert found["best_f1"]["f1_score"] == pytest.approx(f1)
    assert reference.f1_score(truth, positive >= found["best_f1"]["threshold"]) == pytest.approx(f1)
    fpr, tpr, _ = reference.roc_curve(truth, positive)
    assert found["best_youden"]["youden_j"] == pytest.approx((tpr - fpr).max())


def test_each_class_is_scored_by_its_name() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 300)
    scores = random.random((300, 3)) + (truth[:, None] == np.arange(3)) * 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    found = evaluate(Task(3), truth, scores, classes=["a", "b", "c"]).details
    expected = reference.classification_report(
        truth, scores.argmax(axis=1), target_names=["a", "b", "c"], output_dict=True
    )
    for code, name in enumerate(["a", "b", "c"]):
        each = found["per_class"][name]
        assert each["precision"] == pytest.approx(expected[name]["precision"])
        assert each["recall"] == pytest.approx(expected[name]["recall"])
        assert each["f1_score"] == pytest.approx(expected[name]["f1-score"])
        assert each["support"] == expected[name]["support"]
        assert each["roc_auc"] == pytest.approx(reference.roc_auc_score(truth == code, scores[:, code]))
    assert found["per_class_left_out"] == 0
    assert "thresholds" not in found


def test_probabilities_that_mean_what_they_say_have_hardly_an_error() -> None:
    random = np.random.default_rng(2)
    positive = random.random(50_000)
    truth = (random.random(50_000) < positive).astype(np.int64)
    good = scored(truth, positive)
    assert good["calibration"]["expected_calibration_error"] < 0.01
    assert [each["rows"] for each in good["calibration_curve"]] == [5_000] * 10
    assert all(each["observed"] == pytest.approx(each["predicted"], abs=0.03) for each in good["calibration_curve"])
    bold = np.clip((positive - 0.5) * 2 + 0.5, 0, 1)
    assert scored(truth, bold)["calibration"]["expected_calibration_error"] > 0.1


def test_what_calibration_has_brought_is_told() -> None:
    truth, positive = sample(2_000)
    raw = np.stack([1 - positive**3, positive**3], axis=1)
    found = scored(truth, positive, uncalibrated=raw)["calibration"]
    alone = evaluate(Task(2), truth, raw)
    assert found["of"] == "yes"
    assert found["before"]["log_loss"] == pytest.approx(alone.metrics["log_loss"])
    assert found["before"]["brier"] == pytest.approx(alone.metrics["brier"])
    assert found["before"]["expected_calibration_error"] == alone.details["calibration"]["expected_calibration_error"]
    assert found["before"]["curve"] == alone.details["calibration_curve"]
    assert scored(truth, positive)["calibration"]["before"] is None


def test_the_predicted_class_of_several_is_calibrated() -> None:
    truth, predicted = np.array([0, 1, 2, 2]), np.array([[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.1, 0.8]])
    (only,) = evaluate(Task(3), truth, predicted).details["calibration_curve"]
    assert (only["predicted"], only["observed"], only["rows"]) == (pytest.approx(0.8), 0.5, 4)


def test_rows_of_one_probability_share_a_bin() -> None:
    curve = scored([0, 1] * 50, [0.2] * 90 + [0.7] * 10)["calibration_curve"]
    assert [each["rows"] for each in curve] == [90, 10]


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
    found = scored(truth, positive)
    one_class = len(set(truth)) == 1
    assert (found["roc_curve"] is None) == one_class
    assert (found["thresholds"]["best_youden"] is None) == one_class
    assert (found["thresholds"]["best_f1"] is None) == (1 not in truth)
    assert (found["per_class"]["yes"]["recall"] is None) == (1 not in truth)
    assert ("roc_curve" in found["charts"]) == (not one_class)
    assert sum(each["support"] for each in found["per_class"].values()) == len(truth)


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    found = scored([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4])["per_class"]
    assert (found["yes"]["precision"], found["yes"]["recall"], found["yes"]["f1_score"]) == (None, 0, 0)


def test_of_a_thousand_classes_the_fifty_largest_are_told() -> None:
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
