"""The page of a forecast: its backtest in metrics, texts and charts."""

import json
from typing import Any

import numpy as np
import pytest

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.intervals import measure_coverage
from dataml.ml.forecasting.backtest.scores import ForecastScores, score_forecasts
from dataml.ml.report.formatting import format_number
from dataml.ml.report.page import render_html
from tests.ml.forecasting.tables import make_naive_errors
from tests.ml.pages import Page

EVIL = "<script>alert(1)</script>"


def make_scores(ids: list[str], horizon: int = 6, scale: float = 2.0) -> ForecastScores:
    """Score forecasts of three windows of these series."""
    random = np.random.default_rng(1)
    truth = random.gamma(9, 2, (3, len(ids), horizon))
    forecast = truth + random.normal(0.5, 1, truth.shape)
    bounds = forecast - 2.5, forecast + 2.5
    naive = truth + random.normal(0, 2, truth.shape)
    return score_forecasts(truth, forecast, make_naive_errors(np.full(len(ids), scale)), naive, ids, bounds=bounds)


def make_summary(scores: ForecastScores, **changes: Any) -> dict[str, Any]:
    """Return the summary of a forecaster's manifest."""
    return {
        "predictor_name": "demand",
        "version": 2,
        "problem_type": "Forecast",
        "target": "sales",
        "target_type": "Float",
        "classes": None,
        "model": "BlendForecaster",
        "metrics": dict(scores.metrics),
        "split": "rolling origin",
        "rows": {"total": 900},
        "warnings": [{"code": "filled_gaps", "message": "Series b has 3 gaps."}, "A sentence of version 0.1."],
        "forecast": {"frequency": "1D", "season_length": 7, "interval_method": "blended"},
    } | changes


def make_report(scores: ForecastScores, **changes: Any) -> dict[str, Any]:
    """Return a report as it is read from a file."""
    report = scores.to_json()
    del report["metrics"]
    steps = scores.by_horizon
    report |= {
        "windows": 3,
        "earlier_windows": 7,
        "horizon": len(steps["step"]),
        "models": {"AutoETS": 3, "LightGBM": 9},
        "rule": "best one of each series",
        "rule_reason": "Nothing had a smaller error.",
        "coverage": {"0.8": measure_coverage(np.arange(20) < 17), "0.95": measure_coverage(np.arange(20) < 19)},
        "charts": {
            "by_horizon": charts.score_chart(steps),
            "coverage_by_horizon": charts.coverage_chart(steps, 0.95),
        },
    }
    return json.loads(json.dumps(report | changes, allow_nan=False))


def render_page(scores: ForecastScores, report: dict[str, Any] | None = None, **changes: Any) -> Page:
    """Render the page of these scores."""
    report = make_report(scores) if report is None else report
    return Page(render_html(make_summary(scores, **changes), report, None))


@pytest.fixture(scope="module")
def scores() -> ForecastScores:
    return make_scores(["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def demand(scores: ForecastScores) -> Page:
    return render_page(scores)


def section_texts(page: Page, title: str, next_title: str) -> list[str]:
    """Return the texts of a section, up to the title of the next one."""
    return page.texts[page.texts.index(title) + 1 : page.texts.index(next_title)]


def test_every_metric_has_its_interval_baseline_and_meaning(demand: Page, scores: ForecastScores) -> None:
    texts = section_texts(demand, "Metrics", "Metrics by step ahead")
    for name, value in scores.metrics.items():
        assert format_number(value) in texts, name  # type: ignore[arg-type]
    mase = scores.confidence["mase"]
    assert f"{mase['low']:.3f} to {mase['high']:.3f}" in texts
    assert not [text for text in texts if "naive mase" in text or "naive_mase" in text]
    less = f"{1 - scores.metrics['relative_mase']:.0%}"  # type: ignore[operator]
    assert f"On the same values, forecast errors are {less} smaller than those of repeating the last season." in texts
    assert any("are too high by" in text for text in texts)
    assert (
        "Measured on 72 values in 3 windows of 6 steps of the past, each forecast from the values before it." in texts
    )


def tile_titles(page: Page) -> list[str]:
    titles = {"MASE", "RMSSE", "Bias", "WAPE", "Coverage", "Relative MASE", "Relative RMSSE", "RMSE"}
    return [text for text in section_texts(page, "Warnings", "Metrics") if text in titles]


def test_the_tiles_have_the_bias_beside_the_mase(demand: Page, scores: ForecastScores) -> None:
    assert tile_titles(demand) == ["MASE", "Bias", "Coverage", "Relative MASE"]
    tiles = section_texts(demand, "Warnings", "Metrics")
    assert format_number(scores.metrics["bias"]) in tiles  # type: ignore[arg-type]


def test_the_tiles_of_small_counts_have_the_rmsse(scores: ForecastScores) -> None:
    page = render_page(scores, validation_metric="rmsse")
    assert tile_titles(page) == ["RMSSE", "Bias", "Coverage", "Relative RMSSE"]


def test_each_step_ahead_has_a_row(demand: Page, scores: ForecastScores) -> None:
    cells = section_texts(demand, "Metrics by step ahead", "Prediction intervals")
    cells = cells[len(cells) - cells[::-1].index("steps ahead") :]
    assert {f"{value:.3f}" for value in scores.by_horizon["mase"]} <= set(cells)
    assert {f"{value:.1%}" for value in scores.by_horizon["wape"]} <= set(cells)


def test_of_many_steps_some_are_shown_and_the_others_counted() -> None:
    many = make_scores(["a", "b"], horizon=100)
    page = render_page(many, make_report(many, charts={}))
    steps = section_texts(page, "Metrics by step ahead", "Prediction intervals")
    assert "76 steps in between are not shown." in steps
    assert {"1", "100"} <= set(steps)


def test_coverage_is_shown_by_level_with_the_method_of_the_widths(demand: Page) -> None:
    texts = section_texts(demand, "Prediction intervals", "Metrics by series")
    assert {"80%", "85.0%", "95%", "95.0%"} <= set(texts)
    assert any("blended with those of Student's t" in text for text in texts)
    assert any("They came also from 7 windows before those of the metrics." in text for text in texts)
    assert any("It is no probability, and not the level of an interval." in text for text in texts)


def test_the_best_and_the_worst_series_are_shown(demand: Page, scores: ForecastScores) -> None:
    texts = section_texts(demand, "Metrics by series", "Models")
    worst = texts[texts.index("Worst forecasts") : texts.index("Best forecasts")]
    assert [text for text in worst if text in "abcd"] == [each["id"] for each in scores.worst]
    assert f"{scores.worst[0]['mase']:.3f}" in worst


def test_models_warnings_and_the_selection_rule_are_shown(demand: Page) -> None:
    texts = section_texts(demand, "Models", "Training details")
    assert texts.index("LightGBM") < texts.index("AutoETS")
    assert texts[0].startswith("Chosen by the backtest: best one of each series. Nothing had a smaller error.")
    assert {"Series b has 3 gaps.", "A sentence of version 0.1."} <= set(demand.texts)


def test_the_charts_are_in_the_page(demand: Page) -> None:
    assert demand.count("svg") == 2
    assert {"MASE by step ahead", "Coverage of 95% intervals by step ahead"} <= set(demand.texts)
    assert demand.unclosed == []
    assert demand.loads == []


def test_the_sections_of_classes_and_residuals_are_absent(demand: Page) -> None:
    others = {"Charts", "Metrics by class", "Decision threshold", "Calibration of the probabilities"}
    assert not others & set(demand.texts)


def test_a_single_series_has_no_table_of_series() -> None:
    page = render_page(make_scores([""]))
    assert "Metrics by series" not in page.texts
    assert page.unclosed == []


def test_series_without_mase_are_counted_and_their_metrics_not_defined() -> None:
    page = render_page(make_scores(["a", "b"], scale=0.0))
    assert "Not defined for these values." in page.texts
    assert any("2 series repeat themselves exactly" in text for text in page.texts)


def test_text_of_users_is_escaped() -> None:
    evil = make_scores([EVIL, EVIL + "2", "c"])
    report = make_report(evil, models={EVIL: 3}, rule=EVIL)
    page = render_page(evil, report, warnings=[EVIL], target=EVIL, predictor_name=EVIL, forecast={EVIL: EVIL})
    assert page.count("script") == 0
    assert page.unclosed == []
    assert page.texts.count(EVIL) > 4


@pytest.mark.parametrize("report", [{}, {"by_horizon": {}, "series": {}, "coverage": {}}, {"windows": 1, "horizon": 1}])
def test_a_manifest_of_nearly_nothing_has_a_page(report: dict[str, Any]) -> None:
    for fields in ({}, {"metrics": {"mase": None, "naive_mase": 1.0, "unheard_of": 0.5}}):
        page = Page(render_html({"problem_type": "Forecast"} | fields, report, None))
        assert page.unclosed == []
        assert page.count("h1") == 1
        assert not [text for text in page.texts if "None" in text]
        assert ("unheard of" in page.texts) == bool(fields)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (
            "relative_mase",
            1.25,
            "no better than repeating the last season. On the same values, its errors are 25% larger.",
        ),
        ("relative_mase", 1.0, "The model is no better than repeating the last season."),
        ("relative_rmsse", 0.75, "25% smaller than those of repeating the last season."),
        ("rmsse", 0.6, "is 0.60 times that of repeating the last season"),
        ("bias", -0.02, "too low by 2.0%"),
        ("bias", 0.0, "neither too high nor too low"),
        ("smape", 12.3, "12.3%"),
        ("wape", 0.123, "12.3%"),
        ("coverage", 0.94, "94.0% of the true values"),
    ],
)
def test_the_meaning_follows_the_value(metric: str, value: float, text: str) -> None:
    page = Page(render_html({"problem_type": "Forecast", "metrics": {metric: value}}, {}, None))
    assert any(text in each for each in page.texts)
