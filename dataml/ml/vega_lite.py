"""Vega-Lite specifications of statistics, complete with their data: a notebook or a page draws them as they are.

Names and values of a column are data, axis titles or chart titles, and never names of fields, in which Vega reads dots,
brackets and backslashes as a path.
"""

from collections import Counter
from typing import Any, Final

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_WIDTH: Final = 480
_HEIGHT: Final = 260
_SHOWN_CHARACTERS: Final = 40
_TITLE_CHARACTERS: Final = 60
_BAR: Final = {"type": "bar", "tooltip": True}
_TICKS: Final = 6


def column(name: str, summary: dict[str, Any]) -> dict[str, Any] | None:
    """What is to be seen in the statistics of a column; None when it has no values, or they have no bins."""
    if not summary["count"]:
        return None
    if "top_values" in summary:
        return frequencies(name, summary["top_values"], summary["count"])
    bins = summary["histogram"]
    return histogram(name, bins["edges"], bins["counts"]) if bins else None


def histogram(name: str, edges: list[Any], counts: list[int]) -> dict[str, Any]:
    """Bars from edge to edge; `edges` has one more than `counts`, and they are numbers, or dates as ISO 8601 in UTC."""
    if len(counts) == 1:
        # From an edge to itself a bar has no width.
        only = edges[0] if isinstance(edges[0], str) else f"{edges[0]:.15g}"
        return frequencies(name, [{"value": only, "count": counts[0]}], counts[0])
    bars = [{"from": low, "to": high, "rows": n} for low, high, n in zip(edges, edges[1:], counts, strict=False)]
    x: dict[str, Any] = {"field": "from", "bin": {"binned": True}, "title": None}
    if isinstance(edges[0], str):
        # A browser would draw its own time zone.
        x |= {"type": "temporal", "scale": {"type": "utc"}, "title": "UTC" if edges[0].endswith("Z") else None}
    else:
        x |= {"type": "quantitative", "scale": {"zero": False, "nice": False}}
    encoding = {"x": x, "x2": {"field": "to"}, "y": _rows(counts)}
    return _chart(name, bars, _BAR, encoding, {"width": _WIDTH, "height": _HEIGHT})


def frequencies(name: str, top: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    """Bars of the most frequent values of `rows`, most frequent first."""
    labels = distinct_labels([str(each["value"]) for each in top])
    bars = [{"value": label, "rows": each["count"]} for label, each in zip(labels, top, strict=True)]
    shown = sum(each["count"] for each in top)
    title = name if shown == rows else f"{_short(name, _SHOWN_CHARACTERS)}: the {len(top)} most frequent values"
    encoding = {"y": _listed("value"), "x": _rows([each["count"] for each in top])}
    return _chart(title, bars, _BAR, encoding, {"width": _WIDTH, "height": {"step": 20}})


def correlation(names: list[str], matrix: list[list[float | None]]) -> dict[str, Any]:
    """A heat map, blue for columns that go together and red for those that go against each other."""
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
        "x": _listed("a") | {"scale": {"domain": labels}, "axis": {"labelAngle": -45, "labelLimit": 300}},
        "y": _listed("b") | {"scale": {"domain": labels}},
        "color": color | {"title": None},
    }
    step = {"step": 32 if len(names) <= 12 else 16}
    return _chart("Correlation", cells, {"type": "rect", "tooltip": True}, encoding, {"width": step, "height": step})


def association(target: str, values: dict[str, float]) -> dict[str, Any]:
    """Bars of the columns that tell most of the target, most first."""
    labels = distinct_labels(list(values))
    bars = [{"column": label, "association": each} for label, each in zip(labels, values.values(), strict=True)]
    x = {"field": "association", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "association"}
    encoding = {"y": _listed("column"), "x": x}
    return _chart(f"Association with {target}", bars, _BAR, encoding, {"width": _WIDTH, "height": {"step": 20}})


def _rows(counts: list[int]) -> dict[str, Any]:
    """An axis of whole numbers: Vega divides between few rows unless it has fewer ticks to set."""
    return {"field": "rows", "type": "quantitative", "axis": {"tickCount": max(1, min(_TICKS, max(counts)))}}


def _listed(field: str) -> dict[str, Any]:
    """Texts in the order of the data; they are short already, and Vega would cut them shorter."""
    return {"field": field, "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}


def distinct_labels(texts: list[str]) -> list[str]:
    """Each short, and different from the others: what has the same label is drawn in the same place."""
    seen: Counter[str] = Counter()
    labels: list[str] = []
    for text in texts:
        label = _short(text, _SHOWN_CHARACTERS)
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return labels


def _short(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _chart(
    title: str, values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any], size: dict[str, Any]
) -> dict[str, Any]:
    title = _short(title, _TITLE_CHARACTERS)
    return {"$schema": SCHEMA, "title": title, "data": {"values": values}, "mark": mark, "encoding": encoding} | size
