"""Vega-Lite charts of forecasts and of their scores, complete with their data.

Names of series are data and titles, never names of fields, and colours are legible on light and dark backgrounds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml import vega_lite
from dataml.ml.evaluation.conformal import wilson_interval
from dataml.ml.forecasting.backtest.scores import ForecastScores
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.json_numbers import to_json_numbers
from dataml.ml.labels import distinct_labels

MAX_SERIES: Final = 6
MAX_POINTS: Final = 300
"""Points that are drawn of the history of a series, and of its forecasts."""
_MIN_HISTORY: Final = 40
_MAX_DOTTED_STEPS: Final = 40
_BLUE: Final = "#2a78d6"
_ORANGE: Final = "#eb6834"
_GREY: Final = "#8a8a85"
_HEIGHT: Final = 170
_WIDE: Final = 780
_NARROW: Final = 370
_ACTUAL: Final = "actual"
_FORECAST: Final = "forecast"
_WINDOW: Final = {"field": "window", "type": "nominal"}

Spec = dict[str, Any]


@dataclass(frozen=True)
class ForecastLine:
    """One forecast of a series: `times` (steps,) datetime64, `forecast` (steps,), and its interval, if any."""

    times: np.ndarray
    forecast: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None


@dataclass(frozen=True)
class SeriesPlot:
    """A series to draw, with its forecasts, earliest first.

    `times` (rows,) are datetime64 in order, `values` (rows,) NaN where there is none.
    """

    name: str
    times: np.ndarray
    values: np.ndarray
    forecasts: Sequence[ForecastLine]


def select_typical_and_worst(scores: np.ndarray, count: int = MAX_SERIES) -> list[int]:
    """Select the series to draw: half of `count` from the middle, the typical ones first, and then the worst.

    `scores` (series,) are higher for worse series, NaN for unknown ones.
    """
    ranked = [int(at) for at in np.argsort(scores, kind="stable") if np.isfinite(scores[at])]
    if len(ranked) <= count:
        return ranked
    worst = ranked[::-1][: count // 2]
    others = ranked[: -len(worst)] if worst else ranked
    middle = (len(ranked) - 1) / 2
    nearest = sorted(range(len(others)), key=lambda rank: abs(rank - middle))[: count - len(worst)]
    return [others[rank] for rank in nearest] + worst


def backtest_chart(
    panel: Panel,
    splits: BacktestSplits,
    truth: np.ndarray,
    forecast: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    scores: ForecastScores,
    level: float = 0.95,
) -> Spec | None:
    """Return the chart of the forecasts of each window, with their intervals, over the actual values.

    It has at most six series, typical and worst ones, and is None where no series has a score. `truth`, `forecast` and
    the two `bounds` are (windows, series, horizon), NaN where there is no value.
    """
    ranked = np.array([np.nan if value is None else value for value in scores.by_series])
    chosen = select_typical_and_worst(ranked)
    # The worst ones come last; their titles begin with "worst", as long names are cut.
    worst = set(chosen[MAX_SERIES // 2 :]) if len(ranked) > MAX_SERIES else set()
    plots = []
    for at in chosen:
        part = panel.series_slice(at)
        name = f"worst: {panel.ids[at]}" if at in worst else panel.ids[at]
        cutoffs = splits.cutoffs[:, at]
        forecasts = [
            ForecastLine(
                panel.times[part][cutoff : cutoff + splits.horizon],
                forecast[window, at],
                bounds[0][window, at],
                bounds[1][window, at],
            )
            for window, cutoff in enumerate(cutoffs)
            if cutoff >= 0
        ]
        plots.append(SeriesPlot(name, panel.times[part], panel.y[part], forecasts))
    if not plots:
        return None
    return series_chart(f"Backtest: forecasts of the past with {_percent(level)} intervals", plots)


def score_chart(scores: Mapping[str, Sequence[Any]]) -> Spec | None:
    """Return the chart of MASE by step of the model and of the seasonal naive, or of WAPE where no series has a MASE.

    It is None without either. `scores` is `ForecastScores.by_horizon`.
    """
    metrics = (("mase", "MASE"), ("wape", "WAPE"))
    defined = [(name, title) for name, title in metrics if any(value is not None for value in scores[name])]
    if not defined:
        return None
    name, title = defined[0]
    points = [
        {"step": step, "score": value, "of": of}
        for of, key in (("model", name), ("seasonal naive", f"naive_{name}"))
        for step, value in zip(scores["step"], scores[key], strict=True)
        if value is not None
    ]
    y: Spec = {"field": "score", "type": "quantitative", "title": title, "scale": {"zero": True}}
    colour = _colour({"model": _BLUE, "seasonal naive": _ORANGE})
    line = {
        "data": {"values": points},
        "mark": {"type": "line", "strokeWidth": 2, "tooltip": True} | _dots(len(scores["step"])),
        "encoding": {"x": _steps(scores["step"]), "y": y, "color": colour},
    }
    return _head(f"{title} by step ahead") | line | {"width": _NARROW, "height": 220}


def coverage_chart(scores: Mapping[str, Sequence[Any]], level: float) -> Spec | None:
    """Return the chart of the coverage of intervals by step, with its 95% confidence, and the `level` as a line.

    It is None where no coverage was measured.
    """
    measured = zip(scores["step"], scores.get("coverage", ()), scores["values"], strict=False)
    points: list[Spec] = []
    for step, share, count in measured:
        if share is not None and count:
            low, high = wilson_interval(round(share * count), count)
            points.append({"step": step, "coverage": share, "low": round(low, 4), "high": round(high, 4)})
    if not points:
        return None
    # Leave room below the lowest bar; a share cannot exceed 1.
    lowest = max(0.0, min(level, *(point["low"] for point in points)) - 0.05)
    y: Spec = {"type": "quantitative", "title": "share of truths inside", "scale": {"domain": [lowest, 1]}}
    y["axis"] = {"format": ".0%", "tickCount": 6}
    x = _steps(scores["step"])
    reach = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}}
    layers = [
        {
            "data": {"values": [{"step": step, "coverage": level} for step in _ends(scores["step"])]},
            "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1.5, "color": _GREY},
            "encoding": {"x": x, "y": y | {"field": "coverage"}},
        },
        {"data": {"values": points}, "mark": {"type": "rule", "color": _BLUE, "opacity": 0.6}, "encoding": reach},
        {
            "data": {"values": points},
            "mark": {"type": "circle", "size": 60, "color": _BLUE, "opacity": 1, "tooltip": True},
            "encoding": {"x": x, "y": y | {"field": "coverage"}},
        },
    ]
    return _head(f"Coverage of {_percent(level)} intervals by step ahead") | {
        "layer": layers,
        "width": _NARROW,
        "height": 220,
    }


def series_chart(title: str, plots: Sequence[SeriesPlot]) -> Spec:
    """Return the chart of the histories and the forecasts of at most six series, a panel each."""
    kept = list(plots)[:MAX_SERIES]
    if len(kept) == 1:
        return _head(f"{title}: {kept[0].name}" if kept[0].name else title) | _panel(kept[0], _WIDE)
    labels = distinct_labels([each.name for each in kept])
    panels = [
        {"title": {"text": label, "fontSize": 12, "fontWeight": "normal", "frame": "group", "anchor": "start"}}
        | _panel(each, _NARROW)
        for label, each in zip(labels, kept, strict=True)
    ]
    # All panels share one legend.
    return _head(title) | {"concat": panels, "columns": 2, "resolve": {"scale": {"color": "shared"}}}


def _panel(plot: SeriesPlot, width: int) -> Spec:
    """Return the end of the history, as long as the forecasts are, thinned, and the forecasts over it."""
    x: Spec = {"field": "time", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": {"tickCount": 6}}
    y: Spec = {"type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 5}}
    colour = _colour({_ACTUAL: _GREY, _FORECAST: _BLUE})
    forecasts = [row for number, each in enumerate(plot.forecasts) for row in _forecast_rows(number, each, plot)]
    # A line of one point is invisible.
    is_dotted = any(len(each.times) == 1 for each in plot.forecasts)
    layers: list[Spec] = [
        {
            "data": {"values": [row for row in forecasts if row["low"] is not None]},
            "mark": {"type": "area", "color": _BLUE, "opacity": 0.2},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "detail": _WINDOW},
        },
        {
            "data": {"values": _history_rows(plot)},
            "mark": {"type": "line", "strokeWidth": 1.5, "invalid": "break-paths-show-domains", "tooltip": True},
            "encoding": {"x": x, "y": y | {"field": "value"}, "color": colour},
        },
        {
            "data": {"values": forecasts},
            "mark": {"type": "line", "strokeWidth": 2, "point": is_dotted, "tooltip": True},
            "encoding": {"x": x, "y": y | {"field": "value"}, "color": colour, "detail": _WINDOW},
        },
    ]
    return {"layer": layers, "width": width, "height": _HEIGHT}


def _history_rows(plot: SeriesPlot) -> list[Spec]:
    first = plot.forecasts[0].times[0] if plot.forecasts else plot.times[-1]
    before = int(np.searchsorted(plot.times, first))
    covered = max(len(plot.times) - before, max((len(each.times) for each in plot.forecasts), default=0))
    start = max(0, before - max(_MIN_HISTORY, covered))
    kept = _thin(len(plot.times) - start, MAX_POINTS) + start
    points = zip(_format_times(plot.times[kept]), to_json_numbers(plot.values[kept]), strict=True)
    return [{"time": time, "value": value, "of": _ACTUAL} for time, value in points]


def _forecast_rows(window: int, each: ForecastLine, plot: SeriesPlot) -> Iterator[Spec]:
    kept = _thin(len(each.times), max(2, MAX_POINTS // len(plot.forecasts)))
    none = np.full(len(each.times), np.nan)
    lower, upper = (none if end is None else end for end in (each.lower, each.upper))
    columns = (to_json_numbers(values[kept]) for values in (each.forecast, lower, upper))
    for time, value, low, high in zip(_format_times(each.times[kept]), *columns, strict=True):
        if value is not None:
            row: Spec = {"time": time, "value": value, "low": low, "high": high}
            yield row | {"window": window, "of": _FORECAST}


def _thin(count: int, max_points: int) -> np.ndarray:
    """Return which of `count` points to draw: at most `max_points`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, max_points)).round().astype(int))


def _format_times(times: np.ndarray) -> list[str]:
    """Return UTC times as ISO 8601: without the Z a browser would take them for its own time zone."""
    return [f"{text}Z" for text in np.datetime_as_string(times, unit="ms")]


def _steps(steps: Sequence[int]) -> Spec:
    axis = {"tickMinStep": 1, "tickCount": min(len(steps), 12), "format": "d", "grid": False}
    first, last = _ends(steps)
    scale = {"domain": [first - 0.5, last + 0.5], "nice": False}
    return {"field": "step", "type": "quantitative", "title": "steps ahead", "axis": axis, "scale": scale}


def _ends(steps: Sequence[int]) -> tuple[float, float]:
    return steps[0], steps[-1]


def _dots(steps: int) -> Spec:
    return {"point": {"size": 40, "filled": True}} if steps <= _MAX_DOTTED_STEPS else {}


def _colour(colours: Mapping[str, str]) -> Spec:
    return {
        "field": "of",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"title": None, "orient": "bottom"},
    }


def _percent(level: float) -> str:
    return f"{100 * level:.4g}%"


def _head(title: str) -> Spec:
    return {"$schema": vega_lite.SCHEMA, "title": title}
