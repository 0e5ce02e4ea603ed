"""Vega-Lite specifications of forecasts and of how good they are, complete with their data.

As in `model_charts`, names of series are data and titles, never names of fields, and colours hold on light and dark.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataml.ml import vega_lite
from dataml.ml.evaluation.conformal import wilson
from dataml.ml.forecasting.backtest.scores import ForecastScores
from dataml.ml.forecasting.backtest.splits import Plan
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.json_numbers import strict_list

MAX_SERIES: Final = 6
MAX_POINTS: Final = 300
"""Drawn of the history of a series, and of its forecasts: so many each."""
_MIN_HISTORY: Final = 40
_DOTTED_STEPS: Final = 40
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
class Forecasted:
    """One forecast of a series: `times` (steps,) datetime64, `forecast` (steps,), and its ends, where it has any."""

    times: np.ndarray
    forecast: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None


@dataclass(frozen=True)
class ShownSeries:
    """A series to draw: `times` (rows,) datetime64 in order and `values` (rows,), NaN where there is none, and its
    forecasts, earliest first."""

    name: str
    times: np.ndarray
    values: np.ndarray
    forecasts: Sequence[Forecasted]


def typical_and_worst(scores: np.ndarray, count: int = MAX_SERIES) -> list[int]:
    """Which series to draw, by their `scores` (series,), more being worse and NaN unknown: half of `count` from the
    middle, typical ones first, and then the worst."""
    ranked = [int(at) for at in np.argsort(scores, kind="stable") if np.isfinite(scores[at])]
    if len(ranked) <= count:
        return ranked
    worst = ranked[::-1][: count // 2]
    others = ranked[: -len(worst)] if worst else ranked
    middle = (len(ranked) - 1) / 2
    nearest = sorted(range(len(others)), key=lambda rank: abs(rank - middle))[: count - len(worst)]
    return [others[rank] for rank in nearest] + worst


def backtest(
    panel: Panel,
    origins: Plan,
    truth: np.ndarray,
    forecast: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    scores: ForecastScores,
    level: float = 0.95,
) -> Spec | None:
    """What was forecast in each window, with its interval, over what came: of at most six series, typical and worst
    ones; None where no series has a score. `truth`, `forecast` and the two `bounds` are (windows, series, horizon), NaN
    where there is no value."""
    ranked = np.array([np.nan if value is None else value for value in scores.by_series])
    chosen = typical_and_worst(ranked)
    # The worst ones stand last; that they are is said first, as long names are cut.
    worst = set(chosen[MAX_SERIES // 2 :]) if len(ranked) > MAX_SERIES else set()
    shown = []
    for at in chosen:
        part = panel.series(at)
        name = f"worst: {panel.ids[at]}" if at in worst else panel.ids[at]
        cuts = origins.cuts[:, at]
        forecasts = [
            Forecasted(
                panel.times[part][cut : cut + origins.horizon],
                forecast[window, at],
                bounds[0][window, at],
                bounds[1][window, at],
            )
            for window, cut in enumerate(cuts)
            if cut >= 0
        ]
        shown.append(ShownSeries(name, panel.times[part], panel.y[part], forecasts))
    if not shown:
        return None
    return of_series(f"Backtest: forecasts of the past with {_percent(level)} intervals", shown)


def by_horizon(scores: Mapping[str, Sequence[Any]]) -> Spec | None:
    """MASE of the model and of the seasonal naive by step, or WAPE where no series has a MASE; None without either.
    `scores` is `ForecastScores.by_horizon`."""
    named = (("mase", "MASE"), ("wape", "WAPE"))
    found = [(name, title) for name, title in named if any(value is not None for value in scores[name])]
    if not found:
        return None
    name, title = found[0]
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


def coverage_by_horizon(scores: Mapping[str, Sequence[Any]], level: float) -> Spec | None:
    """How often the interval held the truth, by step, with the 95% confidence of each share, against the `level` it
    should reach; None where no coverage was measured."""
    measured = zip(scores["step"], scores.get("coverage", ()), scores["values"], strict=False)
    points: list[Spec] = []
    for step, share, count in measured:
        if share is not None and count:
            low, high = wilson(round(share * count), count)
            points.append({"step": step, "coverage": share, "low": round(low, 4), "high": round(high, 4)})
    if not points:
        return None
    # Room below the lowest bar; a share has none above 1.
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


def of_series(title: str, shown: Sequence[ShownSeries]) -> Spec:
    """The history and the forecasts of at most six series, a panel each."""
    kept = list(shown)[:MAX_SERIES]
    if len(kept) == 1:
        return _head(f"{title}: {kept[0].name}" if kept[0].name else title) | _panel(kept[0], _WIDE)
    labels = vega_lite.distinct_labels([each.name for each in kept])
    panels = [
        {"title": {"text": label, "fontSize": 12, "fontWeight": "normal", "frame": "group", "anchor": "start"}}
        | _panel(each, _NARROW)
        for label, each in zip(labels, kept, strict=True)
    ]
    # One key for all panels.
    return _head(title) | {"concat": panels, "columns": 2, "resolve": {"scale": {"color": "shared"}}}


def _panel(shown: ShownSeries, width: int) -> Spec:
    """The history, thinned, from as long before the first forecast as there is after, and the forecasts over it."""
    x: Spec = {"field": "time", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": {"tickCount": 6}}
    y: Spec = {"type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 5}}
    colour = _colour({_ACTUAL: _GREY, _FORECAST: _BLUE})
    told = [row for number, each in enumerate(shown.forecasts) for row in _forecast_rows(number, each, shown)]
    # A line of one point is not seen.
    is_dotted = any(len(each.times) == 1 for each in shown.forecasts)
    layers: list[Spec] = [
        {
            "data": {"values": [row for row in told if row["low"] is not None]},
            "mark": {"type": "area", "color": _BLUE, "opacity": 0.2},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "detail": _WINDOW},
        },
        {
            "data": {"values": _history_rows(shown)},
            "mark": {"type": "line", "strokeWidth": 1.5, "invalid": "break-paths-show-domains", "tooltip": True},
            "encoding": {"x": x, "y": y | {"field": "value"}, "color": colour},
        },
        {
            "data": {"values": told},
            "mark": {"type": "line", "strokeWidth": 2, "point": is_dotted, "tooltip": True},
            "encoding": {"x": x, "y": y | {"field": "value"}, "color": colour, "detail": _WINDOW},
        },
    ]
    return {"layer": layers, "width": width, "height": _HEIGHT}


def _history_rows(shown: ShownSeries) -> list[Spec]:
    first = shown.forecasts[0].times[0] if shown.forecasts else shown.times[-1]
    before = int(np.searchsorted(shown.times, first))
    covered = max(len(shown.times) - before, max((len(each.times) for each in shown.forecasts), default=0))
    start = max(0, before - max(_MIN_HISTORY, covered))
    kept = _thinned(len(shown.times) - start, MAX_POINTS) + start
    points = zip(_moments(shown.times[kept]), strict_list(shown.values[kept]), strict=True)
    return [{"time": time, "value": value, "of": _ACTUAL} for time, value in points]


def _forecast_rows(window: int, each: Forecasted, shown: ShownSeries) -> Iterator[Spec]:
    kept = _thinned(len(each.times), max(2, MAX_POINTS // len(shown.forecasts)))
    none = np.full(len(each.times), np.nan)
    lower, upper = (none if end is None else end for end in (each.lower, each.upper))
    columns = (strict_list(values[kept]) for values in (each.forecast, lower, upper))
    for time, value, low, high in zip(_moments(each.times[kept]), *columns, strict=True):
        if value is not None:
            row: Spec = {"time": time, "value": value, "low": low, "high": high}
            yield row | {"window": window, "of": _FORECAST}


def _thinned(count: int, most: int) -> np.ndarray:
    """Which of `count` points to draw, at most `most`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _moments(times: np.ndarray) -> list[str]:
    """UTC as ISO 8601: without its Z a browser would take it for its own time zone."""
    return [f"{text}Z" for text in np.datetime_as_string(times, unit="ms")]


def _steps(steps: Sequence[int]) -> Spec:
    axis = {"tickMinStep": 1, "tickCount": min(len(steps), 12), "format": "d", "grid": False}
    first, last = _ends(steps)
    scale = {"domain": [first - 0.5, last + 0.5], "nice": False}
    return {"field": "step", "type": "quantitative", "title": "steps ahead", "axis": axis, "scale": scale}


def _ends(steps: Sequence[int]) -> tuple[float, float]:
    return steps[0], steps[-1]


def _dots(steps: int) -> Spec:
    return {"point": {"size": 40, "filled": True}} if steps <= _DOTTED_STEPS else {}


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
