"""Vega-Lite specifications of how well a model predicts, complete with their data.

As in `charts`, names of classes and features are data and never names of fields. Colours hold on light and dark.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from dataml.ml import vega_lite
from dataml.ml.json_numbers import to_json_numbers
from dataml.ml.labels import distinct_labels

MAX_CLASSES: Final = 20
MAX_FEATURES: Final = 25
_NUMBERED_CLASSES: Final = 12
_SIDE: Final = 300
_BLUE: Final = "#2a78d6"
_ORANGE: Final = "#eb6834"
_GREEN: Final = "#1baf7a"
_GREY: Final = "#8a8a85"
_UNIT: Final = {"domain": [0, 1]}

Spec = dict[str, Any]


def classification_charts(names: Sequence[str], confusion: np.ndarray, details: Mapping[str, Any]) -> dict[str, Spec]:
    """All that the details of a classification, see `classification`, give to draw."""
    scores = details["confidence"]
    found = {
        "confusion_matrix": confusion_matrix(names, confusion),
        "calibration_curve": calibration(details["calibration_curve"], details["calibration"]["before"]),
    }
    if details.get("roc_curve"):
        found["roc_curve"] = roc_curve(details["roc_curve"])
    if details.get("pr_curve"):
        found["pr_curve"] = pr_curve(details["pr_curve"])
    if details.get("thresholds"):
        found["thresholds"] = thresholds(details["thresholds"])
    if "pr_auc" not in scores:
        found["per_class"] = per_class(details["per_class"])
    return found


def regression_charts(details: Mapping[str, Any]) -> dict[str, Spec]:
    """All that the details of a regression, see `evaluation`, give to draw."""
    bins = details["residual_histogram"]
    found = {"predicted_vs_true": predicted_vs_true(details["predicted_vs_true"])}
    if None not in bins["edges"]:
        edges = [edge or 0.0 for edge in to_json_numbers(bins["edges"])]
        found["residual_histogram"] = vega_lite.histogram("Residuals: true minus predicted", edges, bins["counts"])
    if any(each["coverage"] is not None for each in details["intervals"].values()):
        found["interval_coverage"] = interval_coverage(details["intervals"])
    return found


def confusion_matrix(names: Sequence[Any], confusion: np.ndarray) -> Spec:
    """True classes downwards, predicted ones to the right; of many, those with most rows."""
    shown = np.sort(np.argsort(-confusion.sum(axis=1), kind="stable")[:MAX_CLASSES])
    labels = distinct_labels([names[code] for code in shown])
    rows = np.maximum(confusion.sum(axis=1), 1)
    cells = [
        {
            "true": labels[i],
            "predicted": labels[j],
            "rows": int(confusion[a, b]),
            "share": round(float(confusion[a, b] / rows[a]), 4),
        }
        for i, a in enumerate(shown)
        for j, b in enumerate(shown)
    ]
    # An axis of texts is sorted unless told otherwise, and Vega would cut them short.
    axis: Spec = {"type": "nominal", "sort": None, "axis": {"labelLimit": 300, "labelAngle": 0}}
    wide = max(map(len, labels)) > 6 or len(shown) > _NUMBERED_CLASSES
    x = {"field": "predicted", "title": "predicted class"} | axis
    x["axis"] = {"labelLimit": 300, "labelAngle": -45 if wide and len(shown) > 2 else 0}
    encoding = {"x": x, "y": {"field": "true", "title": "true class"} | axis}
    opacity = {
        "field": "share",
        "type": "quantitative",
        "legend": None,
        "scale": {"domain": [0, 1], "range": [0.05, 1]},
    }
    squares = {
        "mark": {"type": "rect", "fill": _BLUE, "tooltip": True},
        "encoding": {"fillOpacity": opacity},
    }
    numbers = {
        "mark": {"type": "text", "fontSize": 14 if len(shown) <= 4 else 11},
        "encoding": {
            "text": {"field": "rows", "type": "quantitative", "format": ",d"},
            "color": {"condition": {"test": "datum.share > 0.6", "value": "white"}},
        },
    }
    title = "Confusion matrix"
    if len(shown) < len(names):
        title += f": the {len(shown)} classes with most rows of {len(names):,}"
    step = {"step": 110 if len(shown) <= 3 else 48 if len(shown) <= _NUMBERED_CLASSES else 22}
    layers = [squares, numbers] if len(shown) <= _NUMBERED_CLASSES else [squares]
    return _layered(title, layers, {"width": step, "height": step}, cells, encoding)


def calibration(curve: Sequence[Mapping[str, Any]], before: Mapping[str, Any] | None) -> Spec:
    """What probabilities said and what came true; on the diagonal they mean what they say."""
    series = {"calibrated" if before else "model": curve} | ({"before calibration": before["curve"]} if before else {})
    points = [
        {"predicted": each["predicted"], "observed": each["observed"], "rows": each["rows"], "of": name}
        for name, bins in series.items()
        for each in bins
    ]
    colour: Spec = {
        "field": "of",
        "type": "nominal",
        "sort": None,
        "scale": {"range": [_BLUE, _ORANGE]},
        "legend": {"title": None, "orient": "bottom"} if before else None,
    }
    x, y = _unit("predicted", "mean predicted probability"), _unit("observed", "share that came true")
    lines = {
        "data": {"values": points},
        "mark": {"type": "line", "point": {"size": 50, "filled": True}, "strokeWidth": 2, "tooltip": True},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    return _layered("Calibration", [_diagonal(x, y), lines], _square())


def roc_curve(curve: Mapping[str, Sequence[float]]) -> Spec:
    points = [
        {"alarms": x, "found": y}
        for x, y in zip(curve["false_positive_rate"], curve["true_positive_rate"], strict=True)
    ]
    x, y = _unit("alarms", "false positive rate"), _unit("found", "true positive rate")
    return _layered("ROC curve", [_diagonal(x, y), _line(points, x, y, "linear")], _square())


def pr_curve(curve: Mapping[str, Sequence[float]]) -> Spec:
    points = [{"found": x, "right": y} for x, y in zip(curve["recall"], curve["precision"], strict=True)]
    # The precision at a recall holds from the recall before it on.
    line = _line(points, _unit("found", "recall"), _unit("right", "precision"), "step-before")
    return _layered("Precision and recall", [line], _square())


def thresholds(found: Mapping[str, Any]) -> Spec:
    """Precision, recall and F1 by the probability from which on a row is called positive."""
    series = {"precision": "precision", "recall": "recall", "f1_score": "F1"}
    points = [
        {"threshold": row["threshold"], "score": row[name], "of": shown}
        for name, shown in series.items()
        for row in found["table"]
        if row[name] is not None
    ]
    colour = {
        "field": "of",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(series.values()), "range": [_BLUE, _ORANGE, _GREEN]},
        "legend": {"title": None, "orient": "bottom"},
    }
    line = _line(points, _unit("threshold", "threshold"), _unit("score", "score"), "linear")
    line["encoding"]["color"] = colour
    del line["mark"]["color"]
    layers = [line]
    if found["best_f1"] is not None:
        best = {"values": [{"threshold": found["best_f1"]["threshold"]}]}
        rule = {"type": "rule", "strokeDash": [4, 4], "color": _GREY, "tooltip": True}
        encoding = {"x": {"field": "threshold", "type": "quantitative", "scale": _UNIT}}
        layers.insert(0, {"data": best, "mark": rule, "encoding": encoding})
    return _layered("By threshold", layers, {"width": 420, "height": _SIDE})


def per_class(found: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Bars of F1, the classes with most rows first."""
    largest = sorted(found.items(), key=lambda item: -item[1]["support"])[:MAX_CLASSES]
    labels = distinct_labels([name for name, _ in largest])
    bars = [
        {"class": label, "f1": each["f1_score"], "rows": each["support"]}
        for label, (_, each) in zip(labels, largest, strict=True)
    ]
    return _bars("F1 by class, most rows first", bars, "class", _unit("f1", "F1"))


def predicted_vs_true(sample: Mapping[str, Sequence[float | None]]) -> Spec:
    """Each row a point; on the diagonal the prediction was right."""
    pairs = zip(sample["truth"], sample["predicted"], strict=True)
    points = [{"true": x, "predicted": y} for x, y in pairs if x is not None and y is not None]
    ends = [value for point in points for value in point.values()]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    scale = {"zero": False, "nice": False, "domain": [low, high] if high > low else [low - 1, high + 1]}

    def axis(name: str, title: str) -> Spec:
        return {"field": name, "type": "quantitative", "scale": scale, "title": title, "axis": {"tickCount": 6}}

    encoding = {"x": axis("true", "true value"), "y": axis("predicted", "predicted value")}
    ends = [{"true": end, "predicted": end} for end in scale["domain"]]
    dots = {"type": "circle", "color": _BLUE, "opacity": 0.5, "size": 30, "tooltip": True}
    layers = [
        {"data": {"values": points}, "mark": dots, "encoding": encoding},
        {"data": {"values": ends}, "mark": _dashed(), "encoding": encoding},
    ]
    return _layered(f"Predicted and true values of {len(points)} rows", layers, _square())


def interval_coverage(intervals: Mapping[str, Mapping[str, Any]]) -> Spec:
    """How often an interval held the truth; on the diagonal as often as it says. The bars are 95% confidence."""
    points = [
        {
            "level": float(level),
            "low": each["coverage_low"],
            "high": each["coverage_high"],
            "coverage": each["coverage"],
        }
        for level, each in intervals.items()
        if each["coverage"] is not None
    ]
    x, y = _unit("level", "level of the interval"), _unit("coverage", "share of rows inside")
    bars = {"x": x, "y": _unit("low", "share of rows inside"), "y2": {"field": "high"}}
    layers = [
        _diagonal(x, y),
        {"data": {"values": points}, "mark": {"type": "rule", "strokeWidth": 2, "color": _BLUE}, "encoding": bars},
        {
            "data": {"values": points},
            "mark": {"type": "circle", "size": 70, "color": _BLUE, "opacity": 1, "tooltip": True},
            "encoding": {"x": x, "y": y},
        },
    ]
    return _layered("Coverage of the intervals", layers, _square())


def importance(values: Mapping[str, float]) -> Spec:
    """Bars of the features that move predictions most."""
    largest = sorted(values.items(), key=lambda item: -item[1])[:MAX_FEATURES]
    labels = distinct_labels([name for name, _ in largest])
    bars = [{"feature": label, "share": value} for label, (_, value) in zip(labels, largest, strict=True)]
    x = {"field": "share", "type": "quantitative", "title": "share of the mean |SHAP value|", "axis": {"format": ".0%"}}
    title = "Feature importance"
    if len(largest) < len(values):
        title += f": the first {len(largest)} of {len(values):,}"
    return _bars(title, bars, "feature", x)


def _bars(title: str, bars: list[Spec], name: str, x: Spec) -> Spec:
    y = {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}
    mark = {"type": "bar", "color": _BLUE, "tooltip": True, "cornerRadiusEnd": 2}
    size = {"width": 420, "height": {"step": 20}}
    return _head(title) | {"data": {"values": bars}, "mark": mark, "encoding": {"y": y, "x": x}} | size


def _unit(name: str, title: str) -> Spec:
    """An axis from 0 to 1."""
    return {
        "field": name,
        "type": "quantitative",
        "scale": _UNIT,
        "title": title,
        "axis": {"tickCount": 5, "labelFlush": False},
    }


def _line(points: list[Spec], x: Spec, y: Spec, interpolate: str) -> Spec:
    mark = {"type": "line", "interpolate": interpolate, "strokeWidth": 2, "color": _BLUE, "tooltip": True}
    order = {"order": {"value": None}} if interpolate == "step-before" else {}
    return {"data": {"values": points}, "mark": mark, "encoding": {"x": x, "y": y} | order}


def _diagonal(x: Spec, y: Spec) -> Spec:
    """From corner to corner of the axes that other layers have: one without their titles would take these away."""
    ends = [{x["field"]: end, y["field"]: end} for end in (0, 1)]
    return {"data": {"values": ends}, "mark": _dashed(), "encoding": {"x": x, "y": y}}


def _dashed() -> Spec:
    return {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": _GREY}


def _square() -> Spec:
    return {"width": _SIDE, "height": _SIDE}


def _layered(
    title: str, layers: list[Spec], size: Spec, values: list[Spec] | None = None, encoding: Spec | None = None
) -> Spec:
    shared: Spec = {} if values is None else {"data": {"values": values}, "encoding": encoding}
    return _head(title) | shared | {"layer": layers} | size


def _head(title: str) -> Spec:
    return {"$schema": vega_lite.SCHEMA, "title": title}
