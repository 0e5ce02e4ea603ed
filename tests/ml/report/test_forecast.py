"""The page of a forecast: what it scored in its backtest, in words and pictures that anyone can read."""

import json
from typing import Any

import numpy as np
import pytest

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.intervals import coverage
from dataml.ml.forecasting.backtest.scores import ForecastScores, score
from dataml.ml.report.formatting import format_number
from dataml.ml.report.page import render_html
from tests.ml.pages import Page

EVIL = "<script>alert(1)</script>"


def scores(ids: list[str], horizon: int = 6, scale: float = 2.0) -> ForecastScores:
    random = np.random.default_rng(1)
    truth = random.gamma(9, 2, (3, len(ids), horizon))
    forecast = truth + random.normal(0.5, 1, truth.shape)
    bounds = forecast - 2.5, forecast + 2.5
    naive = truth + random.normal(0, 2, truth.shape)
    return score(truth, forecast, np.full(len(ids), scale), naive, ids, bounds=bounds)


def summary(found: ForecastScores, **changes: Any) -> dict[str, Any]:
    return {
        "predictor_name": "demand",
        "version": 2,
        "problem_type": "Forecast",
        "target": "sales",
        "target_type": "Float",
        "classes": None,
        "model": "BlendForecaster",
        "metrics": dict(found.metrics),
        "split": "rolling origin",
        "rows": {"total": 900},
        "forecast": {"frequency": "1D", "season_length": 7, "interval_method": "blended"},
    } | changes


def report(found: ForecastScores, **changes: Any) -> dict[str, Any]:
    """As it is read from a file."""
    told = found.to_json()
    del told["metrics"]
    steps = found.by_horizon
    told |= {
        "windows": 3,
        "horizon": len(steps["step"]),
        "models": {"AutoETS": 3, "LightGBM": 9},
        "rule": "best one of each series",
        "warnings": ["Series b has 3 gaps."],
        "coverage": {"0.8": coverage(np.arange(20) < 17), "0.95": coverage(np.arange(20) < 19)},
        "charts": {
            "by_horizon": charts.by_horizon(steps),
            "coverage_by_horizon": charts.coverage_by_horizon(steps, 0.95),
        },
    }
    return json.loads(json.dumps(told | changes, allow_nan=False))


def page(found: ForecastScores, told: dict[str, Any] | None = None, **changes: Any) -> Page:
    return Page(render_html(summary(found, **changes), report(found) if told is None else told, None))


@pytest.fixture(scope="module")
def found() -> ForecastScores:
    return scores(["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def demand(found: ForecastScores) -> Page:
    return page(found)


def section(shown: Page, title: str, following: str) -> list[str]:
    return shown.texts[shown.texts.index(title) + 1 : shown.texts.index(following)]


def test_every_score_stands_with_its_interval_the_seasonal_naive_and_words(demand: Page, found: ForecastScores) -> None:
    told = section(demand, "How well it forecasts", "How far ahead")
    for name, value in found.metrics.items():
        assert format_number(value) in told, name  # type: ignore[arg-type]
    mase = found.confidence["mase"]
    assert f"{mase['low']:.3f} to {mase['high']:.3f}" in told
    assert not [text for text in told if "naive mase" in text or "naive_mase" in text]
    less = f"{1 - found.metrics['relative_mase']:.0%}"  # type: ignore[operator]
    assert f"On the same values forecasts miss by {less} less than repeating the last season does." in told
    assert any("are too high by" in text for text in told)
    assert "Measured on 72 values in 3 windows of 6 steps of the past, forecast from what came before them." in told


def test_the_tiles_are_mase_wape_coverage_and_relative_mase(demand: Page, found: ForecastScores) -> None:
    tiles = demand.texts[: demand.texts.index("To be kept in mind")]
    assert [text for text in tiles if text in ("MASE", "WAPE", "Coverage", "Relative MASE", "RMSE")] == [
        "MASE",
        "WAPE",
        "Coverage",
        "Relative MASE",
    ]
    assert format_number(found.metrics["wape"]) in tiles  # type: ignore[arg-type]


def test_steps_stand_one_below_the_other(demand: Page, found: ForecastScores) -> None:
    cells = section(demand, "steps ahead", "Intervals around a forecast")
    cells = cells[cells.index("steps ahead") :] if "steps ahead" in cells else cells
    assert {f"{value:.3f}" for value in found.by_horizon["mase"]} <= set(cells)
    assert {f"{value:.1%}" for value in found.by_horizon["wape"]} <= set(cells)


def test_of_many_steps_some_are_shown_and_it_is_said() -> None:
    many = scores(["a", "b"], horizon=100)
    shown = page(many, report(many, charts={}))
    steps = section(shown, "How far ahead", "Intervals around a forecast")
    assert "76 steps between these are not shown." in steps
    assert {"1", "100"} <= set(steps)


def test_coverage_is_told_by_level_and_how_the_widths_were_made(demand: Page) -> None:
    told = section(demand, "Intervals around a forecast", "Series by series")
    assert {"80%", "85.0%", "95%", "95.0%"} <= set(told)
    assert any("blended with those that Student's t would have" in text for text in told)


def test_the_best_and_the_worst_series_are_named(demand: Page, found: ForecastScores) -> None:
    told = section(demand, "Series by series", "Which model forecasts what")
    worst = told[told.index("Worst forecast") : told.index("Best forecast")]
    assert [text for text in worst if text in "abcd"] == [each["id"] for each in found.worst]
    assert f"{found.worst[0]['mase']:.3f}" in worst


def test_models_warnings_and_the_rule_are_told(demand: Page) -> None:
    told = section(demand, "Which model forecasts what", "How it was made")
    assert told.index("LightGBM") < told.index("AutoETS")
    assert told[0].startswith("Chosen by the backtest: best one of each series.")
    assert "Series b has 3 gaps." in demand.texts


def test_the_charts_are_in_the_page(demand: Page) -> None:
    assert demand.count("svg") == 2
    assert {"MASE by step ahead", "Coverage of 95% intervals by step ahead"} <= set(demand.texts)
    assert demand.unclosed == []
    assert demand.loads == []


def test_nothing_of_classes_and_residuals_is_in_the_page(demand: Page) -> None:
    others = {"How well it predicts", "Pictures", "Class by class", "Where to draw the line"}
    assert not others & set(demand.texts)


def test_a_single_series_has_no_table_of_series() -> None:
    shown = page(scores([""]))
    assert "Series by series" not in shown.texts
    assert shown.unclosed == []


def test_series_that_have_no_mase_are_counted_and_their_scores_not_defined() -> None:
    shown = page(scores(["a", "b"], scale=0.0))
    assert "Not defined for these values." in shown.texts
    assert any("2 series repeat themselves exactly" in text for text in shown.texts)


def test_text_of_users_is_shown_and_never_markup() -> None:
    evil = scores([EVIL, EVIL + "2", "c"])
    told = report(evil, warnings=[EVIL], models={EVIL: 3}, rule=EVIL)
    shown = page(evil, told, target=EVIL, predictor_name=EVIL, forecast={EVIL: EVIL})
    assert shown.count("script") == 0
    assert shown.unclosed == []
    assert shown.texts.count(EVIL) > 4


@pytest.mark.parametrize("told", [{}, {"by_horizon": {}, "series": {}, "coverage": {}}, {"windows": 1, "horizon": 1}])
def test_a_page_of_nearly_nothing_is_still_a_page(told: dict[str, Any]) -> None:
    for given in ({}, {"metrics": {"mase": None, "naive_mase": 1.0, "unheard_of": 0.5}}):
        shown = Page(render_html({"problem_type": "Forecast"} | given, told, None))
        assert shown.unclosed == []
        assert shown.count("h1") == 1
        assert ("unheard of" in shown.texts) == bool(given)


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("relative_mase", 1.25, "no better than repeating the last season. On these values it misses by 25% more."),
        ("relative_mase", 1.0, "The model is no better than repeating the last season."),
        ("bias", -0.02, "too low by 2.0%"),
        ("bias", 0.0, "neither too high nor too low"),
        ("smape", 12.3, "12.3%"),
        ("wape", 0.123, "12.3%"),
        ("coverage", 0.94, "94.0% of the true values"),
    ],
)
def test_the_words_follow_the_number(metric: str, value: float, words: str) -> None:
    shown = Page(render_html({"problem_type": "Forecast", "metrics": {metric: value}}, {}, None))
    assert any(words in text for text in shown.texts)
