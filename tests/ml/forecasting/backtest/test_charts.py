"""Charts of forecasts, rendered by Vega itself."""

import json
from typing import Any

import numpy as np
import pytest

from dataml.ml.forecasting.backtest import charts
from dataml.ml.forecasting.backtest.charts import MAX_POINTS, ForecastLine, SeriesPlot
from dataml.ml.forecasting.backtest.scores import ForecastScores, score_forecasts
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.panel import Panel
from tests.ml.drawn_charts import TRICKY_NAMES, DrawnChart
from tests.ml.forecasting.tables import make_naive_errors

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")


def make_backtest(
    names: list[str], rows: int = 120, windows: int = 3, horizon: int = 7
) -> tuple[dict[str, Any], ForecastScores]:
    """Return series, each with larger errors than the one before, and their scores."""
    count = len(names)
    random = np.random.default_rng(1)
    y = random.normal(100, 5, (count, rows))
    starts = np.arange(count + 1) * rows
    times = np.tile(START + np.arange(rows) * DAY, count)
    panel = Panel(tuple(names), starts, times, y.ravel(), Frequency.parse("1D"), np.arange(count * rows))
    splits = BacktestSplits(horizon, np.repeat(rows - horizon * np.arange(windows, 0, -1)[:, None], count, axis=1))
    truth = splits.truth(panel.y, starts)
    forecast = truth + (1 + np.arange(count))[:, None]
    bounds = forecast - 10, forecast + 10
    scores = score_forecasts(truth, forecast, make_naive_errors(np.ones(count)), truth + 5, names, bounds=bounds)
    data = {"panel": panel, "splits": splits, "truth": truth, "forecast": forecast, "bounds": bounds}
    return data, scores


def draw(names: list[str], **options: int) -> dict[str, Any]:
    data, scores = make_backtest(names, **options)
    return draw_backtest(data, scores)


def draw_backtest(data: dict[str, Any], scores: ForecastScores) -> dict[str, Any]:
    spec = charts.backtest_chart(**data, scores=scores)
    assert spec is not None
    return spec


def marks(picture: DrawnChart, kind: str) -> list[str]:
    return [mark for mark in picture.marks if kind in mark]


def make_plot(count: int, steps: int = 5, name: str = "sales") -> SeriesPlot:
    times = START + np.arange(count + steps) * DAY
    forecast = ForecastLine(times[count:], np.arange(steps) + 1.0, np.arange(steps) * 1.0, np.arange(steps) + 2.0)
    return SeriesPlot(name, times[:count], np.sin(np.arange(count)), [forecast])


def test_a_backtest_chart_has_a_line_of_actual_values_and_one_of_each_window() -> None:
    picture = DrawnChart(draw([""]))
    assert [len(line) for line in picture.lines[1:]] == [7, 7, 7]
    assert len(picture.lines[0]) == 40 + 21
    assert {"Backtest: forecasts of the past with 95% intervals", "actual", "forecast"} <= set(picture.texts)


def test_series_of_any_name_have_a_panel_each() -> None:
    picture = DrawnChart(draw(TRICKY_NAMES[:6]))
    assert set(TRICKY_NAMES[:6]) <= set(picture.texts)
    assert len(picture.lines) == 6 * (1 + 3)
    long = DrawnChart(draw(TRICKY_NAMES[6:]))
    assert len(long.lines) == 6 * (1 + 3)


def test_typical_and_worst_series_are_drawn_of_many() -> None:
    picture = DrawnChart(draw([f"series {n}" for n in range(20)]))
    panels = [text for text in picture.texts if "series" in text]
    assert panels == ["series 9", "series 10", "series 8", "worst: series 19", "worst: series 18", "worst: series 17"]


def test_series_without_a_score_are_not_selected() -> None:
    nan = np.nan
    assert charts.select_typical_and_worst(np.array([nan, 3, 1, nan, 2])) == [2, 4, 1]
    assert charts.select_typical_and_worst(np.array([nan, nan])) == []
    assert charts.select_typical_and_worst(np.arange(9.0), 2) == [4, 8]
    assert charts.select_typical_and_worst(np.arange(7.0), 6) == [3, 2, 1, 6, 5, 4]


def test_a_series_without_a_window_is_drawn_without_it() -> None:
    data, scores = make_backtest(["a", "b"])
    data["splits"].cutoffs[0, 1] = -1
    lengths = [len(panel["layer"][2]["data"]["values"]) for panel in draw_backtest(data, scores)["concat"]]
    assert sorted(lengths) == [14, 21]


def test_charts_without_values_are_none() -> None:
    data, _ = make_backtest(["a", "b"])
    nothing = np.full((3, 2, 7), np.nan)
    scores = score_forecasts(nothing, nothing, make_naive_errors(np.ones(2)), nothing, ["a", "b"])
    assert charts.backtest_chart(**data, scores=scores) is None
    assert charts.score_chart(scores.by_horizon) is None
    assert charts.coverage_chart(scores.by_horizon, 0.95) is None


def test_long_series_are_thinned() -> None:
    data, scores = make_backtest(["a"], rows=60_000, windows=4, horizon=5_000)
    spec = draw_backtest(data, scores)
    history, forecast = (spec["layer"][at]["data"]["values"] for at in (1, 2))
    assert len(history) == MAX_POINTS
    assert len(forecast) == MAX_POINTS
    # The ends of what was thinned are there.
    assert history[-1]["time"] == forecast[-1]["time"] == f"{np.datetime64(data['panel'].times[-1], 'ms')}Z"
    assert len(json.dumps(spec)) < 100_000


def test_a_forecast_continues_the_history_with_its_interval() -> None:
    spec = charts.series_chart("Forecast", [make_plot(50)])
    picture = DrawnChart(spec)
    assert "Forecast: sales" in picture.texts
    band, history, forecast = (layer["data"]["values"] for layer in spec["layer"])
    assert history[-1]["time"] < forecast[0]["time"]
    assert [(row["low"], row["high"]) for row in band] == [(n, n + 2) for n in range(5)]


def test_at_most_six_series_are_drawn_with_distinct_titles() -> None:
    picture = DrawnChart(charts.series_chart("Forecast", [make_plot(50, name="n" * 80) for _ in range(8)]))
    titles = [text for text in picture.texts if text.startswith("nnn")]
    assert len(set(titles)) == 6


def test_a_forecast_without_an_interval_has_no_band() -> None:
    series = make_plot(50)
    bare = SeriesPlot("a", series.times, series.values, [ForecastLine(series.times[-3:], np.ones(3))])
    spec = charts.series_chart("Forecast", [bare])
    assert spec["layer"][0]["data"]["values"] == []
    assert DrawnChart(spec).lines


@pytest.mark.parametrize(("count", "steps"), [(1, 1), (2, 1), (50, 1)])
def test_short_series_are_draw(count: int, steps: int) -> None:
    picture = DrawnChart(charts.series_chart("Forecast", [make_plot(count, steps)]))
    assert marks(picture, "forecast")


def test_gaps_of_the_history_are_gaps_of_the_line() -> None:
    series = make_plot(50)
    values = series.values.copy()
    values[20:25] = np.nan
    gap = SeriesPlot("a", series.times, values, series.forecasts)
    spec = charts.series_chart("Forecast", [gap])
    json.dumps(spec, allow_nan=False)
    history = spec["layer"][1]["data"]["values"]
    assert sum(row["value"] is None for row in history) == 5
    assert spec["layer"][1]["mark"]["invalid"].startswith("break-paths")


def test_scores_by_step_are_drawn_with_those_of_the_seasonal_naive() -> None:
    _, scores = make_backtest(["a", "b"])
    spec = charts.score_chart(scores.by_horizon)
    assert spec is not None
    picture = DrawnChart(spec)
    assert {"MASE by step ahead", "model", "seasonal naive", "steps ahead"} <= set(picture.texts)
    model, naive = (line for line in picture.lines if len(line) == 7)
    # A model that misses by 1.5 on average is drawn below a naive that misses by 5; pictures count downwards.
    assert min(y for _, y in model) > max(y for _, y in naive)


def test_without_a_mase_steps_are_scored_by_wape() -> None:
    data, _ = make_backtest(["a"])
    scores = score_forecasts(data["truth"], data["forecast"], make_naive_errors(np.zeros(1)), data["truth"], ["a"])
    spec = charts.score_chart(scores.by_horizon)
    assert spec is not None
    assert "WAPE by step ahead" in DrawnChart(spec).texts


def test_coverage_by_step_has_its_level_and_its_confidence() -> None:
    _, scores = make_backtest(["a", "b"])
    spec = charts.coverage_chart(scores.by_horizon, 0.95)
    assert spec is not None
    picture = DrawnChart(spec)
    assert "Coverage of 95% intervals by step ahead" in picture.texts
    rules, points = (spec["layer"][at]["data"]["values"] for at in (1, 2))
    assert [point["step"] for point in points] == list(range(1, 8))
    assert all(row["low"] < row["coverage"] <= row["high"] for row in rules)
    assert {row["coverage"] for row in spec["layer"][0]["data"]["values"]} == {0.95}


@pytest.mark.parametrize("horizon", [1, 2, 200])
def test_any_horizon_is_draw(horizon: int) -> None:
    _, scores = make_backtest(["a"], rows=700, horizon=horizon)
    for spec in (charts.score_chart(scores.by_horizon), charts.coverage_chart(scores.by_horizon, 0.8)):
        assert spec is not None
        assert DrawnChart(spec).marks
