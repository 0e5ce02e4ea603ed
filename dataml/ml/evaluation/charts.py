"""Charts of how well a model predicts, as Vega-Lite specifications complete with their data.

As in `vega_lite`, names of classes and features are data and never names of fields. Colours suit light and dark pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from dataml.ml.json_numbers import to_json_numbers
from dataml.ml.labels import distinct_labels
from dataml.ml.vega_lite import SCHEMA, Spec, category_axis, histogram, small_number_format

MAX_CLASSES: Final = 20
MAX_FEATURES: Final = 25
_MAX_NUMBERED_CLASSES: Final = 12
_SIDE: Final = 300
_WIDE: Final = 420
_BLUE: Final = "#2a78d6"
_ORANGE: Final = "#eb6834"
_GREEN: Final = "#1baf7a"
_GREY: Final = "#8a8a85"
_UNIT: Final = {"domain": [0, 1]}
_DASHED: Final = {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": _GREY}
_SQUARE: Final = {"width": _SIDE, "height": _SIDE}


def classification_charts(names: Sequence[str], confusion: np.ndarray, details: Mapping[str, Any]) -> dict[str, Spec]:
    """Return every chart that the details of a classification have data for, see `classification`."""
    metrics = details["confidence"]
    charts = {
        "confusion_matrix": confusion_matrix(names, confusion),
        "calibration_curve": calibration(details["calibration_curve"], details["calibration"]["before"]),
    }
    if details.get("roc_curve"):
        charts["roc_curve"] = roc_curve(details["roc_curve"])
    if details.get("pr_curve"):
        charts["pr_curve"] = pr_curve(details["pr_curve"])
    if details.get("thresholds"):
        charts["thresholds"] = thresholds(details["thresholds"])
    if "pr_auc" not in metrics:
        charts["per_class"] = per_class(details["per_class"])
    return charts


def regression_charts(details: Mapping[str, Any]) -> dict[str, Spec]:
    """Return every chart that the details of a regression have data for, see `regression`."""
    bins = details["residual_histogram"]
    charts = {"predicted_vs_true": predicted_vs_true(details["predicted_vs_true"])}
    if None not in bins["edges"]:
        edges = [edge or 0.0 for edge in to_json_numbers(bins["edges"])]
        charts["residual_histogram"] = histogram("Residuals: true minus predicted", edges, bins["counts"])
    if any(each["coverage"] is not None for each in details["intervals"].values()):
        charts["interval_coverage"] = interval_coverage(details["intervals"])
    return charts


def confusion_matrix(names: Sequence[Any], confusion: np.ndarray) -> Spec:
    """Return a matrix with true classes downwards and predicted ones to the right; of many, those with most rows."""
    charted = np.sort(np.argsort(-confusion.sum(axis=1), kind="stable")[:MAX_CLASSES])
    labels = distinct_labels([names[code] for code in charted])
    is_numbered = len(charted) <= _MAX_NUMBERED_CLASSES
    # An axis of texts is sorted by default, and Vega would cut them short.
    axis: Spec = {"type": "nominal", "sort": None, "axis": {"labelLimit": 300, "labelAngle": 0}}
    is_wide = max(map(len, labels)) > 6 or not is_numbered
    x = {"field": "predicted", "title": "predicted class"} | axis
    x["axis"] = {"labelLimit": 300, "labelAngle": -45 if is_wide and len(charted) > 2 else 0}
    encoding = {"x": x, "y": {"field": "true", "title": "true class"} | axis}
    title = "Confusion matrix"
    if len(charted) < len(names):
        title += f": the {len(charted)} classes with most rows of {len(names):,}"
    step = {"step": 110 if len(charted) <= 3 else 48 if is_numbered else 22}
    layers = _confusion_layers(len(charted))
    cells = _confusion_cells(labels, charted, confusion)
    return _layered(title, layers, {"width": step, "height": step}, cells, encoding)


def _confusion_cells(labels: list[str], charted: np.ndarray, confusion: np.ndarray) -> list[Spec]:
    rows = np.maximum(confusion.sum(axis=1), 1)
    return [
        {
            "true": labels[i],
            "predicted": labels[j],
            "rows": int(confusion[a, b]),
            "share": round(float(confusion[a, b] / rows[a]), 4),
        }
        for i, a in enumerate(charted)
        for j, b in enumerate(charted)
    ]


def _confusion_layers(classes: int) -> list[Spec]:
    """Return squares and, where there is room for them, numbers of rows."""
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
        "mark": {"type": "text", "fontSize": 14 if classes <= 4 else 11},
        "encoding": {
            "text": {"field": "rows", "type": "quantitative", "format": ",d"},
            "color": {"condition": {"test": "datum.share > 0.6", "value": "white"}},
        },
    }
    return [squares, numbers] if classes <= _MAX_NUMBERED_CLASSES else [squares]


def calibration(curve: Sequence[Mapping[str, Any]], before: Mapping[str, Any] | None) -> Spec:
    """Return predicted probabilities against observed shares, before and after calibration.

    On the diagonal the probabilities are right.
    """
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
    x, y = _unit_axis("predicted", "mean predicted probability"), _unit_axis("observed", "share that came true")
    lines = {
        "data": {"values": points},
        "mark": {"type": "line", "point": {"size": 50, "filled": True}, "strokeWidth": 2, "tooltip": True},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    return _layered("Calibration", [_diagonal(x, y), lines], _SQUARE)


def roc_curve(curve: Mapping[str, Sequence[float]]) -> Spec:
    """Return the ROC curve above the diagonal of chance."""
    points = [
        {"alarms": x, "found": y}
        for x, y in zip(curve["false_positive_rate"], curve["true_positive_rate"], strict=True)
    ]
    x, y = _unit_axis("alarms", "false positive rate"), _unit_axis("found", "true positive rate")
    return _layered("ROC curve", [_diagonal(x, y), _line(points, x, y, "linear")], _SQUARE)


def pr_curve(curve: Mapping[str, Sequence[float]]) -> Spec:
    """Return the precision-recall curve."""
    points = [{"found": x, "right": y} for x, y in zip(curve["recall"], curve["precision"], strict=True)]
    # The precision at a recall holds from the recall before it on.
    line = _line(points, _unit_axis("found", "recall"), _unit_axis("right", "precision"), "step-before")
    return _layered("Precision and recall", [line], _SQUARE)


def thresholds(by_threshold: Mapping[str, Any]) -> Spec:
    """Return precision, recall and F1 by the probability from which on a row is called positive."""
    series = {"precision": "precision", "recall": "recall", "f1_score": "F1"}
    points = [
        {"threshold": row["threshold"], "score": row[name], "of": label}
        for name, label in series.items()
        for row in by_threshold["table"]
        if row[name] is not None
    ]
    line = _line(points, _unit_axis("threshold", "threshold"), _unit_axis("score", "score"), "linear")
    line["encoding"]["color"] = {
        "field": "of",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(series.values()), "range": [_BLUE, _ORANGE, _GREEN]},
        "legend": {"title": None, "orient": "bottom"},
    }
    del line["mark"]["color"]
    layers = [line]
    if by_threshold["best_f1"] is not None:
        best = {"values": [{"threshold": by_threshold["best_f1"]["threshold"]}]}
        rule = {"type": "rule", "strokeDash": [4, 4], "color": _GREY, "tooltip": True}
        encoding = {"x": {"field": "threshold", "type": "quantitative", "scale": _UNIT}}
        layers.insert(0, {"data": best, "mark": rule, "encoding": encoding})
    return _layered("By threshold", layers, {"width": _WIDE, "height": _SIDE})


def per_class(scores: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Return bars of F1, the classes with most rows first."""
    largest = sorted(scores.items(), key=lambda item: -item[1]["support"])[:MAX_CLASSES]
    labels = distinct_labels([name for name, _ in largest])
    bars = [
        {"class": label, "f1": each["f1_score"], "rows": each["support"]}
        for label, (_, each) in zip(labels, largest, strict=True)
    ]
    return _bars("F1 by class, most rows first", bars, "class", _unit_axis("f1", "F1"))


def predicted_vs_true(sample: Mapping[str, Sequence[float | None]]) -> Spec:
    """Return a point for each row; on the diagonal the prediction was right."""
    pairs = zip(sample["truth"], sample["predicted"], strict=True)
    points = [{"true": x, "predicted": y} for x, y in pairs if x is not None and y is not None]
    values = [value for point in points for value in point.values()]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    domain = [low, high] if high > low else [low - 1, high + 1]
    scale = {"zero": False, "nice": False, "domain": domain}
    number_format = small_number_format(domain)
    ticks: Spec = {"tickCount": 6} | ({"format": number_format} if number_format else {})

    def axis(name: str, title: str) -> Spec:
        return {"field": name, "type": "quantitative", "scale": scale, "title": title, "axis": ticks}

    encoding = {"x": axis("true", "true value"), "y": axis("predicted", "predicted value")}
    ends = [{"true": end, "predicted": end} for end in domain]
    dots = {"type": "circle", "color": _BLUE, "opacity": 0.5, "size": 30, "tooltip": True}
    layers = [
        {"data": {"values": points}, "mark": dots, "encoding": encoding},
        {"data": {"values": ends}, "mark": _DASHED, "encoding": encoding},
    ]
    return _layered(f"Predicted and true values of {len(points)} rows", layers, _SQUARE)


def interval_coverage(intervals: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Return the share of rows inside the intervals of each level, with bars of its 95% confidence.

    On the diagonal the intervals hold the truth as often as their level says.
    """
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
    x, y = _unit_axis("level", "level of the interval"), _unit_axis("coverage", "share of rows inside")
    bars = {"x": x, "y": _unit_axis("low", "share of rows inside"), "y2": {"field": "high"}}
    layers = [
        _diagonal(x, y),
        {"data": {"values": points}, "mark": {"type": "rule", "strokeWidth": 2, "color": _BLUE}, "encoding": bars},
        {
            "data": {"values": points},
            "mark": {"type": "circle", "size": 70, "color": _BLUE, "opacity": 1, "tooltip": True},
            "encoding": {"x": x, "y": y},
        },
    ]
    return _layered("Coverage of the intervals", layers, _SQUARE)


def importance(values: Mapping[str, float]) -> Spec:
    """Return bars of the features that move predictions most."""
    largest = sorted(values.items(), key=lambda item: -item[1])[:MAX_FEATURES]
    labels = distinct_labels([name for name, _ in largest])
    bars = [{"feature": label, "share": value} for label, (_, value) in zip(labels, largest, strict=True)]
    x = {"field": "share", "type": "quantitative", "title": "share of the mean |SHAP value|", "axis": {"format": ".0%"}}
    title = "Feature importance"
    if len(largest) < len(values):
        title += f": the first {len(largest)} of {len(values):,}"
    return _bars(title, bars, "feature", x)


def _bars(title: str, bars: list[Spec], name: str, x: Spec) -> Spec:
    mark = {"type": "bar", "color": _BLUE, "tooltip": True, "cornerRadiusEnd": 2}
    encoding = {"y": category_axis(name), "x": x}
    size = {"width": _WIDE, "height": {"step": 20}}
    return _head(title) | {"data": {"values": bars}, "mark": mark, "encoding": encoding} | size


def _unit_axis(name: str, title: str) -> Spec:
    """Return an axis from 0 to 1."""
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
    """Return a line from corner to corner.

    It has the axes of the other layers: a layer without their titles would take these away.
    """
    ends = [{x["field"]: end, y["field"]: end} for end in (0, 1)]
    return {"data": {"values": ends}, "mark": _DASHED, "encoding": {"x": x, "y": y}}


def _layered(
    title: str, layers: list[Spec], size: Spec, values: list[Spec] | None = None, encoding: Spec | None = None
) -> Spec:
    shared: Spec = {} if values is None else {"data": {"values": values}, "encoding": encoding}
    return _head(title) | shared | {"layer": layers} | size


def _head(title: str) -> Spec:
    return {"$schema": SCHEMA, "title": title}
