"""Vega-Lite specifications, complete with their data: what all charts share, and bars of counts.

A notebook or a page draws them as they are. Names and values of a column are data, axis titles or chart titles, and
never names of fields, in which Vega reads dots, brackets and backslashes as a path.
"""

from collections.abc import Iterable
from typing import Any, Final

from dataml.ml.labels import distinct_labels, shorten

Spec = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
RENDERER_VERSION: Final = "5.21"
"""The newest version 5 that vl-convert has: the one that the specifications are written for."""
MAX_TITLE_LENGTH: Final = 60
WIDTH: Final = 480
BAR: Final = {"type": "bar", "tooltip": True}
_HEIGHT: Final = 260
_MAX_TICKS: Final = 6
_SMALL: Final = 1e-3


def single_view(title: str, values: list[Spec], mark: Spec, encoding: Spec, size: Spec) -> Spec:
    """Return the chart of one mark."""
    title = shorten(title, MAX_TITLE_LENGTH)
    return {"$schema": SCHEMA, "title": title, "data": {"values": values}, "mark": mark, "encoding": encoding} | size


def category_axis(field: str) -> Spec:
    """Return an axis of texts in the order of the data.

    Labels are short already, and Vega would cut them shorter.
    """
    return {"field": field, "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}


def histogram(name: str, edges: list[Any], counts: list[int]) -> Spec:
    """Return bars from edge to edge.

    Args:
        name: the title.
        edges: numbers, or dates as ISO 8601 in UTC; one more than `counts`.
        counts: rows between the edges.
    """
    if len(counts) == 1:
        # From an edge to itself a bar has no width.
        only = edges[0] if isinstance(edges[0], str) else f"{edges[0]:.15g}"
        return frequencies(name, [{"value": only, "count": counts[0]}], counts[0])
    bars = [{"from": low, "to": high, "rows": n} for low, high, n in zip(edges, edges[1:], counts, strict=False)]
    x: Spec = {"field": "from", "bin": {"binned": True}, "title": None}
    if isinstance(edges[0], str):
        # A browser would draw its own time zone.
        x |= {"type": "temporal", "scale": {"type": "utc"}, "title": "UTC" if edges[0].endswith("Z") else None}
    else:
        x |= {"type": "quantitative", "scale": {"zero": False, "nice": False}}
        if number_format := small_number_format(edges):
            x["axis"] = {"format": number_format}
    encoding = {"x": x, "x2": {"field": "to"}, "y": _count_axis(counts)}
    return single_view(name, bars, BAR, encoding, {"width": WIDTH, "height": _HEIGHT})


def small_number_format(numbers: Iterable[float]) -> str | None:
    """Return the format of an axis of tiny numbers, which Vega would write as zeros; None where it needs none.

    The syntax is that of d3-format: an exponent where it is shorter.
    """
    largest = max((abs(number) for number in numbers), default=0.0)
    return "~g" if 0 < largest < _SMALL else None


def frequencies(name: str, top: list[Spec], rows: int) -> Spec:
    """Return bars of the most frequent values, most frequent first.

    Args:
        name: the title.
        top: `value` and `count` of the most frequent values.
        rows: the rows of all values.
    """
    labels = distinct_labels([str(each["value"]) for each in top])
    bars = [{"value": label, "rows": each["count"]} for label, each in zip(labels, top, strict=True)]
    charted_rows = sum(each["count"] for each in top)
    title = name if charted_rows == rows else f"{shorten(name)}: the {len(top)} most frequent values"
    encoding = {"y": category_axis("value"), "x": _count_axis([each["count"] for each in top])}
    return single_view(title, bars, BAR, encoding, {"width": WIDTH, "height": {"step": 20}})


def _count_axis(counts: list[int]) -> Spec:
    """Return an axis of whole numbers.

    Between few rows Vega would set fractions, unless it has fewer ticks to set.
    """
    return {"field": "rows", "type": "quantitative", "axis": {"tickCount": max(1, min(_MAX_TICKS, max(counts)))}}
