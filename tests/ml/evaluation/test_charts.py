"""Charts of a model, drawn by Vega itself."""

from typing import Any

import numpy as np
import pytest

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import charts
from dataml.ml.evaluation.evaluate import evaluate
from tests.ml.drawn_charts import TRICKY_NAMES, DrawnChart


@pytest.fixture(scope="module")
def binary() -> dict[str, Any]:
    random = np.random.default_rng(1)
    truth = (random.random(500) < 0.3).astype(np.int64)
    positive = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    return details(Task(2), truth, positive)


def details(task: Task, truth: Any, positive: Any, **options: Any) -> dict[str, Any]:
    positive = np.asarray(positive, dtype=np.float64)
    predicted = np.stack([1 - positive, positive], axis=1)
    return dict(evaluate(task, np.asarray(truth), predicted, classes=["no", "yes"], **options).details)


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    random = np.random.default_rng(3)
    truth = random.normal(50, 10, 700)
    return dict(evaluate(Task(0), truth, truth + random.normal(0, 2, 700), residuals=random.normal(0, 2, 200)).details)


def test_two_classes_have_every_chart(binary: dict[str, Any]) -> None:
    drawn = {"confusion_matrix", "calibration_curve", "roc_curve", "pr_curve", "thresholds"}
    assert binary["charts"].keys() == drawn
    for chart in binary["charts"].values():
        assert DrawnChart(chart).marks


def test_numbers_have_every_chart(numbers: dict[str, Any]) -> None:
    assert numbers["charts"].keys() == {"predicted_vs_true", "residual_histogram", "interval_coverage"}
    for chart in numbers["charts"].values():
        assert DrawnChart(chart).marks


def test_a_confusion_matrix_has_a_cell_for_each_pair_with_its_rows() -> None:
    drawn = DrawnChart(charts.confusion_matrix(["no", "yes"], np.array([[1_200, 300], [0, 500]])))
    assert {"1,200", "300", "0", "500", "true class", "predicted class"} <= set(drawn.texts)
    assert sorted(drawn.opacities) == pytest.approx([0.05, 0.24, 0.81, 1])


@pytest.mark.parametrize("count", [5, 12])
def test_classes_of_any_name_have_a_cell_each(count: int) -> None:
    drawn = DrawnChart(charts.confusion_matrix(TRICKY_NAMES[:count], np.eye(count, dtype=int) * 10))
    cells = [mark for mark in drawn.marks if "share" in mark]
    assert len(set(cells)) == count * count
    assert sum(text == "10" for text in drawn.texts) == count


def test_the_largest_of_many_classes_are_charted_and_the_title_says_so() -> None:
    rows = np.arange(100)
    drawn = DrawnChart(charts.confusion_matrix([f"class {n}" for n in rows], np.diag(rows)))
    assert "Confusion matrix: the 20 classes with most rows of 100" in drawn.texts
    assert len(drawn.marks) == 400
    assert {"class 80", "class 99"} <= set(drawn.texts)
    assert "class 79" not in drawn.texts


def test_a_roc_curve_goes_from_corner_to_corner() -> None:
    perfect = {"false_positive_rate": [0.0, 0.0, 1.0], "true_positive_rate": [0.0, 1.0, 1.0]}
    drawn = DrawnChart(charts.roc_curve(perfect))
    assert drawn.lines == [[(0, 300), (300, 0)], [(0, 300), (0, 0), (300, 0)]]
    assert {"false positive rate", "true positive rate"} <= set(drawn.texts)


def test_the_precision_at_a_recall_holds_from_the_recall_before() -> None:
    drawn = DrawnChart(charts.pr_curve({"recall": [0.0, 0.5, 1.0], "precision": [1.0, 1.0, 0.5]}))
    (line,) = drawn.lines
    assert (150.0, 150.0) in line
    assert (300.0, 0.0) not in line


def test_calibration_is_drawn_before_and_after(binary: dict[str, Any]) -> None:
    curve = [{"predicted": 0.5, "observed": 0.25, "rows": 10}, {"predicted": 1.0, "observed": 1.0, "rows": 10}]
    alone = DrawnChart(charts.calibration(curve, None))
    assert alone.lines == [[(0, 300), (300, 0)], [(150, 225), (300, 0)]]
    both = DrawnChart(charts.calibration(curve, {"curve": curve[:1]}))
    assert {"calibrated", "before calibration"} <= set(both.texts)
    assert len(both.lines) == 3


def test_thresholds_are_lines_with_a_rule_at_the_best(binary: dict[str, Any]) -> None:
    drawn = DrawnChart(binary["charts"]["thresholds"])
    assert {"precision", "recall", "F1", "threshold"} <= set(drawn.texts)
    assert len(drawn.lines) == 3
    best = binary["thresholds"]["best_f1"]["threshold"]
    assert any(mark.startswith(f"threshold: {best}"[:12]) for mark in drawn.marks)


def test_rows_on_the_diagonal_were_predicted_right() -> None:
    drawn = DrawnChart(charts.predicted_vs_true({"truth": [1.0, 2.0, 3.0], "predicted": [1.0, 2.0, 3.0]}))
    assert drawn.lines == [[(0, 300), (300, 0)]]
    assert sum(mark.startswith("true value") for mark in drawn.marks) == 4  # three points and the diagonal


@pytest.mark.parametrize("value", [0.0, 5.0, -1e9])
def test_a_constant_target_is_drawn_all_the_same(value: float) -> None:
    assert DrawnChart(charts.predicted_vs_true({"truth": [value], "predicted": [value]})).marks


def test_each_level_has_a_point_and_its_confidence(numbers: dict[str, Any]) -> None:
    drawn = DrawnChart(numbers["charts"]["interval_coverage"])
    for level in numbers["intervals"]:
        assert sum(f"level of the interval: {level};" in f"{mark};" for mark in drawn.marks) == 2


def test_residuals_are_a_histogram_of_the_rows_within_its_edges(numbers: dict[str, Any]) -> None:
    drawn = DrawnChart(numbers["charts"]["residual_histogram"])
    assert len(drawn.marks) == len(numbers["residual_histogram"]["counts"])
    assert "Residuals: true minus predicted" in drawn.texts


def test_importance_and_classes_are_bars_largest_first() -> None:
    values = {name: 1 / (n + 1) for n, name in enumerate(TRICKY_NAMES)}
    drawn = DrawnChart(charts.importance(values))
    assert len(drawn.marks) == len(TRICKY_NAMES)
    assert "Feature importance" in drawn.texts
    many = DrawnChart(charts.importance({f"f{n}": 1 / (n + 1) for n in range(40)}))
    assert "Feature importance: the first 25 of 40" in many.texts
    classes = {name: {"f1_score": 0.5, "support": n} for n, name in enumerate(TRICKY_NAMES)}
    drawn = DrawnChart(charts.per_class(classes))
    assert drawn.texts.index(TRICKY_NAMES[-2]) < drawn.texts.index(TRICKY_NAMES[0])


def test_charts_of_degenerate_rows_can_be_drawn() -> None:
    for truth, positive in (([0, 0], [0.5, 0.5]), ([1], [1.0]), ([0, 1], [1.0, 0.0])):
        for chart in details(Task(2), truth, positive)["charts"].values():
            assert DrawnChart(chart).texts
    for truth in ([1.0, 1.0], [1e300, -1e300], [0.0]):
        details_of_numbers = evaluate(
            Task(0), np.array(truth), np.array(truth) / 2, residuals=np.array([1.0, 2.0])
        ).details
        for chart in details_of_numbers["charts"].values():
            assert DrawnChart(chart).texts
