"""The page of a model: complete, the same for every reader, and nothing in it loads or runs."""

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dataml.ml.boosters.native import Task
from dataml.ml.evaluation.evaluation import Evaluation, evaluate
from dataml.ml.report.formatting import format_number
from dataml.ml.report.page import get_environment, render_html
from tests.ml.pages import Page

EVIL = "<script>alert(1)</script>"
NAMES = [EVIL, '"><img src=x onerror=alert(1)>', "a & b", "{{x}}", "größe °C"]


def binary(**options: Any) -> Evaluation:
    random = np.random.default_rng(1)
    truth = (random.random(400) < 0.3).astype(np.int64)
    positive = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    return evaluate(Task(2), truth, np.stack([1 - positive, positive], axis=1), **options)


def several(names: list[str], **options: Any) -> Evaluation:
    random = np.random.default_rng(2)
    truth = random.integers(0, len(names), 300)
    scores = random.random((300, len(names))) + 0.5 * (truth[:, None] == np.arange(len(names)))
    return evaluate(Task(len(names)), truth, scores / scores.sum(axis=1, keepdims=True), classes=names, **options)


def numbers() -> Evaluation:
    random = np.random.default_rng(3)
    truth = random.normal(50, 10, 400)
    return evaluate(Task(0), truth, truth + random.normal(0, 2, 400), residuals=random.normal(0, 2, 200))


def summary(result: Evaluation, **changes: Any) -> dict[str, Any]:
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


def show(value: object) -> str:
    """Return the markup of a value as the page shows it."""
    source = '{% from "macros/values.html" import show %}{{ show(value|display) }}'
    return get_environment().from_string(source).render(value=value)


def page(result: Evaluation, importance: dict[str, float] | None = None, **changes: Any) -> Page:
    """The page of an evaluation that has been through a file."""
    return Page(render_html(summary(result, **changes), json.loads(json.dumps(result.details)), importance))


@pytest.fixture(scope="module")
def churn() -> Page:
    return page(binary(classes=["false", "true"]), {"age": 0.7, "income": 0.3})


def test_the_page_tells_what_was_trained_and_how(churn: Page) -> None:
    told = {"churn", "version 3", "customers, version 2", "jane", "stratified", "17", "87", "num_leaves", "31"}
    told |= {"country", "has one value only", "lightgbm", "4.6.0", "XGBoost", "0.4123", "false, true", "2,000"}
    assert told <= set(churn.texts)
    assert churn.unclosed == []


def test_every_score_stands_with_its_interval_and_words() -> None:
    result = binary(classes=["false", "true"])
    shown = page(result)
    for name, value in result.metrics.items():
        interval = result.details["confidence"][name]
        assert format_number(value) in shown.texts, name  # type: ignore[arg-type]
        assert f"{interval['low']:.3f} to {interval['high']:.3f}" in shown.texts, name
    precision = result.metrics["precision"]
    assert f"Of the rows called “true”, {precision:.1%} are indeed." in shown.texts


def test_the_words_compare_accuracy_with_naming_the_most_frequent_class() -> None:
    result = binary(classes=["false", "true"])
    matrix = np.array(result.confusion_matrix)
    words = " ".join(page(result).texts)
    assert f"right for {matrix.sum(axis=1).max() / matrix.sum():.1%}" in words


def test_every_chart_of_the_report_is_in_the_page(churn: Page) -> None:
    assert churn.count("svg") == 6
    drawn = {"Confusion matrix", "ROC curve", "Precision and recall", "Calibration", "By threshold"}
    assert drawn | {"Feature importance", "age", "income"} <= set(churn.texts)


def test_thresholds_are_in_order_with_the_best_among_them(churn: Page) -> None:
    start, end = churn.texts.index("called positive"), churn.texts.index("Class by class")
    cells = churn.texts[start + 1 : end]
    assert {"best F1", "best Youden's J"} <= set(cells)
    assert cells[0] == "0.000"


def test_calibration_is_told_before_and_after() -> None:
    random = np.random.default_rng(1)
    positive = random.random(400)
    raw = np.stack([1 - positive, positive], axis=1)
    texts = page(binary(classes=["false", "true"], uncalibrated=raw)).texts
    assert {"before calibration", "after", "expected calibration error"} <= set(texts)


def test_a_regression_tells_its_intervals_and_residuals() -> None:
    result = numbers()
    shown = page(result, problem_type="Regression", classes=None, model="LightGBMRegressor", target="price")
    width = result.details["intervals"]["0.9"]["half_width"]
    assert {f"prediction ± {width:.4g}", "90%", "Quantiles of true minus predicted"} <= set(shown.texts)
    assert shown.count("svg") == 3
    assert f"Predictions of price are off by {format_number(result.metrics['mae'])} on average." in shown.texts  # type: ignore[arg-type]


def test_text_of_users_is_shown_and_never_markup() -> None:
    result = several(NAMES)
    changes: dict[str, Any] = dict.fromkeys(("predictor_name", "domain", "dataset", "created_by", "target"), EVIL)
    changes |= {"classes": NAMES, "roles": {EVIL: "Feature", "left": "Target"}, "dropped_features": {EVIL: NAMES[1]}}
    changes |= {"params": {EVIL: EVIL}, "split": EVIL, "unheard_of": {EVIL: [EVIL, {EVIL: EVIL}]}}
    shown = page(result, dict.fromkeys(NAMES, 0.2), **changes)
    assert shown.count("script") == shown.count("img") == 0
    assert shown.handlers == []
    assert shown.unclosed == []
    assert shown.texts.count(EVIL) > 10
    assert set(NAMES) <= set(shown.texts)


def test_the_page_loads_nothing(churn: Page) -> None:
    markup = render_html(summary(binary()), dict(binary().details), {"age": 1.0})
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
    markup = render_html(summary(binary()), {"charts": {"roc_curve": spec}}, None)
    assert Page(markup).count("svg") == 1
    assert "hostname" not in markup


def test_pictures_do_not_share_ids() -> None:
    markup = render_html(summary(binary()), dict(binary().details), {"age": 1.0})
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))


def test_pictures_take_the_colours_of_the_page(churn: Page) -> None:
    markup = render_html(summary(binary()), dict(binary().details), None)
    style, drawn = markup.split("</style>")
    for colour in set(re.findall(r'="(#0[0-9]0[0-9]0[0-9])"', drawn)):
        assert f'"{colour}"' in style
    assert 'fill="#000"' not in drawn
    assert 'fill="white"/>' not in drawn


def test_what_this_version_does_not_know_is_told_by_its_own_name() -> None:
    trials = [{"number": 1, "score": 0.5}, {"number": 2, "score": 0.4}]
    shown = page(binary(), tuning={"trials": trials, "sampler": "TPE"}, parent_version=2)
    assert {"Everything else", "tuning", "sampler", "TPE", "parent version", "0.4"} <= set(shown.texts)


@pytest.mark.parametrize("given", [{}, {"metrics": {}}, {"metrics": {"accuracy": None, "new_score": 0.5}}])
def test_a_page_of_nearly_nothing_is_still_a_page(given: dict[str, Any]) -> None:
    shown = Page(render_html(given, {}, None))
    assert shown.unclosed == []
    assert shown.count("h1") == 1


def test_scores_that_are_not_defined_are_told_so() -> None:
    result = evaluate(Task(2), np.zeros(10, dtype=np.int64), np.full((10, 2), 0.5), classes=["false", "true"])
    assert "Not defined for these rows." in page(result).texts


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (True, "yes"),
        (3, "3"),
        (12_345, "12,345"),
        (0.123456, "0.1235"),
        (1e-7, "1e-07"),
        (1_234_567.8, "1,234,568"),
        (2.5e12, "2,500,000,000,000"),
        ("<b>", "&lt;b&gt;"),
        ([], "—"),
        (["a", 1], "a, 1"),
        ([[1, 2], [3]], "[[1, 2], [3]]"),
    ],
)
def test_a_value_is_shown_as_one_reads_it(value: object, shown: str) -> None:
    assert show(value) == shown


def test_many_values_are_cut_and_counted() -> None:
    assert show([str(n) for n in range(100)]).endswith("59, and 40 more")
    assert "and 40 more" in show({str(n): n for n in range(100)})
    assert len(show("x" * 10_000)) == 2_000


def test_as_a_program_it_reads_json_and_writes_the_page() -> None:
    result = binary()
    given = {"summary": summary(result), "report": dict(result.details), "importance": None}
    done = subprocess.run(
        [sys.executable, "-m", "dataml.ml.report.page"],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == render_html(given["summary"], given["report"], None)
    assert done.stdout.endswith(b"</html>\n")
