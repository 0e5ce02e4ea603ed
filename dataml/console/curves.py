"""Charts of predictions: over the values of one feature, and of a forecast behind its history."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataml.ml.vega_lite import SCHEMA

_BLUE, _ORANGE, _GREY = "#2a78d6", "#e4632c", "#8a8f98"

_MAX_MARKED_STEPS = 31


def draw(
    feature: str, title: str, points: Sequence[Any], numbers: Sequence[float], current: Any, *, is_share: bool
) -> dict[str, Any]:
    """Return a Vega-Lite specification: a line over numbers, bars over others, and the value that is current."""
    is_number = all(isinstance(point, int | float) and not isinstance(point, bool) for point in points)
    kind = "quantitative" if is_number else "nominal"
    x = {"field": "x", "type": kind, "title": feature, "sort": None}
    scale: dict[str, Any] = {"domain": [0, 1]} if is_share else {"zero": False}
    y = {"field": "y", "type": "quantitative", "title": title, "scale": scale}
    if is_share:
        y["axis"] = {"format": "%"}
    rows = [
        {"x": point, "y": number, "is_current": point == current} for point, number in zip(points, numbers, strict=True)
    ]
    if is_number:
        x["scale"] = {"zero": False, "nice": False}
        mark: dict[str, Any] = {"type": "line", "point": True, "color": _BLUE, "tooltip": True}
        layers: list[dict[str, Any]] = [{"mark": mark, "encoding": {"x": x, "y": y}}]
        if isinstance(current, int | float) and points[0] <= current <= points[-1]:
            rule = {"type": "rule", "color": _ORANGE, "strokeDash": [4, 4], "strokeWidth": 2}
            layers.append({"data": {"values": [{"x": current}]}, "mark": rule, "encoding": {"x": x}})
    else:
        color = {"condition": {"test": "datum.is_current", "value": _ORANGE}, "value": _BLUE}
        y["scale"] = scale | ({} if is_share else {"zero": True})
        layers = [{"mark": {"type": "bar", "tooltip": True}, "encoding": {"x": x, "y": y, "color": color}}]
    return {"$schema": SCHEMA, "data": {"values": rows}, "layer": layers, "width": 520, "height": 240}


def draw_forecast(
    target: str, history: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]], level: float
) -> dict[str, Any]:
    """Return a Vega-Lite specification: the observed values, the forecast behind them, and its interval."""
    observed = [{"date": step["date"], "value": step["value"], "of": "observed"} for step in history]
    expected = [{**_select(step, "date", "value", "lower", "upper"), "of": "forecast"} for step in steps]
    # The line of the forecast begins where that of the history ends.
    joint = [{**observed[-1], "of": "forecast"}] if observed and observed[-1]["value"] is not None else []
    x = {"field": "date", "type": "temporal", "title": None, "scale": {"type": "utc"}}
    y = {"field": "value", "type": "quantitative", "title": target, "scale": {"zero": False}}
    color = {
        "field": "of",
        "type": "nominal",
        "scale": {"domain": ["observed", "forecast"], "range": [_GREY, _BLUE]},
        "legend": {"title": None, "orient": "bottom"},
    }
    band = {"type": "area", "opacity": 0.25, "color": _BLUE, "tooltip": True}
    ends = {"x": x, "y": {**y, "field": "lower"}, "y2": {"field": "upper"}}
    line = {"type": "line", "strokeWidth": 2, "tooltip": True, "point": len(steps) <= _MAX_MARKED_STEPS}
    return {
        "$schema": SCHEMA,
        "title": f"Forecast with the {level:g} % interval",
        "layer": [
            {"data": {"values": expected}, "mark": band, "encoding": ends},
            {
                "data": {"values": [*observed, *joint, *expected]},
                "mark": line,
                "encoding": {"x": x, "y": y, "color": color},
            },
        ],
        "width": 760,
        "height": 300,
    }


def _select(step: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: step[name] for name in names}
