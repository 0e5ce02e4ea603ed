"""Charts are drawn as SVG elements that can stand in one page."""

import re

from dataml.ml.report.svg_charts import draw_chart, draw_charts

BARS = {
    "data": {"values": [{"name": "a", "n": 1}, {"name": "<script>", "n": 2}]},
    "mark": {"type": "bar", "clip": True},
    "encoding": {"x": {"field": "name", "type": "nominal"}, "y": {"field": "n", "type": "quantitative"}},
}


def test_ids_of_two_charts_differ() -> None:
    first, second = (set(re.findall(r'id="([^"]+)"', draw_chart(BARS, name))) for name in ("first", "second"))
    assert first
    assert all(name.startswith("first-") for name in first)
    assert not first & second


def test_texts_of_the_data_are_escaped() -> None:
    svg = draw_chart(BARS, "bars")
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg


def test_charts_are_drawn_in_the_order_of_the_names() -> None:
    charts = draw_charts({"a": BARS, "b": BARS}, ["b", "missing", "a"])
    first, second = charts
    assert all(name.startswith("b-") for name in re.findall(r'id="([^"]+)"', first))
    assert all(name.startswith("a-") for name in re.findall(r'id="([^"]+)"', second))
