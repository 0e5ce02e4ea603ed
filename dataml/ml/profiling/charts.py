"""Charts of the statistics of a dataset's columns."""

from typing import Any

from dataml.ml.labels import distinct_labels
from dataml.ml.vega_lite import BAR, WIDTH, Spec, category_axis, frequencies, histogram, single_view


def column_chart(name: str, summary: dict[str, Any]) -> Spec | None:
    """Return the histogram or the most frequent values of a column; None when it has no values or no bins."""
    if not summary["count"]:
        return None
    if "top_values" in summary:
        return frequencies(name, summary["top_values"], summary["count"])
    bins = summary["histogram"]
    return histogram(name, bins["edges"], bins["counts"]) if bins else None


def correlation_chart(names: list[str], matrix: list[list[float | None]]) -> Spec:
    """Return a heat map, blue for positive correlations and red for negative ones."""
    labels = distinct_labels(names)
    cells = [
        {"a": a, "b": b, "correlation": matrix[i][j]}
        for i, a in enumerate(labels)
        for j, b in enumerate(labels)
        if matrix[i][j] is not None
    ]
    color = {"field": "correlation", "type": "quantitative", "scale": {"scheme": "redblue", "domain": [-1, 1]}}
    # A column that correlates with nothing keeps its row.
    encoding = {
        "x": category_axis("a") | {"scale": {"domain": labels}, "axis": {"labelAngle": -45, "labelLimit": 300}},
        "y": category_axis("b") | {"scale": {"domain": labels}},
        "color": color | {"title": None},
    }
    step = {"step": 32 if len(names) <= 12 else 16}
    mark = {"type": "rect", "tooltip": True}
    return single_view("Correlation", cells, mark, encoding, {"width": step, "height": step})


def association_chart(target: str, values: dict[str, float]) -> Spec:
    """Return bars of the columns most associated with the target, from `values` in that order."""
    labels = distinct_labels(list(values))
    bars = [{"column": label, "association": each} for label, each in zip(labels, values.values(), strict=True)]
    x = {"field": "association", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "association"}
    encoding = {"y": category_axis("column"), "x": x}
    return single_view(f"Association with {target}", bars, BAR, encoding, {"width": WIDTH, "height": {"step": 20}})
