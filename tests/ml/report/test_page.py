"""The page of a classification or a regression: complete, self-contained, and safe with any text of users."""

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import Evaluation, evaluate
from dataml.ml.report.formatting import format_number
from dataml.ml.report.page import render_html
from tests.ml.pages import Page

EVIL = "<script>alert(1)</script>"
NAMES = [EVIL, '"><img src=x onerror=alert(1)>', "a & b", "{{x}}", "größe °C"]


def evaluate_binary(**options: Any) -> Evaluation:
    """Evaluate a binary classification of 400 rows."""
    random = np.random.default_rng(1)
    truth = (random.random(400) < 0.3).astype(np.int64)
    positive = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    return evaluate(Task(2), truth, np.stack([1 - positive, positive], axis=1), **options)


def evaluate_multiclass(names: list[str], **options: Any) -> Evaluation:
    """Evaluate a classification into these classes."""
    random = np.random.default_rng(2)
    truth = random.integers(0, len(names), 300)
    scores = random.random((300, len(names))) + 0.5 * (truth[:, None] == np.arange(len(names)))
    return evaluate(Task(len(names)), truth, scores / scores.sum(axis=1, keepdims=True), classes=names, **options)


def evaluate_regression() -> Evaluation:
    """Evaluate a regression of 400 rows."""
    random = np.random.default_rng(3)
    truth = random.normal(50, 10, 400)
    return evaluate(Task(0), truth, truth + random.normal(0, 2, 400), residuals=random.normal(0, 2, 200))


def make_summary(result: Evaluation, **changes: Any) -> dict[str, Any]:
    """Return the summary of a manifest."""
    return {
        "predictor_name": "churn",
        "version": 3,
        "train_id": 12,
        "domain": "Telecom",
        "dataset": "customers, version 2",
        "created_by": "jane",
        "created_at": "2026-01-02T03:04:05Z",
        "problem_type": "Classification",
        "target": "left",
        "target_type": "Boolean",
        "classes": [False, True],
        "algorithm": "LightGBM",
        "model": "LightGBMClassifier",
        "metrics": dict(result.metrics),
        "accuracy": result.accuracy,
        "confusion_matrix": result.confusion_matrix,
        "rows": {"total": 2_000, "without_target": 0, "train": 1_280, "validation": 320, "test": 400},
        "split": "stratified",
        "seed": 17,
        "best_iteration": 87,
        "params": {"num_leaves": 31},
        "validation_metric": "log_loss",
        "candidates": {"XGBoost": 0.4123, "LightGBM": 0.4101},
        "roles": {"id": "Id", "age": "Feature", "left": "Target"},
        "dropped_features": {"country": "has one value only"},
        "versions": {"lightgbm": "4.6.0"},
        "onnx": {"used": True, "largest_difference": 1e-7, "reason": None},
    } | changes


def render_page(result: Evaluation, importance: dict[str, float] | None = None, **changes: Any) -> Page:
    """Render the page of an evaluation that was written to a file and read again."""
    return Page(render_html(make_summary(result, **changes), json.loads(json.dumps(result.details)), importance))


@pytest.fixture(scope="module")
def churn() -> Page:
    return render_page(evaluate_binary(classes=["false", "true"]), {"age": 0.7, "income": 0.3})


def test_the_page_shows_what_was_trained_and_how(churn: Page) -> None:
    expected = {"churn", "version 3", "customers, version 2", "jane", "stratified", "17", "87", "num_leaves", "31"}
    expected |= {"country", "has one value only", "lightgbm", "4.6.0", "XGBoost", "0.4123", "false, true", "2,000"}
    assert expected <= set(churn.texts)
    assert churn.unclosed == []


def test_every_metric_has_its_value_interval_and_meaning() -> None:
    result = evaluate_binary(classes=["false", "true"])
    page = render_page(result)
    for name, value in result.metrics.items():
        interval = result.details["confidence"][name]
        assert format_number(value) in page.texts, name  # type: ignore[arg-type]
        assert f"{interval['low']:.3f} to {interval['high']:.3f}" in page.texts, name
    precision = result.metrics["precision"]
    assert f"Of the rows predicted as “true”, {precision:.1%} are correct." in page.texts


def test_accuracy_is_compared_with_predicting_the_most_frequent_class() -> None:
    result = evaluate_binary(classes=["false", "true"])
    matrix = np.array(result.confusion_matrix)
    text = " ".join(render_page(result).texts)
    assert f"correct for {matrix.sum(axis=1).max() / matrix.sum():.1%}" in text


def test_every_chart_of_the_report_is_in_the_page(churn: Page) -> None:
    assert churn.count("svg") == 6
    titles = {"Confusion matrix", "ROC curve", "Precision and recall", "Calibration", "By threshold"}
    assert titles | {"Feature importance", "age", "income"} <= set(churn.texts)


def test_thresholds_are_in_order_with_the_best_among_them(churn: Page) -> None:
    start, end = churn.texts.index("predicted positive"), churn.texts.index("Metrics by class")
    cells = churn.texts[start + 1 : end]
    assert {"best F1", "best Youden's J"} <= set(cells)
    assert cells[0] == "0.000"


def test_calibration_is_shown_before_and_after() -> None:
    random = np.random.default_rng(1)
    positive = random.random(400)
    raw = np.stack([1 - positive, positive], axis=1)
    texts = render_page(evaluate_binary(classes=["false", "true"], uncalibrated=raw)).texts
    assert {"before calibration", "after calibration", "expected calibration error"} <= set(texts)


def test_a_regression_shows_its_intervals_and_residuals() -> None:
    result = evaluate_regression()
    page = render_page(result, problem_type="Regression", classes=None, model="LightGBMRegressor", target="price")
    width = result.details["intervals"]["0.9"]["half_width"]
    assert {f"prediction ± {width:.4g}", "90%", "Quantiles of the residuals (true minus predicted)"} <= set(page.texts)
    assert page.count("svg") == 3
    assert f"Predictions of price are off by {format_number(result.metrics['mae'])} on average." in page.texts  # type: ignore[arg-type]


def test_text_of_users_is_escaped() -> None:
    result = evaluate_multiclass(NAMES)
    changes: dict[str, Any] = dict.fromkeys(("predictor_name", "domain", "dataset", "created_by", "target"), EVIL)
    changes |= {"classes": NAMES, "roles": {EVIL: "Feature", "left": "Target"}, "dropped_features": {EVIL: NAMES[1]}}
    changes |= {"params": {EVIL: EVIL}, "split": EVIL, "unheard_of": {EVIL: [EVIL, {EVIL: EVIL}]}}
    page = render_page(result, dict.fromkeys(NAMES, 0.2), **changes)
    assert page.count("script") == page.count("img") == 0
    assert page.handlers == []
    assert page.unclosed == []
    assert page.texts.count(EVIL) > 10
    assert set(NAMES) <= set(page.texts)


def test_the_page_loads_nothing(churn: Page) -> None:
    markup = render_html(make_summary(evaluate_binary()), dict(evaluate_binary().details), {"age": 1.0})
    assert churn.loads == []
    assert not re.search(r"url\((?!#)|@import|<link|<iframe|<object", markup)
    assert "default-src 'none'" in markup


def test_a_chart_that_names_a_file_or_an_address_does_not_load_it() -> None:
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"url": "file:///etc/hostname", "format": {"type": "csv"}},
        "mark": "text",
        "encoding": {"text": {"field": "x"}},
    }
    markup = render_html(make_summary(evaluate_binary()), {"charts": {"roc_curve": spec}}, None)
    assert Page(markup).count("svg") == 1
    assert "hostname" not in markup


def test_charts_do_not_share_ids() -> None:
    markup = render_html(make_summary(evaluate_binary()), dict(evaluate_binary().details), {"age": 1.0})
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))


def test_charts_take_the_colors_of_the_page(churn: Page) -> None:
    markup = render_html(make_summary(evaluate_binary()), dict(evaluate_binary().details), None)
    style, body = markup.split("</style>")
    for color in set(re.findall(r'="(#0[0-9]0[0-9]0[0-9])"', body)):
        assert f'"{color}"' in style
    assert 'fill="#000"' not in body
    assert 'fill="white"/>' not in body


def test_a_field_that_this_version_does_not_know_is_shown_by_its_name() -> None:
    trials = [{"number": 1, "score": 0.5}, {"number": 2, "score": 0.4}]
    page = render_page(evaluate_binary(), tuning={"trials": trials, "sampler": "TPE"}, parent_version=2)
    assert {"Other details", "tuning", "sampler", "TPE", "parent version", "0.4"} <= set(page.texts)


@pytest.mark.parametrize("metrics", [{}, {"metrics": {}}, {"metrics": {"accuracy": None, "new_score": 0.5}}])
def test_a_manifest_of_nearly_nothing_has_a_page(metrics: dict[str, Any]) -> None:
    page = Page(render_html(metrics, {}, None))
    assert page.unclosed == []
    assert page.count("h1") == 1
    assert not [text for text in page.texts if "None" in text]


def test_a_metric_that_is_not_defined_says_so() -> None:
    result = evaluate(Task(2), np.zeros(10, dtype=np.int64), np.full((10, 2), 0.5), classes=["false", "true"])
    assert "Not defined for these rows." in render_page(result).texts


def test_the_program_reads_json_and_writes_the_page() -> None:
    result = evaluate_binary()
    data = {"summary": make_summary(result), "report": dict(result.details), "importance": None}
    process = subprocess.run(
        [sys.executable, "-m", "dataml.ml.report.page"],
        input=json.dumps(data).encode(),
        capture_output=True,
        check=True,
    )
    assert process.stdout.decode() == render_html(data["summary"], data["report"], None)
    assert process.stdout.endswith(b"</html>\n")


def test_the_page_is_about_the_positive_class() -> None:
    result = evaluate_binary(classes=["fraud", "legit"], positive=0)
    warnings = [{"code": "rare_class", "message": f"Rare {EVIL}."}]
    page = render_page(result, classes=["fraud", "legit"], positive_class="fraud", warnings=warnings)
    texts = " ".join(page.texts)
    assert f"Of the rows predicted as “fraud”, {result.metrics['precision']:.1%} are correct." in texts
    assert "A row is predicted as “fraud” when" in texts
    assert "with a probability of 70% for fraud," in texts
    assert {"Warnings", f"Rare {EVIL}."} <= set(page.texts)
    assert page.opened["script"] == 0


def test_averages_of_several_classes_are_told_apart() -> None:
    texts = " ".join(render_page(evaluate_multiclass(["a", "b", "c"]), classes=["a", "b", "c"]).texts)
    assert "F1 as the plain mean over the classes" in texts
    assert "only when both are high (mean over the classes, weighted by their rows)." in texts
    assert "are about the class" not in texts
