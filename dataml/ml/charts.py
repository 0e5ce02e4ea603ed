"""Vega-Lite specifications of statistics, complete with their data: a notebook or a page draws them as they are."""

from typing import Any, Final

_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"


def column(name: str, summary: dict[str, Any]) -> dict[str, Any] | None:
    """What is to be seen in the statistics of a column; None for dates, and numbers without bins."""
    if "top_values" in summary:
        return frequencies(name, summary["top_values"])
    bins = summary["histogram"]
    return histogram(name, bins["edges"], bins["counts"]) if bins and "gaps" not in summary else None


def histogram(name: str, edges: list[float], counts: list[int]) -> dict[str, Any]:
    """Bars from edge to edge; `edges` has one more than `counts`."""
    values = [{"from": low, "to": high, "rows": n} for low, high, n in zip(edges, edges[1:], counts, strict=False)]
    return _chart(
        name,
        values,
        {"type": "bar", "tooltip": True},
        {
            "x": {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": name},
            "x2": {"field": "to"},
            "y": {"field": "rows", "type": "quantitative"},
        },
    )


def frequencies(name: str, top: list[dict[str, Any]]) -> dict[str, Any]:
    """Bars of the most frequent values, most frequent first."""
    values = [{"value": str(each["value"]), "rows": each["count"]} for each in top]
    return _chart(
        name,
        values,
        {"type": "bar", "tooltip": True},
        {
            "y": {"field": "value", "type": "nominal", "sort": None, "title": name},
            "x": {"field": "rows", "type": "quantitative"},
        },
    )


def correlation(names: list[str], matrix: list[list[float | None]]) -> dict[str, Any]:
    """A heat map, blue for columns that go together and red for those that go against each other."""
    values = [
        {"a": a, "b": b, "correlation": matrix[i][j]}
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if matrix[i][j] is not None
    ]
    scale = {"scheme": "redblue", "domain": [-1, 1]}
    return _chart(
        "Correlation",
        values,
        {"type": "rect", "tooltip": True},
        {
            "x": {"field": "a", "type": "nominal", "sort": None, "title": None},
            "y": {"field": "b", "type": "nominal", "sort": None, "title": None},
            "color": {"field": "correlation", "type": "quantitative", "scale": scale},
        },
    )


def association(target: str, values: dict[str, float]) -> dict[str, Any]:
    """Bars of the columns that tell most of the target, most first."""
    ranked = [{"column": name, "association": value} for name, value in values.items()]
    return _chart(
        f"Association with {target}",
        ranked,
        {"type": "bar", "tooltip": True},
        {
            "y": {"field": "column", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "association", "type": "quantitative", "scale": {"domain": [0, 1]}},
        },
    )


def _chart(title: str, values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _SCHEMA, "title": title, "data": {"values": values}, "mark": mark, "encoding": encoding}
